//! The sending half of a session.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::packet::{Header, TYPE_DATA, TYPE_DISCONNECT};
use super::rtt::Probe;
use crate::Address;
use crate::limits::{ACK_BITS, HEADER_BYTES};

/// All that sending to one session needs, in one cache line.
///
/// [`Server::transmit_halves`](super::Server::transmit_halves) hands out the whole array, one element per place in the
/// session table, by shared reference: workers write headers in any order and without a lock, as long as no two of them
/// send to one session at a time (then two datagrams could get one sequence, and the peer would drop one).
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Transmit {
    address: Address,
    /// 0: no session lives here.
    connection_id: u32,
    /// Sequence of the last datagram sent.
    sent: AtomicU32,
    /// Highest sequence received, 0: none, and the 16 before it.
    received: u32,
    received_bits: u16,
    probe: Probe,
}

const _: () = assert!(size_of::<Transmit>() == 64);

impl Transmit {
    pub(super) fn vacant() -> Self {
        Self::new(Address::NONE, 0)
    }

    pub(super) fn new(address: Address, connection_id: u32) -> Self {
        Transmit {
            address,
            connection_id,
            sent: AtomicU32::new(0),
            received: 0,
            received_bits: 0,
            probe: Probe::default(),
        }
    }

    /// Whether a session lives here. Only then do the other functions mean anything.
    #[inline]
    pub fn is_live(&self) -> bool {
        self.connection_id != 0
    }

    /// Where its datagrams go, ready for [`Sender::commit`](crate::io::Sender::commit).
    #[inline]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The session's id, never 0 while it is live.
    #[inline]
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// Sequence of the last datagram sent, 0 before the first.
    #[inline]
    pub fn sent(&self) -> u32 {
        self.sent.load(Relaxed)
    }

    /// Writes the 16-byte header of the next datagram to the start of `out` and returns its sequence.
    ///
    /// The payload follows it, at most [`PAYLOAD_BYTES_MAX`](crate::limits::PAYLOAD_BYTES_MAX) bytes of it.
    /// A header written for a datagram that is then not sent is just a lost datagram to the other side.
    /// After 2^32 - 1 datagrams (two years at 60 Hz) the sequence stands still and the session dies of silence.
    ///
    /// # Panics
    /// When `out` is shorter than a header.
    #[inline]
    pub fn write_header(&self, now_us: u64, kind: u8, out: &mut [u8]) -> u32 {
        let header = self.next_header(TYPE_DATA, kind);
        self.probe.sent(now_us, header.sequence);
        out[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        header.sequence
    }

    pub(super) fn disconnect(&self, reason: u8) -> [u8; HEADER_BYTES] {
        self.next_header(TYPE_DISCONNECT, reason).to_bytes()
    }

    fn next_header(&self, packet_type: u8, kind: u8) -> Header {
        let sequence = self.sent().saturating_add(1);
        self.sent.store(sequence, Relaxed);
        Header {
            packet_type,
            kind,
            ack_bits: self.received_bits,
            connection_id: self.connection_id,
            sequence,
            ack: self.received,
        }
    }

    /// Notes a sequence received for the first time, to be acknowledged by the next header.
    pub(super) fn note_received(&mut self, sequence: u32) {
        (self.received, self.received_bits) = acks_after(self.received, self.received_bits, sequence);
    }

    /// Notes an acknowledgement; microseconds of a round trip if it completes one.
    pub(super) fn note_ack(&mut self, now_us: u64, ack: u32, ack_bits: u16) -> Option<u32> {
        self.probe.acked(now_us, ack, ack_bits)
    }
}

/// The ack fields after `sequence` has arrived for the first time.
pub(super) fn acks_after(newest: u32, bits: u16, sequence: u32) -> (u32, u16) {
    if sequence <= newest {
        return match newest - sequence {
            behind @ 1..=ACK_BITS => (newest, bits | 1 << (behind - 1)),
            _ => (newest, bits),
        };
    }
    let steps = sequence - newest;
    // Bit 0 of the wide form is the old newest itself; sequence 0 was never received.
    let with_newest = u64::from(bits) << 1 | u64::from(newest != 0);
    let bits = if steps > ACK_BITS { 0 } else { (with_newest << (steps - 1)) as u16 };
    (sequence, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_equal_a_set_of_what_arrived() {
        let orders: [&[u32]; 6] = [
            &[1, 2, 3, 4],
            &[4, 3, 2, 1],
            &[1, 20, 4, 19, 3],
            &[5, 6, 23, 7],
            &[u32::MAX, 1, u32::MAX - 16, u32::MAX - 17, u32::MAX - 1],
            &[100, 117, 99, 133, 134],
        ];
        for order in orders {
            let (mut newest, mut bits) = (0, 0);
            for (i, sequence) in order.iter().enumerate() {
                (newest, bits) = acks_after(newest, bits, *sequence);
                let seen = &order[..=i];
                assert_eq!(newest, *seen.iter().max().unwrap());
                for bit in 0..16u32 {
                    let told = bits >> bit & 1 == 1;
                    let is = newest.checked_sub(1 + bit).is_some_and(|s| s != 0 && seen.contains(&s));
                    assert_eq!(told, is, "{seen:?} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn headers_count_up_and_stop_at_the_end() {
        let transmit = Transmit::new(Address::from("1.2.3.4:5".parse::<std::net::SocketAddr>().unwrap()), 9);
        let mut out = [0; 20];
        assert_eq!(transmit.write_header(0, 2, &mut out), 1);
        assert_eq!(transmit.write_header(0, 2, &mut out), 2);
        let header = Header::read(&out).unwrap();
        assert_eq!((header.sequence, header.connection_id, header.kind), (2, 9, 2));
        transmit.sent.store(u32::MAX - 1, Relaxed);
        assert_eq!(transmit.write_header(0, 2, &mut out), u32::MAX);
        assert_eq!(transmit.write_header(0, 2, &mut out), u32::MAX);
    }
}
