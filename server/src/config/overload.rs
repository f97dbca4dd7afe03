//! `[overload]`: when a realm holds things back, and how far.

use serde::{Deserialize, Serialize};

/// `[overload]`: when a realm holds things back, and how far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverloadSettings {
    /// Whether it ever does.
    pub enabled: bool,
    /// A tick whose work takes more than this share of its interval is busy.
    pub engage_share: f32,
    /// So many busy ticks of the last `window_ticks` engage the next step.
    pub engage_ticks: u32,
    /// See `engage_ticks`.
    pub window_ticks: u32,
    /// A tick is calm when its work would take at most this share of its interval without the last step.
    pub release_share: f32,
    /// Milliseconds of calm that release the last step.
    pub release_ms: u32,
    /// Slowest world time, in 1/1000 of the usual.
    pub speed_min: u16,
}

impl Default for OverloadSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            engage_share: 0.95,
            engage_ticks: 8,
            window_ticks: 12,
            release_share: 0.85,
            release_ms: 2000,
            speed_min: 200,
        }
    }
}
