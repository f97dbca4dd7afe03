//! The land of a realm: read from a world file, or made; and `throng world`, which writes and checks such files.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use throng_motion::limits::FILE_BYTES_MAX;
use throng_motion::{GenerateConfig, Land, LandError, LayoutError};

use crate::cli::{WorldArgs, WorldCommand};

/// Metres between zones beyond the view radius: nobody sees across, whatever rounding does.
const GAP_M: f32 = 16.0;

/// Why a realm has no land.
#[derive(Debug, thiserror::Error)]
pub enum NoLand {
    /// The file cannot be read.
    #[error("cannot read the world file {path:?}: {source}\n  correct world.land, or leave it empty")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no land.
    #[error(
        "the world file {path:?} cannot be used: {source}\n  throng world check tells the same after a change"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: LandError,
    },
    /// None can be made.
    #[error("cannot make a land: {0}")]
    Make(#[from] LandError),
    /// Its zones cannot be laid out.
    #[error("cannot lay the zones out: {0}\n  lower world.instances")]
    Layout(#[from] LayoutError),
}

/// Reads a world file.
///
/// # Errors
/// When it cannot be read or is none.
pub fn read(path: &Path) -> Result<Land, NoLand> {
    let mut bytes = Vec::new();
    // One byte more than is allowed, to be found too long; a device that never ends is not read to its end.
    let most = FILE_BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|source| NoLand::Read { path: path.to_owned(), source })?;
    Land::read(&bytes).map_err(|source| NoLand::File { path: path.to_owned(), source })
}

/// Makes a land up.
///
/// # Errors
/// When a side is too short or too long.
pub fn make(seed: u64, width_m: f32, height_m: f32) -> Result<Land, NoLand> {
    let config = GenerateConfig { seed, width_m: width_m as u32, height_m: height_m as u32 };
    Ok(Land::generate(&config)?)
}

/// Lays out so many copies of each zone beside the main one, out of each other's view.
///
/// # Errors
/// When they do not fit a world.
pub fn lay_out(land: &mut Land, instances: u32, view_radius_m: f32) -> Result<(), NoLand> {
    Ok(land.lay_out(instances, view_radius_m + GAP_M)?)
}

/// Runs `throng world`.
///
/// # Errors
/// When a file cannot be written or read, or is none.
pub fn run(args: &WorldArgs) -> anyhow::Result<ExitCode> {
    let lines = match &args.command {
        WorldCommand::Generate { file, width, height, seed } => {
            let bytes = make(*seed, *width as f32, *height as f32)?.write();
            std::fs::write(file, &bytes).with_context(|| format!("cannot write {file:?}"))?;
            vec![format!("{}: {} bytes", file.display(), bytes.len())]
        }
        WorldCommand::Check { file, instances, view_radius } => {
            let mut land = read(file)?;
            lay_out(&mut land, *instances, *view_radius)?;
            describe(&land)
        }
    };
    let mut out = io::stdout().lock();
    for line in lines {
        // A reader that has seen enough is no error.
        let _ = writeln!(out, "{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is in a land, a line each.
fn describe(land: &Land) -> Vec<String> {
    let size = land.size();
    let mut lines = vec![format!("world of {} x {} m with all zones laid out", size.x, size.y)];
    for number in 0..land.zone_count() {
        let Some((id, zone)) = land.instances(number).next() else { continue };
        let copies = land.instances(number).count();
        let areas = land.spawn_areas().iter().filter(|area| area.zone == id);
        let (area_count, creatures) =
            areas.fold((0, 0), |(areas, creatures), area| (areas + 1, creatures + u32::from(area.count)));
        lines.push(format!(
            "zone {number}: {} x {} m, {copies} laid out, each with {area_count} areas of {creatures} creatures, {} shops, \
             {} places where players appear",
            zone.size.x,
            zone.size.y,
            land.shops().iter().filter(|shop| shop.zone == id).count(),
            land.player_spawns(id).len(),
        ));
    }
    lines
}
