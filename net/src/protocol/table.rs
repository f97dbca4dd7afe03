//! The session table: places, free places and who is where.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;

use super::rate::Bucket;
use super::rtt::RoundTrip;
use super::transmit::Transmit;
use super::window::Window;
use crate::Address;
use crate::limits::SESSION_INDEX_BITS;

/// A session's place in the table, below [`ServerConfig::sessions_max`](super::ServerConfig::sessions_max).
/// A place is used again after its session has ended, the longest free one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionIndex(u32);

impl SessionIndex {
    /// The place as an array index, into [`transmit_halves`](super::Server::transmit_halves) and arrays like it.
    #[inline]
    pub fn get(self) -> usize {
        self.0 as usize
    }

    /// The session at a place, which need not be a live one.
    #[inline]
    pub fn new(place: u32) -> Self {
        SessionIndex(place)
    }
}

/// The receiving half of a session. What sending needs as well, its address and id among it, is in [`Transmit`].
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub last_heard_us: u64,
    pub bucket: Bucket,
    pub round_trip: RoundTrip,
    pub acked: u32,
    pub cookie_time_s: u32,
    pub window: Window,
    pub salt: u64,
    pub since_us: u64,
}

impl Session {
    pub fn new(now_us: u64, salt: u64, cookie_time_s: u32) -> Self {
        Session {
            last_heard_us: now_us,
            bucket: Bucket::default(),
            round_trip: RoundTrip::default(),
            acked: 0,
            cookie_time_s,
            window: Window::new(),
            salt,
            since_us: now_us,
        }
    }
}

/// Both halves of all sessions. `sessions[i]` and `transmits[i]` are of the same one; vacant places have no id.
pub(super) struct Table {
    sessions: Vec<Session>,
    transmits: Vec<Transmit>,
    vacant: VecDeque<u32>,
    places: HashMap<SocketAddr, u32, AddressHash>,
    sessions_max: usize,
}

impl Table {
    /// All memory is reserved here, touched only as sessions come, so that no later datagram makes it grow.
    pub fn new(sessions_max: u32, hash_keys: [u64; 2]) -> Self {
        let sessions_max = sessions_max as usize;
        Table {
            sessions: Vec::with_capacity(sessions_max),
            transmits: Vec::with_capacity(sessions_max),
            vacant: VecDeque::with_capacity(sessions_max),
            // Twice the need: with half of it free the map tidies up after removals in place.
            places: HashMap::with_capacity_and_hasher(sessions_max * 2, AddressHash { keys: hash_keys }),
            sessions_max,
        }
    }

    pub fn live_count(&self) -> usize {
        self.transmits.len() - self.vacant.len()
    }

    pub fn is_full(&self) -> bool {
        self.live_count() >= self.sessions_max
    }

    /// Places ever used.
    pub fn len(&self) -> usize {
        self.transmits.len()
    }

    pub fn transmits(&self) -> &[Transmit] {
        &self.transmits
    }

    pub fn at_address(&self, address: &SocketAddr) -> Option<SessionIndex> {
        self.places.get(address).copied().map(SessionIndex)
    }

    /// Both halves of a live session.
    #[inline]
    pub fn live_mut(&mut self, index: SessionIndex) -> Option<(&mut Session, &mut Transmit)> {
        let transmit = self.transmits.get_mut(index.get()).filter(|transmit| transmit.is_live())?;
        Some((self.sessions.get_mut(index.get())?, transmit))
    }

    /// Both halves of a live session.
    pub fn live(&self, index: SessionIndex) -> Option<(&Session, &Transmit)> {
        let transmit = self.transmits.get(index.get()).filter(|transmit| transmit.is_live())?;
        Some((self.sessions.get(index.get())?, transmit))
    }

    /// The place that a connection id names, whether or not it is in use.
    #[inline]
    pub fn place_of(connection_id: u32) -> SessionIndex {
        SessionIndex(connection_id & ((1 << SESSION_INDEX_BITS) - 1))
    }

    /// Puts a new session in; its connection id is its place and `bits` above it. `None` when the table is full.
    pub fn open(&mut self, address: SocketAddr, session: Session, bits: u32) -> Option<(SessionIndex, u32)> {
        if self.is_full() {
            return None;
        }
        let place = self.vacant.pop_front().unwrap_or(self.transmits.len() as u32);
        // 0 names no session. Place 0 gives up one of its 4,096 ids for that.
        let connection_id = match place | bits << SESSION_INDEX_BITS {
            0 => 1 << SESSION_INDEX_BITS,
            id => id,
        };
        let transmit = Transmit::new(Address::from(address), connection_id);
        match self.transmits.get_mut(place as usize).zip(self.sessions.get_mut(place as usize)) {
            Some((old_transmit, old_session)) => (*old_transmit, *old_session) = (transmit, session),
            None => {
                self.transmits.push(transmit);
                self.sessions.push(session);
            }
        }
        self.places.insert(address, place);
        Some((SessionIndex(place), connection_id))
    }

    /// Takes a live session out.
    pub fn close(&mut self, index: SessionIndex) {
        let Some(transmit) = self.transmits.get_mut(index.get()).filter(|transmit| transmit.is_live()) else {
            return;
        };
        self.places.remove(&transmit.address().socket_addr());
        *transmit = Transmit::vacant();
        self.vacant.push_back(index.0);
    }
}

/// A keyed hash of addresses: folded multiplication as in wyhash. Addresses are chosen by strangers, so without the
/// keys they could be made to collide.
#[derive(Clone)]
struct AddressHash {
    keys: [u64; 2],
}

impl BuildHasher for AddressHash {
    type Hasher = AddressHasher;

    fn build_hasher(&self) -> AddressHasher {
        AddressHasher { state: self.keys[0], key: self.keys[1] | 1 }
    }
}

struct AddressHasher {
    state: u64,
    key: u64,
}

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.key);
        self.state = (product as u64) ^ ((product >> 64) as u64).rotate_left(29);
    }

    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * 0x9e37_79b9_7f4a_7c15;
        (product as u64) ^ ((product >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(i: u32) -> SocketAddr {
        SocketAddr::from(((10 << 24 | i).to_be_bytes(), 4000))
    }

    fn open(table: &mut Table, i: u32, bits: u32) -> Option<(SessionIndex, u32)> {
        table.open(address(i), Session::new(0, 0, 0), bits)
    }

    #[test]
    fn places_are_reused_oldest_first_and_ids_differ() {
        let mut table = Table::new(3, [1, 2]);
        let (a, id_a) = open(&mut table, 1, 0).unwrap();
        let (b, _) = open(&mut table, 2, 0xfff).unwrap();
        let (c, _) = open(&mut table, 3, 5).unwrap();
        assert_eq!((a.get(), b.get(), c.get()), (0, 1, 2));
        assert_ne!(id_a, 0);
        assert!(open(&mut table, 4, 0).is_none());
        table.close(b);
        table.close(a);
        table.close(a);
        assert_eq!(table.live_count(), 1);
        assert_eq!(table.at_address(&address(1)), None);
        assert_eq!(open(&mut table, 5, 7).unwrap(), (b, 1 | 7 << 20));
        assert_eq!(open(&mut table, 6, 8).unwrap().0, a);
        assert!(open(&mut table, 7, 0).is_none());
        assert_eq!(table.len(), 3);
        assert!(table.live_mut(c).is_some());
    }

    #[test]
    fn addresses_of_one_network_spread_over_the_map() {
        let hash = AddressHash { keys: [0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321] };
        let mut low_bits = vec![0u32; 1024];
        let mut top_bits = vec![0u32; 128];
        for i in 0..102_400u32 {
            let hashed = hash.hash_one(SocketAddr::from(((127 << 24 | i).to_be_bytes(), 4000)));
            low_bits[(hashed % 1024) as usize] += 1;
            top_bits[(hashed >> 57) as usize] += 1;
        }
        assert!(low_bits.iter().all(|count| (40..200).contains(count)), "100 are expected in each");
        assert!(top_bits.iter().all(|count| (600..1000).contains(count)), "800 are expected in each");
    }
}
