//! Where a demo keeps its accounts and keys: a folder of its own that goes when it ends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use throng_motion::Land;

use crate::account;
use crate::config::{Config, WorldSettings};
use crate::gateway::keys::DataDir;
use crate::report::counted;
use crate::{land, limits};

/// The folder. Dropping it removes it.
pub(super) struct Place(PathBuf);

impl Place {
    /// A new folder among the system's temporary ones, for its owner only.
    pub fn new() -> anyhow::Result<Self> {
        Self::named("throng-demo")
    }

    /// The same under another name.
    pub(super) fn named(name: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        // Another demo's process id may have come round again.
        if path.exists() {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove the left-over {}", path.display()))?;
        }
        DataDir::create(&path)?;
        Ok(Self(path))
    }

    /// For `gateway.data_dir`.
    pub fn data_dir(&self) -> anyhow::Result<String> {
        let path = self.0.to_str().context("the folder for temporary files (TMPDIR) is not UTF-8")?;
        Ok(path.to_owned())
    }

    /// One session token a line.
    pub fn sessions(&self) -> PathBuf {
        self.0.join("sessions.txt")
    }

    /// What the clients trust.
    pub fn certificate(&self) -> PathBuf {
        DataDir::at(self.path()).tls_dir().join("cert.pem")
    }

    /// Makes accounts with a character and a session token each, and no password.
    pub fn make_accounts(&self, config: &Config, count: u32) -> anyhow::Result<()> {
        account::make_locked(config, count, &self.sessions())
    }

    /// The world file that both sides read.
    pub fn land(&self) -> PathBuf {
        self.0.join("land.world")
    }

    /// Makes the land of a demo's world and has the settings name it. Of the creatures that were asked for, those that
    /// live in the land's own areas are no longer to be added. Says what there is.
    pub fn make_land(&self, world: &mut WorldSettings, seed: u64) -> anyhow::Result<String> {
        let is_made = world.width_m.min(world.height_m) >= limits::SIDE_M_MADE_MIN;
        let made = match is_made {
            true => land::make(seed, world.width_m, world.height_m)?,
            false => Land::flat(world.width_m, world.height_m),
        };
        let path = self.land();
        fs::write(&path, made.write()).with_context(|| format!("cannot write {}", path.display()))?;
        world.land =
            path.to_str().context("the folder for temporary files (TMPDIR) is not UTF-8")?.to_owned();
        // Dungeons would be worlds apart from the crowd that a demo is about.
        world.instances = 1;
        let settled: u32 = made.spawn_areas().iter().map(|area| u32::from(area.count)).sum();
        world.creatures = world.creatures.saturating_sub(settled);
        Ok(format!(
            "made a land with {} and {} at home in its main zone",
            counted(made.shops().len() as u64, "shop"),
            counted(settled.into(), "creature")
        ))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
