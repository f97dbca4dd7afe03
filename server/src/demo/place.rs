//! Where a demo keeps its accounts and keys: a folder of its own that goes when it ends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::account;
use crate::config::Config;
use crate::gateway::keys::DataDir;

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

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
