//! What a swarm counts.

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Snapshots that brought a client's view forward.
    pub reconstructed: u64,
    /// UDP payload bytes of all snapshot datagrams that arrived.
    pub snapshot_bytes: u64,
    /// Snapshots that came after a newer one.
    pub stale: u64,
    /// Snapshots on a baseline that the client did not hold.
    pub unusable: u64,
    /// Full clients' views that disagreed with the server's digest.
    pub mismatches: u64,
    /// Digests that agreed or disagreed.
    pub digests_checked: u64,
    /// Snapshots that broke a rule of the contract.
    pub decode_errors: u64,
    /// Sum and number of near list lengths seen.
    pub near_sum: u64,
    /// See `near_sum`.
    pub near_samples: u64,
    /// Sum and number of far set sizes seen.
    pub far_sum: u64,
    /// See `far_sum`.
    pub far_samples: u64,
    /// Inputs sent.
    pub inputs: u64,
    /// Turns left out because the process fell behind by more than a tick.
    pub late: u64,
    /// Sessions that the server ended or that fell silent.
    pub disconnects: u64,
    /// Clients refused.
    pub refused: u64,
    /// Clients whose hello nobody answered.
    pub unanswered: u64,
    /// Datagrams dropped by the session layer.
    pub dropped: u64,
    /// Commands sent: purchases, trades, lines of chat.
    pub commands: u64,
    /// Commands that did not fit the channel.
    pub commands_unsent: u64,
    /// Commands that the realm carried out.
    pub commands_done: u64,
    /// Commands that the realm refused.
    pub commands_refused: u64,
    /// Purchases and sales that came about, and trades, each told to both.
    pub deals: u64,
    /// Messages that the realm sent.
    pub notices: u64,
}
