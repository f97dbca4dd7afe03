//! Settings that parse but cannot work: found, needed, remedy.

use std::fmt;
use std::ops::RangeInclusive;

use super::{Config, SpawnChoice};
use crate::limits;

/// One setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `section.key`.
    pub key: &'static str,
    /// The value found.
    pub found: String,
    /// What would work.
    pub needed: String,
    /// What to do.
    pub remedy: String,
}

/// All problems of one configuration: an operator should not meet them one restart at a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot work:")?;
        for Problem { key, found, needed, remedy } in &self.0 {
            write!(f, "\n  {key}: found {found}, needed {needed}\n    {remedy}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Looks for values outside their limits and for settings that contradict each other.
    ///
    /// # Errors
    /// All problems at once.
    pub fn check(&self) -> Result<(), Problems> {
        let mut checker = Checker(Vec::new());
        checker.realm(self);
        checker.world(self);
        checker.net(self);
        if checker.0.is_empty() { Ok(()) } else { Err(Problems(checker.0)) }
    }
}

struct Checker(Vec<Problem>);

impl Checker {
    fn report(
        &mut self,
        key: &'static str,
        found: impl fmt::Display,
        needed: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (found, needed, remedy) = (found.to_string(), needed.into(), remedy.into());
        self.0.push(Problem { key, found, needed, remedy });
    }

    /// True when `value` lies in `range`. NaN lies in no range.
    fn within<T: PartialOrd + fmt::Display>(
        &mut self,
        key: &'static str,
        value: T,
        range: RangeInclusive<T>,
    ) -> bool {
        let is_within = range.contains(&value);
        if !is_within {
            let (low, high) = (range.start(), range.end());
            let name = key.to_ascii_uppercase().replace('.', "__");
            self.report(
                key,
                value,
                format!("{low} to {high}"),
                format!("set {key} in the settings file, or THRONG_{name}"),
            );
        }
        is_within
    }

    fn realm(&mut self, config: &Config) {
        let realm = &config.realm;
        self.within("realm.tick_hz", realm.tick_hz, limits::TICK_HZ);
        self.within("realm.players_max", realm.players_max, limits::PLAYERS);
        self.within("realm.threads", realm.threads, limits::THREADS);
        self.within("realm.intent_hold_ticks", realm.intent_hold_ticks, limits::INTENT_HOLD_TICKS);
        self.within("log.status_every_s", config.log.status_every_s, 0..=limits::STATUS_EVERY_S_MAX);
    }

    fn world(&mut self, config: &Config) {
        let world = &config.world;
        let is_sized = self.within("world.width_m", world.width_m, limits::SIDE_M)
            & self.within("world.height_m", world.height_m, limits::SIDE_M);
        self.within("world.refresh_ticks", world.refresh_ticks, limits::REFRESH_TICKS);
        if is_sized && world.spawn == SpawnChoice::Disc {
            let half_side_m = world.width_m.min(world.height_m) / 2.0;
            if !(1.0..=half_side_m).contains(&world.spawn_radius_m) {
                self.report(
                    "world.spawn_radius_m",
                    world.spawn_radius_m,
                    format!("1 to {half_side_m}, half the smaller side of the world"),
                    "make the disc smaller or the world larger (world.width_m, world.height_m)",
                );
            }
        }
        if is_sized && self.within("world.view_radius_m", world.view_radius_m, limits::VIEW_RADIUS_M) {
            let cells = |side_m: f32| (side_m / world.view_radius_m).ceil() as u64;
            let found = cells(world.width_m) * cells(world.height_m);
            if found > limits::CELLS_MAX {
                self.report(
                    "world.width_m",
                    format!("a world of {found} cells of one view radius"),
                    format!("at most {} cells", limits::CELLS_MAX),
                    "make the world smaller (world.width_m, world.height_m) or world.view_radius_m larger",
                );
            }
        }
        let entities = u64::from(config.realm.players_max) + u64::from(world.creatures);
        if entities > u64::from(limits::ENTITIES_MAX) {
            self.report(
                "world.creatures",
                format!(
                    "{} creatures beside {} players, together {entities}",
                    world.creatures, config.realm.players_max
                ),
                format!("together at most {}", limits::ENTITIES_MAX),
                "lower world.creatures or realm.players_max",
            );
        }
    }

    fn net(&mut self, config: &Config) {
        let net = &config.net;
        self.within("net.snapshot_bytes_max", net.snapshot_bytes_max, limits::SNAPSHOT_BYTES);
        self.within("net.session_timeout_ms", net.session_timeout_ms, limits::SESSION_TIMEOUT_MS);
        self.within("net.input_burst", net.input_burst, limits::INPUT_BURST);
        self.within("net.poll_us", net.poll_us, limits::POLL_US);
        self.within("net.receive_batch_max", net.receive_batch_max, limits::RECEIVE_BATCH);
        self.within("net.receive_buffer_bytes", net.receive_buffer_bytes, limits::SOCKET_BUFFER_BYTES);
        self.within("net.send_buffer_bytes", net.send_buffer_bytes, limits::SOCKET_BUFFER_BYTES);
        // One complaint for a rate beyond its own limit is enough.
        let tick_hz = u32::from(config.realm.tick_hz.min(*limits::TICK_HZ.end()));
        if !(2 * tick_hz..=limits::INPUT_RATE_HZ_MAX).contains(&net.input_rate_hz) {
            self.report(
                "net.input_rate_hz",
                net.input_rate_hz,
                format!("{} (twice realm.tick_hz) to {}", 2 * tick_hz, limits::INPUT_RATE_HZ_MAX),
                "a client sends one input a tick, and must be able to catch up: raise it to twice realm.tick_hz or more",
            );
        }
    }
}
