//! What a run found.

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Clients shake hands.
    Connecting,
    /// All that will come are there; the traffic becomes steady.
    Settling,
    /// This counts.
    Measuring,
    /// Clients take their leave.
    Leaving,
    /// Over.
    Done,
}

/// News about once a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Where the run stands.
    pub phase: Phase,
    /// Clients asked for.
    pub clients: u32,
    /// The second that just ended.
    pub second: Second,
    /// Seconds measured so far.
    pub measured_seconds: f64,
    /// Views that disagreed with the server, since the start.
    pub view_mismatches: u64,
    /// Messages that broke the contract, since the start.
    pub decode_errors: u64,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds since the start, at its end.
    pub at: f64,
    /// Clients connected at its end.
    pub connected: u32,
    /// Snapshots reconstructed per second.
    pub snapshots: f64,
    /// Bytes of snapshot datagrams per second.
    pub bytes: f64,
    /// Inputs sent per second.
    pub inputs: f64,
}

/// What a run found. "In the measurement" means between the settling and the leaving; other counts are of the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BotsReport {
    /// Clients asked for.
    pub clients: u32,
    /// Clients connected at the end of the measurement, or when the run was stopped before it.
    pub connected: u32,
    /// Full clients among them.
    pub full_clients: u32,
    /// Seconds of the measurement; 0 if it never began.
    pub seconds: f64,
    /// The server's tick rate as it says; 0 if it never said.
    pub tick_hz: u16,
    /// Server ticks in the measurement.
    pub ticks: u32,
    /// Snapshots reconstructed per second, of the client at the first percentile.
    pub snapshots_per_client_per_s_p1: f64,
    /// The same of the median client.
    pub snapshots_per_client_per_s_p50: f64,
    /// UDP payload bytes of snapshot datagrams per server tick and client connected in it.
    pub bytes_per_client_per_tick: f64,
    /// Entities in view, near and far together: the mean over clients and snapshots.
    pub visible_mean: f64,
    /// Entities in the near list, mean over all clients.
    pub near_mean: f64,
    /// Entities beyond it, mean over the full clients.
    pub far_mean: f64,
    /// Longest wait for a refresh, in ticks, of an entity that cannot have left a full client's view meanwhile.
    pub far_refresh_ticks_max: u32,
    /// The bound that the server promises.
    pub far_refresh_ticks_bound: u32,
    /// Refreshes later than that, in the measurement. Who misses a snapshot starts watching anew.
    pub far_refresh_late: u64,
    /// Full clients' views that disagreed with the server's digest.
    pub view_mismatches: u64,
    /// Digests that were compared.
    pub digests_checked: u64,
    /// Snapshots that broke a rule of the contract.
    pub decode_errors: u64,
    /// Snapshots on a baseline that the client did not hold.
    pub snapshots_unusable: u64,
    /// Snapshots that came after a newer one.
    pub snapshots_stale: u64,
    /// Inputs sent.
    pub inputs_sent: u64,
    /// Inputs left out because this process fell behind by more than a tick.
    pub inputs_late: u64,
    /// Commands sent: purchases, trades, lines of chat.
    pub commands_sent: u64,
    /// Commands that the realm carried out.
    pub commands_done: u64,
    /// Commands that the realm refused: bots ask for what they cannot afford.
    pub commands_refused: u64,
    /// Purchases, sales and trades that came about, as traders were told; a trade is told to both.
    pub deals: u64,
    /// Messages that the realm told clients reliably.
    pub notices: u64,
    /// How far full clients' avatars were from where they had been foreseen, metres, in the measurement; none without
    /// the land to foresee it on.
    pub prediction_error_m_p99: Option<f32>,
    /// Hits on full clients in the measurement.
    pub hits_taken: u64,
    /// Those whose attacker had not been refreshed within the bound.
    pub hits_unseen: u64,
    /// Processor time of this process per server tick and client connected in it, microseconds, in the measurement.
    pub bots_cpu_us_per_client_tick: f64,
    /// Sessions that the server ended or that fell silent.
    pub disconnects: u64,
    /// Clients that were refused.
    pub refused: u64,
    /// Clients that got no answer to their hello.
    pub unanswered: u64,
    /// Datagrams that the session layer dropped: duplicates, strays.
    pub datagrams_dropped: u64,
    /// Datagrams that found this process's receive buffer full.
    pub receive_overflows: u64,
    /// Datagrams that the kernel did not take.
    pub send_failures: u64,
    /// Datagrams lost on purpose.
    pub simulated_losses: u64,
    /// Datagrams lost because the simulation held too many.
    pub simulated_overflows: u64,
    /// Limits of this machine that may have held the bots back, each with its remedy.
    pub warnings: Vec<String>,
    /// The run second by second.
    pub timeline: Vec<Second>,
}
