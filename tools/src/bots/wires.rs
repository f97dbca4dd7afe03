//! Simulated trouble: datagrams that get lost, take their time, or overtake one another.

use crate::rng::{Rng, share_of};
use throng_schema::limits::DATAGRAM_BYTES_MAX;

/// Most datagrams held at once: 300 MiB, of which the system gives only what is touched.
const SLOTS_MAX: usize = 1 << 18;
/// Extra time of a datagram that others are to overtake: one to two ticks at 20 Hz.
const OVERTAKEN_US: std::ops::Range<u64> = 50_000..100_000;
/// Width of a bucket of the timing wheel, microseconds: as fine as the swarm's steps.
const BUCKET_US: u64 = 1000;
const NONE: u32 = u32::MAX;

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// What to do with a datagram now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Held,
    Lost,
}

/// How bad the wires are, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub loss_percent: f64,
    pub delay_ms: u32,
    pub reorder_percent: f64,
}

impl Trouble {
    pub(super) fn is_none(&self) -> bool {
        self.loss_percent == 0.0 && self.delay_ms == 0 && self.reorder_percent == 0.0
    }
}

/// A datagram under way.
#[derive(Clone, Copy)]
struct Slot {
    client: u32,
    /// The next one in its bucket, or the next free one.
    next: u32,
    bytes: u16,
    way: Way,
}

/// All datagrams under way: fixed slots, in a wheel of buckets of a millisecond each, first in first out.
pub(super) struct Wires {
    rng: Rng,
    loss_share: u64,
    reorder_share: u64,
    delay_us: u64,
    slots: Vec<Slot>,
    data: Vec<u8>,
    /// Slots given back, as a list: the one used last is the warmest.
    free: u32,
    /// First and last slot of each bucket.
    wheel: Vec<(u32, u32)>,
    /// Time of the oldest bucket that may hold something, in buckets.
    cursor: u64,
    /// Datagrams under way.
    pub held: usize,
    pub lost: u64,
    /// Datagrams dropped because every slot was taken.
    pub overflowed: u64,
}

impl Wires {
    /// Wires for `clients` clients that send and are sent a datagram each tick of 1/20 s or so.
    pub(super) fn new(clients: u32, trouble: Trouble, seed: u64) -> Self {
        let delay_us = u64::from(trouble.delay_ms) * 1000;
        let overtaken_us_max = if trouble.reorder_percent > 0.0 { OVERTAKEN_US.end } else { 0 };
        let hold_us_max = delay_us + delay_us / 5 + overtaken_us_max;
        // Per client and direction one datagram a tick; half as many again for the handshake and for faster ticks.
        let in_flight = 2 * (hold_us_max / 50_000 + 1) * 3 / 2;
        let slot_count = (clients as usize * in_flight as usize + 64).min(SLOTS_MAX);
        let bucket_count = (hold_us_max / BUCKET_US + 2) as usize;
        Self {
            rng: Rng::new(seed),
            loss_share: share_of(trouble.loss_percent),
            reorder_share: share_of(trouble.reorder_percent),
            delay_us,
            slots: Vec::with_capacity(slot_count),
            data: vec![0; slot_count * DATAGRAM_BYTES_MAX],
            free: NONE,
            wheel: vec![(NONE, NONE); bucket_count],
            cursor: 0,
            held: 0,
            lost: 0,
            overflowed: 0,
        }
    }

    /// Decides a datagram's fate, and keeps a copy if it is held.
    pub(super) fn admit(&mut self, now_us: u64, client: u32, way: Way, datagram: &[u8]) -> Verdict {
        if self.rng.hits(self.loss_share) {
            self.lost += 1;
            return Verdict::Lost;
        }
        let mut hold_us = match self.delay_us {
            0 => 0,
            delay_us => delay_us - delay_us / 5 + self.rng.below(2 * (delay_us / 5) + 1),
        };
        if self.rng.hits(self.reorder_share) {
            hold_us += OVERTAKEN_US.start + self.rng.below(OVERTAKEN_US.end - OVERTAKEN_US.start);
        }
        if hold_us == 0 {
            return Verdict::Pass;
        }
        if datagram.len() > DATAGRAM_BYTES_MAX || !self.hold(now_us, hold_us, client, way, datagram) {
            self.overflowed += 1;
            return Verdict::Lost;
        }
        Verdict::Held
    }

    fn hold(&mut self, now_us: u64, hold_us: u64, client: u32, way: Way, datagram: &[u8]) -> bool {
        let slot = Slot { client, next: NONE, bytes: datagram.len() as u16, way };
        let place = if self.free != NONE {
            let place = self.free;
            self.free = self.slots[place as usize].next;
            self.slots[place as usize] = slot;
            place
        } else if self.slots.len() < self.slots.capacity().min(self.data.len() / DATAGRAM_BYTES_MAX) {
            self.slots.push(slot);
            (self.slots.len() - 1) as u32
        } else {
            return false;
        };
        let start = place as usize * DATAGRAM_BYTES_MAX;
        self.data[start..start + datagram.len()].copy_from_slice(datagram);
        // Never into the past (it would wait for the wheel to come round) nor beyond the wheel.
        let due =
            ((now_us + hold_us) / BUCKET_US).clamp(self.cursor, self.cursor + self.wheel.len() as u64 - 1);
        let bucket_count = self.wheel.len() as u64;
        let bucket = &mut self.wheel[(due % bucket_count) as usize];
        match bucket.1 {
            NONE => bucket.0 = place,
            last => self.slots[last as usize].next = place,
        }
        bucket.1 = place;
        self.held += 1;
        true
    }

    /// The next datagram that is due by `now_us`. Its bytes are good until the next call of any function.
    pub(super) fn pop(&mut self, now_us: u64) -> Option<(u32, Way, &mut [u8])> {
        let now = now_us / BUCKET_US;
        while self.cursor <= now {
            let bucket_count = self.wheel.len() as u64;
            let bucket = &mut self.wheel[(self.cursor % bucket_count) as usize];
            let place = bucket.0;
            if place == NONE {
                // After a long pause there is nothing more than one turn of the wheel ahead.
                self.cursor = (self.cursor + 1).max(now.saturating_sub(bucket_count - 1));
                continue;
            }
            let slot = self.slots[place as usize];
            *bucket = (slot.next, if slot.next == NONE { NONE } else { bucket.1 });
            self.slots[place as usize].next = self.free;
            self.free = place;
            self.held -= 1;
            let start = place as usize * DATAGRAM_BYTES_MAX;
            return Some((slot.client, slot.way, &mut self.data[start..start + usize::from(slot.bytes)]));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TROUBLE: Trouble = Trouble { loss_percent: 0.0, delay_ms: 0, reorder_percent: 0.0 };

    fn arrivals(wires: &mut Wires, step_us: u64, until_us: u64) -> Vec<(u64, u32)> {
        let mut found = Vec::new();
        for now_us in (0..until_us).step_by(step_us as usize) {
            while let Some((client, way, bytes)) = wires.pop(now_us) {
                assert_eq!((way, &*bytes), (Way::ToClient, &client.to_le_bytes()[..]));
                found.push((now_us, client));
            }
        }
        found
    }

    #[test]
    fn a_delay_is_kept_within_a_fifth() {
        for step_us in [1000, 7000] {
            let mut wires = Wires::new(100, Trouble { delay_ms: 80, ..NO_TROUBLE }, 3);
            wires.pop(0);
            for client in 0..100_u32 {
                let verdict = wires.admit(0, client, Way::ToClient, &client.to_le_bytes());
                assert_eq!(verdict, Verdict::Held);
            }
            let found = arrivals(&mut wires, step_us, 200_000);
            assert_eq!(found.len(), 100);
            assert!(found.iter().all(|(at, _)| (64_000..=97_000 + step_us).contains(at)), "{found:?}");
            let mut clients: Vec<u32> = found.iter().map(|(_, client)| *client).collect();
            clients.sort_unstable();
            assert_eq!(clients, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn without_trouble_everything_passes_and_loss_has_its_share() {
        let mut wires = Wires::new(1, NO_TROUBLE, 1);
        assert_eq!(wires.admit(0, 0, Way::ToServer, &[1]), Verdict::Pass);
        let mut wires = Wires::new(1, Trouble { loss_percent: 5.0, ..NO_TROUBLE }, 1);
        let lost = (0..100_000).filter(|_| wires.admit(0, 0, Way::ToServer, &[1]) == Verdict::Lost).count();
        assert!((4_700..5_300).contains(&lost), "{lost} of 100,000");
        assert_eq!(wires.lost, lost as u64);
        let mut wires = Wires::new(1, Trouble { loss_percent: 100.0, ..NO_TROUBLE }, 1);
        assert!((0..1000).all(|_| wires.admit(0, 0, Way::ToServer, &[1]) == Verdict::Lost));
    }

    #[test]
    fn some_are_overtaken() {
        let mut wires = Wires::new(100, Trouble { reorder_percent: 50.0, ..NO_TROUBLE }, 1);
        wires.pop(0);
        let held = (0..100_u32)
            .filter(|client| wires.admit(0, *client, Way::ToClient, &client.to_le_bytes()) == Verdict::Held)
            .count();
        assert!((30..70).contains(&held));
        let found = arrivals(&mut wires, 1000, 300_000);
        assert_eq!(found.len(), held);
        assert!(found.iter().all(|(at, _)| (50_000..=101_000).contains(at)));
    }

    #[test]
    fn slots_are_bounded_and_used_again() {
        let mut wires = Wires::new(1, Trouble { delay_ms: 10, ..NO_TROUBLE }, 1);
        let mut now_us = 0;
        for _ in 0..5 {
            let held =
                (0..1000).filter(|_| wires.admit(now_us, 0, Way::ToClient, &[0; 4]) == Verdict::Held).count();
            assert!((64..200).contains(&held), "{held} held");
            // A pause far longer than the wheel is wide.
            now_us += 60_000_000;
            assert_eq!(std::iter::from_fn(|| wires.pop(now_us).map(|_| ())).count(), held);
        }
        assert!(wires.overflowed > 0);
        assert_eq!(wires.admit(now_us, 0, Way::ToClient, &[0; 1201]), Verdict::Lost);
    }
}
