//! The subcommands for world files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `throng world`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng world generate meadows.land --width 1000 --height 1000 --seed 7
  throng world check meadows.land --instances 4

A world file holds what never moves: terrain, obstacles, walls, where creatures live and shops are. A realm walks on the
one that world.land names, and clients need the same one to predict their steps.")]
pub struct WorldArgs {
    /// What to do
    #[command(subcommand)]
    pub command: WorldCommand,
}

/// The subcommands of `throng world`.
#[derive(Subcommand, Debug, Clone)]
pub enum WorldCommand {
    /// Make up a land and write it to a file: the same seed and size make the same land everywhere
    Generate {
        /// The file to write; an existing one is replaced
        file: PathBuf,
        /// Metres of the main zone along x
        #[arg(long, value_name = "M", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(64..=60_000))]
        width: u32,
        /// Metres of the main zone along y
        #[arg(long, value_name = "M", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(64..=60_000))]
        height: u32,
        /// Seed of everything in it
        #[arg(long, value_name = "SEED", default_value_t = 1)]
        seed: u64,
    },
    /// Read a world file as a realm does and tell what is in it, or what is wrong with it and where
    Check {
        /// The file
        file: PathBuf,
        /// Copies of each zone beside the main one to lay out
        #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=1000))]
        instances: u32,
        /// Metres of view, which keeps the zones apart
        #[arg(long, value_name = "M", default_value_t = 50.0)]
        view_radius: f32,
    },
}
