//! The stages of a tick, by name: for whoever has a clock, which this crate has not.

/// A part of [`Game::tick`](crate::Game::tick), in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Intents and commands are taken in.
    Inputs,
    /// Creatures decide.
    Think,
    /// Everybody walks.
    Walk,
    /// Who stands in another gives way.
    GiveWay,
    /// Attacks, projectiles, mending.
    Fight,
    /// Deaths, loot, respawns, departures, the ledger.
    Outcome,
    /// Rows are grouped by cell again.
    Settle,
    /// The tick is quantised for clients.
    Publish,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Inputs,
        Self::Think,
        Self::Walk,
        Self::GiveWay,
        Self::Fight,
        Self::Outcome,
        Self::Settle,
        Self::Publish,
    ];
}
