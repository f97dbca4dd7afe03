//! What can be wrong with a snapshot, and how often it was.

use thiserror::Error;
use throng_schema::{WireError, WorldError};

/// Why a snapshot was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ViewError {
    /// It builds on a list that this client never had or no longer has. It must not be acknowledged.
    #[error("the snapshot of tick {tick} builds on tick {baseline}, which this client does not hold")]
    Unusable {
        /// The snapshot's tick.
        tick: u32,
        /// The baseline it names.
        baseline: u32,
    },
    /// The rebuilt near list is not the server's.
    #[error("the view of tick {tick} has digest {digest_found:#010x}, the server's has {digest_told:#010x}")]
    Mismatch {
        /// The snapshot's tick.
        tick: u32,
        /// Digest in the snapshot.
        digest_told: u32,
        /// Digest of what was rebuilt.
        digest_found: u32,
    },
    /// The bytes are no snapshot message.
    #[error("no snapshot message: {0}")]
    Unreadable(#[from] WireError),
    /// Ticks start at 1 and a baseline is older than its snapshot.
    #[error("tick {tick} cannot build on tick {baseline}")]
    TickOrder {
        /// The snapshot's tick.
        tick: u32,
        /// The baseline it names.
        baseline: u32,
    },
    /// A snapshot without baseline must describe the world.
    #[error("a fresh start without a description of the world")]
    WorldMissing,
    /// The description of the world is not one that a client can work with.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Every snapshot carries the client's own state.
    #[error("a snapshot without the client's own state")]
    OwnMissing,
    /// The own state holds a NaN or an infinity.
    #[error("the client's own state is not finite")]
    OwnNotFinite,
    /// `gone` must ascend strictly and stay inside the baseline's list.
    #[error("gone place {place} is out of order or beyond the {length} places of the baseline")]
    Gone {
        /// The offending place.
        place: u16,
        /// Length of the baseline's list.
        length: usize,
    },
    /// The new list would be longer than the contract allows.
    #[error("a near list of {length} is longer than allowed")]
    TooLong {
        /// Length the list would have.
        length: usize,
    },
    /// `full` must ascend strictly by index and stay inside the new list.
    #[error("full index {index} is out of order or beyond the {length} places of the new list")]
    Full {
        /// The offending index.
        index: u16,
        /// Length of the new list.
        length: usize,
    },
    /// An entity is listed twice.
    #[error("entity {id:#x} is in the near list twice")]
    Duplicate {
        /// Its id.
        id: u32,
    },
    /// `changed` has a bit beyond the new list, or not as many bits as `moved` has records.
    #[error("{bits} changed bits for {records} moved records in a list of {length}")]
    Changed {
        /// Bits set.
        bits: usize,
        /// Records in `moved`.
        records: usize,
        /// Length of the new list.
        length: usize,
    },
    /// `attr` names a place beyond the new list.
    #[error("attribute for place {place} in a list of {length}")]
    Attr {
        /// The offending place.
        place: u16,
        /// Length of the new list.
        length: usize,
    },
    /// An event lies before the baseline, or behind one that is newer.
    #[error("an event {age} ticks old is out of order or before the baseline")]
    Event {
        /// Its age.
        age: u8,
    },
}

impl ViewError {
    /// Whether the message itself broke the contract: everything but an unknown baseline and a digest that disagrees.
    pub fn is_decode_error(&self) -> bool {
        !matches!(self, Self::Unusable { .. } | Self::Mismatch { .. })
    }
}

/// Events of one view since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewCounters {
    /// Snapshots applied.
    pub reconstructed: u64,
    /// Of those, how many carried a digest (all of which agreed).
    pub digests_checked: u64,
    /// Snapshots not newer than the view.
    pub stale: u64,
    /// Snapshots on a baseline that the client does not hold.
    pub unusable: u64,
    /// Digests that disagreed.
    pub mismatches: u64,
    /// Snapshots that broke a rule of the contract.
    pub decode_errors: u64,
    /// Times the view began to ask for a fresh start.
    pub fresh_starts_wanted: u64,
    /// New far entities left out because the far set was full.
    pub far_left_out: u64,
}
