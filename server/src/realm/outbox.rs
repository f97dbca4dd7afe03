//! What leaves: one snapshot per client and tick, encoded straight into the slot that the kernel reads.
//!
//! ```text
//!   seats, by cell           |--- 96 ---|--- 96 ---|--- 96 ---| ...        chunks, taken by any worker
//!                                 │           │
//!                            worker 0     worker 1                         each with its own sender
//!                                 │ encode behind the header, seal, commit
//!                                 └─► flush at the chunk's end: one system call for up to 96 datagrams
//! ```
//!
//! A sender belongs to the thread that made it (an io_uring with a single issuer refuses any other), so each worker
//! keeps its own in a thread-local; the pool's threads belong to one realm and end with it.

use std::cell::RefCell;

use rayon::prelude::*;
use throng_game::{Game, Request};
use throng_net::io::{SendStats, Sender};
use throng_net::protocol::TransmitHalves;
use throng_schema::KIND_SNAPSHOT;

use super::seat::Seat;
use crate::limits::{CHUNK_CLIENTS, HEADER_BYTES};
use crate::metrics::Traffic;

thread_local! {
    static SENDER: RefCell<Option<Box<dyn Sender>>> = const { RefCell::new(None) };
}

/// Gives this thread its sender, or takes it away.
pub(super) fn set_sender(sender: Option<Box<dyn Sender>>) {
    SENDER.set(sender);
}

/// Runs `body` with this thread's sender; `None` when it has none.
pub(super) fn with_sender<R>(body: impl FnOnce(&mut dyn Sender) -> R) -> Option<R> {
    SENDER.with_borrow_mut(|sender| Some(body(sender.as_deref_mut()?)))
}

/// What this thread's sender has done so far.
pub(super) fn sender_stats() -> Option<SendStats> {
    with_sender(|sender| sender.stats())
}

/// One tick's sending.
#[derive(Clone, Copy)]
pub(super) struct Outbox<'a> {
    pub game: &'a Game,
    pub now_us: u64,
    /// Most bytes of a snapshot, without the datagram's header and the seal.
    pub budget_bytes: usize,
}

impl Outbox<'_> {
    /// Sends every client its snapshot of the current tick and returns when the last one is with the kernel.
    pub fn send(&self, halves: TransmitHalves<'_>, seats: &mut [Seat]) -> Traffic {
        seats
            .par_chunks_mut(CHUNK_CLIENTS)
            .map(|seats| with_sender(|sender| self.send_chunk(halves, seats, sender)).unwrap_or_default())
            .reduce(Traffic::default, |a, b| a.plus(&b))
    }

    fn send_chunk(&self, halves: TransmitHalves<'_>, seats: &mut [Seat], sender: &mut dyn Sender) -> Traffic {
        let tick = self.game.current_tick();
        let refresh_ticks = u32::from(self.game.world().config().refresh_ticks);
        let mut traffic = Traffic::default();
        // Sessions lie anywhere: asking all of the chunk for what will be read first lets those loads overlap.
        let warm = seats.iter().fold(0, |sum, seat| {
            seat.viewer.prefetch(seat.acked_tick, tick);
            sum ^ halves.touch(seat.place as usize)
        });
        std::hint::black_box(warm);
        for seat in seats {
            let Some(half) = halves.get(seat.place as usize) else { continue };
            traffic.client_ticks += 1;
            let request = Request {
                own: seat.entity,
                acked_tick: seat.acked_tick,
                input: seat.applied_sequence,
                budget_bytes: self.budget_bytes,
                ..Request::fresh(seat.entity)
            };
            let slot = sender.slot();
            let Some(encoded) = self.game.encode(&mut seat.viewer, &request, &mut slot[HEADER_BYTES..])
            else {
                traffic.encode_failures += 1;
                continue;
            };
            let Some(bytes) = half.finish(self.now_us, KIND_SNAPSHOT, slot, encoded.bytes) else { continue };
            sender.commit(bytes, half.address());
            seat.sent.push(tick);
            traffic.snapshots += 1;
            traffic.snapshot_bytes += bytes as u64;
            traffic.near += u64::from(encoded.near);
            traffic.far += u64::from(encoded.far);
            traffic.ring += u64::from(encoded.ring);
            traffic.fresh_starts += u64::from(encoded.baseline == 0);
            traffic.rounds_late += u64::from(encoded.round_ticks > refresh_ticks);
        }
        sender.flush();
        traffic
    }
}
