//! What leaves: one snapshot per client and tick, encoded straight into the slot that the kernel reads, behind the frame
//! of its channel if there is one.
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
use throng_engine::view::BUDGET_BYTES_MIN;
use throng_game::{Game, Request};
use throng_net::io::{SendStats, Sender};
use throng_net::protocol::TransmitHalves;
use throng_net::protocol::channel::KIND_FRAMED;
use throng_schema::KIND_SNAPSHOT;

use super::seat::Seat;
use crate::limits::{CHUNK_CLIENTS, HEADER_BYTES};
use crate::metrics::Traffic;

/// Seats ahead of which a session's key and the rows around its avatar are asked for: they come within the time of one or
/// two.
const SEATS_AHEAD: usize = 2;

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
    /// Most bytes of a frame and a snapshot, without the datagram's header and the seal.
    pub budget_bytes: usize,
    /// The frames of this tick, of all sessions.
    pub frames: &'a [u8],
    /// World time for real time, 1/1000, and ticks within which everything in view is refreshed.
    pub speed: u16,
    pub refresh_ticks: u16,
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
        let refresh_ticks = u32::from(self.refresh_ticks);
        let mut traffic = Traffic::default();
        // Players lie anywhere: asking all of the chunk for what will be read first lets those loads overlap.
        let warm = seats.iter().fold(0, |sum, seat| {
            seat.viewer.prefetch(seat.acked_tick, tick);
            sum ^ u32::from(self.game.queued(seat.player))
        });
        std::hint::black_box(warm);
        for index in 0..seats.len() {
            // Keys, and what is around a player, are too much to be asked for all at once.
            if let Some(coming) = seats.get(index + SEATS_AHEAD) {
                halves.prefetch(coming.place as usize);
                if let Some(own) = self.game.avatar(coming.player) {
                    self.game.prefetch(&coming.viewer, own, coming.acked_tick);
                }
            }
            let seat = &mut seats[index];
            // Whatever becomes of it: in the next tick it would be another one's.
            let frame = std::mem::take(&mut seat.frame);
            let Some(half) = halves.get(seat.place as usize) else { continue };
            traffic.client_ticks += 1;
            let Some(own) = self.game.avatar(seat.player) else { continue };
            let mut slot = sender.slot();
            let mut frame_bytes = self.put_frame(frame, slot);
            if frame_bytes + BUDGET_BYTES_MIN > self.budget_bytes {
                // It leaves the snapshot no room, and goes ahead by itself.
                if let Some(bytes) = half.finish(self.now_us, KIND_FRAMED, slot, frame_bytes) {
                    sender.commit(bytes, half.address());
                    slot = sender.slot();
                }
                frame_bytes = 0;
            }
            let request = Request {
                own,
                acked_tick: seat.acked_tick,
                input: self.game.applied_sequence(seat.player),
                budget_bytes: self.budget_bytes - frame_bytes,
                speed: self.speed,
                refresh_ticks: self.refresh_ticks,
                queued: self.game.queued(seat.player),
            };
            let room = &mut slot[HEADER_BYTES + frame_bytes..];
            let Some(encoded) = self.game.encode(&mut seat.viewer, &request, room) else {
                traffic.encode_failures += 1;
                continue;
            };
            let kind = if frame_bytes == 0 { KIND_SNAPSHOT } else { KIND_SNAPSHOT | KIND_FRAMED };
            let payload_bytes = frame_bytes + encoded.bytes;
            let Some(bytes) = half.finish(self.now_us, kind, slot, payload_bytes) else { continue };
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

    /// Copies a seat's frame to where the payload begins, and gives its length.
    fn put_frame(&self, (start, bytes): (u32, u16), slot: &mut [u8]) -> usize {
        let (start, bytes) = (start as usize, usize::from(bytes));
        slot[HEADER_BYTES..HEADER_BYTES + bytes].copy_from_slice(&self.frames[start..start + bytes]);
        bytes
    }
}
