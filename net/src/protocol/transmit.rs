//! The sending half of a session.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::keys::Sealer;
use super::packet::{Header, TYPE_DATA};
use super::rtt::Probe;
use crate::io::cpu::{front_soon, soon};
use crate::limits::{ACK_BITS, HEADER_BYTES, SEAL_BYTES};
use crate::{Address, Local};

/// All that heading and addressing a datagram of one session needs, in one cache line. Its key is in a parallel array.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Transmit {
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
    pub fn vacant() -> Self {
        Self::new(Address::NONE, 0)
    }

    pub fn new(address: Address, connection_id: u32) -> Self {
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

    #[inline]
    pub fn address(&self) -> &Address {
        &self.address
    }

    #[inline]
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    #[inline]
    pub fn sent(&self) -> u32 {
        self.sent.load(Relaxed)
    }

    /// Sends everything from now on to another address.
    pub fn move_to(&mut self, address: Address) {
        self.address = address;
    }

    /// Sends everything from now on from another of our addresses.
    #[inline]
    pub fn leave_from(&mut self, local: Local) {
        self.address.leave_from(local);
    }

    /// The header of the next datagram; `None` when there are no sequences left.
    #[inline]
    fn next_header(&self, packet_type: u8, kind: u8) -> Option<Header> {
        let sequence = self.sent().checked_add(1)?;
        self.sent.store(sequence, Relaxed);
        Some(Header {
            packet_type,
            kind,
            ack_bits: self.received_bits,
            connection_id: self.connection_id,
            sequence,
            ack: self.received,
        })
    }

    /// Heads and seals the datagram in `slot`, whose payload lies behind the room for the header; its bytes.
    #[inline]
    pub fn seal(
        &self,
        sealer: &Sealer,
        packet_type: u8,
        kind: u8,
        slot: &mut [u8],
        payload_bytes: usize,
    ) -> Option<(u32, usize)> {
        let header = self.next_header(packet_type, kind)?;
        Some((header.sequence, seal_in(sealer, header, slot, payload_bytes)?))
    }

    /// Notes a sequence received for the first time, to be acknowledged by the next header.
    pub fn note_received(&mut self, sequence: u32) {
        (self.received, self.received_bits) = acks_after(self.received, self.received_bits, sequence);
    }

    /// Notes an acknowledgement; microseconds of a round trip if it completes one.
    pub fn note_ack(&mut self, now_us: u64, ack: u32, ack_bits: u16) -> Option<u32> {
        self.probe.acked(now_us, ack, ack_bits)
    }
}

/// Writes `header`, seals the payload behind it where it lies and puts the tag behind that; the datagram's bytes.
/// `None` when the sealer has no key for the sequence; then nothing in `slot` may be sent.
///
/// # Panics
/// When `slot` is shorter than the datagram.
#[inline]
pub(super) fn seal_in(
    sealer: &Sealer,
    header: Header,
    slot: &mut [u8],
    payload_bytes: usize,
) -> Option<usize> {
    let datagram = &mut slot[..HEADER_BYTES + payload_bytes + SEAL_BYTES];
    let (head, rest) = datagram.split_at_mut(HEADER_BYTES);
    let (payload, tag) = rest.split_at_mut(payload_bytes);
    let header_bytes = header.to_bytes();
    head.copy_from_slice(&header_bytes);
    tag.copy_from_slice(&sealer.seal(&header_bytes, header.sequence, payload)?);
    Some(HEADER_BYTES + payload_bytes + SEAL_BYTES)
}

/// The sending halves of all sessions, by place in the table, to be shared by all workers.
///
/// Workers finish datagrams in any order and without a lock, as long as no two of them send to one session at a time:
/// then two datagrams could get one sequence, which under AES-GCM would give both away.
#[derive(Clone, Copy, Debug)]
pub struct TransmitHalves<'a> {
    pub(super) transmits: &'a [Transmit],
    /// By the same index; `None` where no session lives.
    pub(super) sealers: &'a [Option<Sealer>],
}

impl<'a> TransmitHalves<'a> {
    /// The half of the session at a [place](super::SessionIndex::get); `None` when none lives there.
    #[inline]
    pub fn get(&self, place: usize) -> Option<TransmitHalf<'a>> {
        let transmit = self.transmits.get(place).filter(|transmit| transmit.is_live())?;
        Some(TransmitHalf { transmit, sealer: self.sealers.get(place)?.as_ref()? })
    }

    /// Asks for what [`finish`](TransmitHalf::finish) will read of the session at a place: 600 bytes, mostly its key,
    /// that were last read a tick ago. Worth it about four datagrams ahead.
    #[inline]
    pub fn prefetch(&self, place: usize) {
        let (Some(transmit), Some(sealer)) = (self.transmits.get(place), self.sealers.get(place)) else {
            return;
        };
        soon(transmit);
        // Of the `Option`: whether a session lives there would have to be waited for.
        front_soon(sealer, Sealer::HOT_BYTES);
    }

    /// Places ever used.
    pub fn len(&self) -> usize {
        self.transmits.len()
    }

    /// Whether no session has lived here yet.
    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty()
    }

    /// The halves of all live sessions, those still to be confirmed among them.
    pub fn iter(&self) -> impl Iterator<Item = TransmitHalf<'a>> + use<'a> {
        let halves = *self;
        (0..halves.len()).filter_map(move |place| halves.get(place))
    }
}

/// The sending half of one live session.
#[derive(Clone, Copy, Debug)]
pub struct TransmitHalf<'a> {
    transmit: &'a Transmit,
    sealer: &'a Sealer,
}

impl TransmitHalf<'_> {
    /// Where its datagrams go, ready for [`Sender::commit`](crate::io::Sender::commit).
    #[inline]
    pub fn address(&self) -> &Address {
        self.transmit.address()
    }

    /// The session's id, never 0.
    #[inline]
    pub fn connection_id(&self) -> u32 {
        self.transmit.connection_id()
    }

    /// Sequence of the last datagram sent, 0 before the first.
    #[inline]
    pub fn sent(&self) -> u32 {
        self.transmit.sent()
    }

    /// Makes the payload at `slot[HEADER_BYTES..HEADER_BYTES + payload_bytes]` the session's next datagram: the header
    /// goes before it, it is encrypted where it lies, the tag goes behind. Returns the datagram's bytes,
    /// [`HEADER_BYTES`] and [`SEAL_BYTES`] more than the payload, which is at most
    /// [`PAYLOAD_BYTES_MAX`](crate::limits::PAYLOAD_BYTES_MAX). Allocates nothing, derives nothing.
    ///
    /// A datagram that is then not sent is just a lost one to the other side.
    /// `None`, and nothing to send, after 2^32 - 1 datagrams (6.8 years at 20 Hz): then the session dies of silence.
    ///
    /// # Panics
    /// When `slot` is shorter than the datagram.
    #[inline]
    pub fn finish(&self, now_us: u64, kind: u8, slot: &mut [u8], payload_bytes: usize) -> Option<usize> {
        let (sequence, bytes) = self.transmit.seal(self.sealer, TYPE_DATA, kind, slot, payload_bytes)?;
        self.transmit.probe.sent(now_us, sequence);
        Some(bytes)
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
    use super::super::keys::SecretBytes;
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
    fn sequences_count_up_and_stop_at_the_end() {
        let sealer = Sealer::new(&SecretBytes::new([1; 32]));
        let transmit = Transmit::new(Address::from("1.2.3.4:5".parse::<std::net::SocketAddr>().unwrap()), 9);
        let mut out = [0; 36];
        assert_eq!(transmit.seal(&sealer, TYPE_DATA, 2, &mut out, 4), Some((1, 36)));
        assert_eq!(transmit.seal(&sealer, TYPE_DATA, 2, &mut out, 4), Some((2, 36)));
        let header = Header::read(&out).unwrap();
        assert_eq!((header.sequence, header.connection_id, header.kind), (2, 9, 2));
        assert_ne!(out[16..20], [0; 4], "sealed");
        let mut sealer = sealer;
        transmit.sent.store(u32::MAX - 1, Relaxed);
        assert_eq!(transmit.seal(&sealer, TYPE_DATA, 2, &mut out, 4), None, "no key for that sequence");
        transmit.sent.store(u32::MAX - 1, Relaxed);
        sealer.keep_up(u32::MAX - 1);
        assert_eq!(transmit.seal(&sealer, TYPE_DATA, 2, &mut out, 4), Some((u32::MAX, 36)));
        assert_eq!(transmit.seal(&sealer, TYPE_DATA, 2, &mut out, 4), None);
        assert_eq!(transmit.sent(), u32::MAX);
    }
}
