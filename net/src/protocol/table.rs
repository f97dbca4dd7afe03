//! The session table: places, free places and which token is where.

use std::collections::{HashMap, VecDeque};
use std::mem::offset_of;
use std::net::SocketAddr;

use siphasher::sip::SipHasher13;

use super::keys::{Opener, Sealer};
use super::rate::Bucket;
use super::rtt::RoundTrip;
use super::server::Ticket;
use super::transmit::{Transmit, TransmitHalves};
use super::used::KeyedHash;
use super::window::Window;
use crate::io::cpu::{front_soon, soon};
use crate::io::prefer_large_pages;
use crate::limits::{ACCEPT_BYTES, SEAL_BYTES, SESSION_INDEX_BITS, UNCONFIRMED_MAX, UNCONFIRMED_SHARE};
use crate::{Address, Peer};

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

/// The receiving half of a session. What heading a datagram needs as well, its address and id among it, is in
/// [`Transmit`]; what sealing needs is in a [`Sealer`].
///
/// What every datagram reads lies in one piece, to be asked for beforehand.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Session {
    pub last_heard_us: u64,
    pub timeout_us: u64,
    pub bucket: Bucket,
    pub round_trip: RoundTrip,
    pub acked: u32,
    /// Whether a sealed datagram has come: before it, the accept may have been lost.
    pub is_confirmed: bool,
    pub window: Window,
    pub opener: Opener,
    pub since_us: u64,
    pub origin: Box<Origin>,
}

impl Session {
    /// Bytes, from the first on, that every datagram reads.
    const HOT_BYTES: usize = offset_of!(Session, opener) + Opener::HOT_BYTES;
}

/// What is only looked at when a session begins or its client is somewhere else.
#[derive(Debug)]
pub(super) struct Origin {
    pub from: Peer,
    pub salt: u64,
    pub token_tag: [u8; SEAL_BYTES],
    /// What the hello was answered with, to be sent again when it comes again.
    pub accept: [u8; ACCEPT_BYTES],
    /// Until the session is confirmed.
    pub ticket: Option<Box<Ticket>>,
    pub path: Option<Path>,
}

/// An address that a session's client might have moved to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub to: SocketAddr,
    pub challenge: [u8; 8],
    /// When the address was first asked.
    pub since_us: u64,
    /// When it was last asked.
    pub asked_us: u64,
}

/// All parts of a new session.
pub(super) struct Opening {
    pub from: Peer,
    pub connection_id: u32,
    pub session: Session,
    pub sealer: Sealer,
}

/// One live session, taken apart.
pub(super) struct Live<'t> {
    pub session: &'t mut Session,
    pub transmit: &'t mut Transmit,
    /// There, but not looked at: it is memory of its own, and who receives seldom needs it.
    pub sealer: &'t mut Option<Sealer>,
}

/// All halves of all sessions. Index i of each array is of the same one; vacant places have no id.
pub(super) struct Table {
    sessions: Vec<Option<Session>>,
    transmits: Vec<Transmit>,
    sealers: Vec<Option<Sealer>>,
    vacant: VecDeque<u32>,
    /// By the tag of the token that each live session came with: a repeated hello is found without opening anything.
    tokens: HashMap<[u8; SEAL_BYTES], u32, KeyedHash>,
    unconfirmed: usize,
    sessions_max: usize,
}

fn reserved<T>(count: usize) -> Vec<T> {
    let table = Vec::with_capacity(count);
    prefer_large_pages(&table);
    table
}

impl Table {
    /// All memory of fixed size is reserved here, touched only as sessions come, so that no later datagram makes it
    /// grow.
    pub fn new(sessions_max: u32, keys: [u64; 2]) -> Self {
        let sessions_max = sessions_max as usize;
        let hash = KeyedHash(SipHasher13::new_with_keys(keys[0], keys[1]));
        Table {
            sessions: reserved(sessions_max),
            transmits: reserved(sessions_max),
            sealers: reserved(sessions_max),
            vacant: VecDeque::with_capacity(sessions_max),
            // Twice the need: with half of it free the map tidies up after removals in place.
            tokens: HashMap::with_capacity_and_hasher(sessions_max * 2, hash),
            unconfirmed: 0,
            sessions_max,
        }
    }

    /// Sessions, those still to be confirmed left out.
    pub fn confirmed_count(&self) -> usize {
        self.live_count() - self.unconfirmed
    }

    /// Sessions still to be confirmed.
    pub fn unconfirmed_count(&self) -> usize {
        self.unconfirmed
    }

    /// Whether as many clients as may are still to confirm.
    pub fn is_full_of_unconfirmed(&self) -> bool {
        self.unconfirmed >= UNCONFIRMED_MAX.min(self.sessions_max / UNCONFIRMED_SHARE).max(1)
    }

    fn live_count(&self) -> usize {
        self.transmits.len() - self.vacant.len()
    }

    pub fn is_full(&self) -> bool {
        self.live_count() >= self.sessions_max
    }

    /// Places ever used.
    pub fn len(&self) -> usize {
        self.transmits.len()
    }

    pub fn transmit_halves(&self) -> TransmitHalves<'_> {
        TransmitHalves { transmits: &self.transmits, sealers: &self.sealers }
    }

    /// The live session that came with the token of this tag.
    pub fn of_token(&self, tag: &[u8; SEAL_BYTES]) -> Option<&Session> {
        let place = *self.tokens.get(tag)?;
        self.sessions.get(place as usize)?.as_ref()
    }

    /// A live session.
    #[inline]
    pub fn live_mut(&mut self, index: SessionIndex) -> Option<Live<'_>> {
        let transmit = self.transmits.get_mut(index.get())?;
        let session = self.sessions.get_mut(index.get())?.as_mut()?;
        let sealer = self.sealers.get_mut(index.get())?;
        Some(Live { session, transmit, sealer })
    }

    /// Asks for what a datagram of the session at `index` will read.
    #[inline]
    pub fn prefetch(&self, index: SessionIndex) {
        let (transmit, session) = (self.transmits.get(index.get()), self.sessions.get(index.get()));
        let (Some(transmit), Some(session)) = (transmit, session) else { return };
        soon(transmit);
        // Of the `Option`: whether a session lives there would have to be waited for.
        front_soon(session, Session::HOT_BYTES);
    }

    /// Both halves of a live session.
    pub fn live(&self, index: SessionIndex) -> Option<(&Session, &Transmit)> {
        Some((self.sessions.get(index.get())?.as_ref()?, self.transmits.get(index.get())?))
    }

    /// The place that a connection id names, whether or not it is in use.
    #[inline]
    pub fn place_of(connection_id: u32) -> SessionIndex {
        SessionIndex(connection_id & ((1 << SESSION_INDEX_BITS) - 1))
    }

    /// The place and the connection id of the next session: the id is the place and `bits` above it.
    /// `None` when the table is full.
    pub fn next_id(&self, bits: u32) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let place = self.vacant.front().copied().unwrap_or(self.transmits.len() as u32);
        // 0 names no session. Place 0 gives up one of its 4,096 ids for that.
        Some(match place | bits << SESSION_INDEX_BITS {
            0 => 1 << SESSION_INDEX_BITS,
            id => id,
        })
    }

    /// Puts a new session, still to be confirmed, at the place that [`next_id`](Self::next_id) gave.
    pub fn open(&mut self, opening: Opening) -> SessionIndex {
        let index = Self::place_of(opening.connection_id);
        let transmit = Transmit::new(Address::from(opening.from), opening.connection_id);
        self.tokens.insert(opening.session.origin.token_tag, index.0);
        self.unconfirmed += usize::from(!opening.session.is_confirmed);
        match self.vacant.pop_front() {
            Some(place) => {
                assert_eq!(place, index.0, "a session's id names the place that is its own");
                self.transmits[index.get()] = transmit;
                self.sessions[index.get()] = Some(opening.session);
                self.sealers[index.get()] = Some(opening.sealer);
            }
            None => {
                assert_eq!(
                    self.transmits.len(),
                    index.get(),
                    "a session's id names the place that is its own"
                );
                self.transmits.push(transmit);
                self.sessions.push(Some(opening.session));
                self.sealers.push(Some(opening.sealer));
            }
        }
        index
    }

    /// Notes that a session's client has its keys; its ticket, the first time.
    pub fn confirm(&mut self, index: SessionIndex) -> Option<Box<Ticket>> {
        let session = self.sessions.get_mut(index.get())?.as_mut().filter(|session| !session.is_confirmed)?;
        session.is_confirmed = true;
        self.unconfirmed -= 1;
        session.origin.ticket.take()
    }

    /// Takes a live session out; where it was, and whether it was confirmed. Its keys are wiped.
    pub fn close(&mut self, index: SessionIndex) -> Option<(Peer, bool)> {
        let session = self.sessions.get_mut(index.get())?;
        let Session { origin, is_confirmed, .. } = session.as_ref()?;
        self.tokens.remove(&origin.token_tag);
        let is_confirmed = *is_confirmed;
        // Not taken out: keys are wiped where they lie.
        *session = None;
        let transmit = std::mem::replace(&mut self.transmits[index.get()], Transmit::vacant());
        self.sealers[index.get()] = None;
        self.unconfirmed -= usize::from(!is_confirmed);
        self.vacant.push_back(index.0);
        Some((transmit.address().peer(), is_confirmed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::SecretBytes;
    use super::*;

    fn open(table: &mut Table, i: u32, bits: u32) -> Option<(SessionIndex, u32)> {
        let connection_id = table.next_id(bits)?;
        let from = Peer::from(SocketAddr::from(((10 << 24 | i).to_be_bytes(), 4000)));
        let secret = SecretBytes::new([i as u8; 32]);
        let origin = Box::new(Origin {
            from,
            salt: 0,
            token_tag: [i as u8; SEAL_BYTES],
            accept: [0; ACCEPT_BYTES],
            ticket: None,
            path: None,
        });
        let session = Session {
            last_heard_us: 0,
            bucket: Bucket::default(),
            window: Window::new(),
            round_trip: RoundTrip::default(),
            acked: 0,
            is_confirmed: false,
            opener: Opener::new(&secret),
            timeout_us: 1,
            since_us: 0,
            origin,
        };
        let index = table.open(Opening { from, connection_id, session, sealer: Sealer::new(&secret) });
        Some((index, connection_id))
    }

    #[test]
    fn a_place_takes_as_much_memory_as_is_told() {
        let bytes = size_of::<Option<Session>>() + size_of::<Transmit>() + size_of::<Option<Sealer>>();
        assert!((2500..=2900).contains(&bytes), "{bytes}: correct `ServerConfig::sessions_max`");
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
        assert!(table.of_token(&[1; 16]).is_some());
        assert!(table.close(b).is_some());
        assert!(table.close(a).is_some());
        assert!(table.close(a).is_none());
        assert_eq!(table.live_count(), 1);
        assert!(table.of_token(&[1; 16]).is_none());
        assert_eq!(open(&mut table, 5, 7).unwrap(), (b, 1 | 7 << 20));
        assert_eq!(open(&mut table, 6, 8).unwrap().0, a);
        assert!(open(&mut table, 7, 0).is_none());
        assert_eq!(table.len(), 3);
        assert!(table.live_mut(c).is_some());
        assert!(table.transmit_halves().get(c.get()).is_some());
    }

    #[test]
    fn the_unconfirmed_are_counted_until_they_confirm_or_go() {
        let mut table = Table::new(100, [1, 2]);
        let places: Vec<_> = (0..25).map(|i| open(&mut table, i, 0).unwrap().0).collect();
        assert!(table.is_full_of_unconfirmed());
        table.confirm(places[0]);
        table.confirm(places[0]);
        assert!(!table.is_full_of_unconfirmed());
        table.close(places[0]);
        table.close(places[1]);
        assert_eq!((table.confirmed_count(), table.unconfirmed_count()), (0, 23));
        // Even one place can be taken.
        assert!(!Table::new(1, [1, 2]).is_full_of_unconfirmed());
    }
}
