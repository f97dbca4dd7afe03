//! Round-trip time: one probe in flight, smoothed as TCP does it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The datagram whose acknowledgement is being timed.
///
/// One probe at a time gives a sample per round trip, which is all that the smoothing can use, in 8 bytes. A ring of
/// send times would give one per datagram and costs each send a cache line of its own at ten thousand sessions.
///
/// Atomic, because a worker that sends has it by shared reference. Only one thread at a time ever sends to a session, and
/// never while the session receives, so relaxed loads and stores, which cost what plain ones do, are enough.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// 0: none in flight.
    sequence: AtomicU32,
    /// Low 32 bits of the microseconds: they wrap after 71 minutes, a session times out long before.
    sent_us: AtomicU32,
}

impl Probe {
    /// Starts timing `sequence` unless another is being timed.
    pub fn sent(&self, now_us: u64, sequence: u32) {
        if self.sequence.load(Relaxed) == 0 {
            self.sequence.store(sequence, Relaxed);
            self.sent_us.store(now_us as u32, Relaxed);
        }
    }

    /// Looks for the probe in an acknowledgement; microseconds since it was sent if it arrived.
    ///
    /// The time includes what the peer waited before it sent anything at all, up to one of its ticks.
    pub fn acked(&mut self, now_us: u64, ack: u32, ack_bits: u16) -> Option<u32> {
        let behind = match *self.sequence.get_mut() {
            0 => return None,
            sequence => ack.checked_sub(sequence)?,
        };
        let sample_us = (now_us as u32).wrapping_sub(*self.sent_us.get_mut());
        // Whatever the answer, this probe is done: it arrived, or something sent after it did first.
        *self.sequence.get_mut() = 0;
        let arrived = match behind {
            0 => true,
            1..=16 => ack_bits >> (behind - 1) & 1 == 1,
            _ => false,
        };
        arrived.then_some(sample_us)
    }
}

/// Smoothed round-trip time and its variation (RFC 6298, section 2), in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    smoothed_us: u32,
    variation_us: u32,
}

impl RoundTrip {
    pub fn add(&mut self, sample_us: u32) {
        // Capped, so that the sums below cannot overflow; 0 means that there is no sample yet.
        let sample_us = sample_us.clamp(1, 60_000_000);
        if self.smoothed_us == 0 {
            *self = RoundTrip { smoothed_us: sample_us, variation_us: sample_us / 2 };
            return;
        }
        let error_us = self.smoothed_us.abs_diff(sample_us);
        self.variation_us = (self.variation_us * 3 + error_us) / 4;
        self.smoothed_us = ((self.smoothed_us * 7 + sample_us) / 8).max(1);
    }

    /// `None` before the first sample.
    pub fn smoothed_us(&self) -> Option<u32> {
        (self.smoothed_us != 0).then_some(self.smoothed_us)
    }

    pub fn variation_us(&self) -> u32 {
        self.variation_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_times_the_datagram_that_it_marked() {
        let mut probe = Probe::default();
        assert_eq!(probe.acked(5, 1, 0xffff), None);
        probe.sent(1_000, 3);
        probe.sent(2_000, 4);
        assert_eq!(probe.acked(9_000, 2, 0xffff), None, "an older acknowledgement leaves it in flight");
        assert_eq!(probe.acked(9_000, 3, 0), Some(8_000));
        assert_eq!(probe.acked(9_500, 3, 0), None, "a sample is taken once");
    }

    #[test]
    fn a_lost_probe_gives_no_sample() {
        let mut probe = Probe::default();
        probe.sent(1_000, 3);
        assert_eq!(probe.acked(9_000, 5, 0b01), None, "4 arrived, 3 did not");
        probe.sent(10_000, 6);
        assert_eq!(probe.acked(12_000, 7, 0b01), Some(2_000));
        probe.sent(20_000, 8);
        assert_eq!(probe.acked(21_000, 8 + 17, 0xffff), None, "beyond the ack bits nobody knows");
    }

    #[test]
    fn the_clock_may_wrap_below_32_bits() {
        let mut probe = Probe::default();
        probe.sent(u64::from(u32::MAX) - 10, 1);
        assert_eq!(probe.acked(u64::from(u32::MAX) + 90, 1, 0), Some(100));
    }

    #[test]
    fn smoothing_follows_and_never_overflows() {
        let mut rtt = RoundTrip::default();
        assert_eq!(rtt.smoothed_us(), None);
        for _ in 0..100 {
            rtt.add(80_000);
        }
        assert_eq!(rtt.smoothed_us(), Some(80_000));
        assert!(rtt.variation_us() < 10);
        for sample in [0, u32::MAX, 0, u32::MAX, 1] {
            rtt.add(sample);
        }
        assert!(rtt.smoothed_us().is_some());
    }
}
