//! The server's side of all sessions.
//!
//! | file | what comes in | what becomes of it |
//! |---|---|---|
//! | [`hello`] | hellos | challenge, [`Received::Asking`], accept, refusal |
//! | [`sealed`] | data, disconnects, controls | opened, marked, handed on |
//! | [`rebind`] | any of those from another address, and path responses | path challenge, move |

mod config;
mod hello;
mod rebind;
mod sealed;

use std::net::SocketAddr;
use std::ops::Deref;

pub use config::{ConfigError, ServerConfig};
pub use hello::{Admission, Asking, Ticket};

use super::caps::PrefixCounts;
use super::cookie::CookieKey;
use super::counters::{Counters, Reject};
use super::keys::{Entropy, SecretBytes};
use super::packet::{Header, TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT, TYPE_HELLO};
use super::rate::{Bucket, Rate};
use super::strangers::Strangers;
use super::table::{Live, SessionIndex, Table};
use super::token::{KeyName, RealmKey, RealmKeys};
use super::transmit::TransmitHalves;
use super::used::UsedTokens;
use crate::Peer;
use crate::limits::{
    ACCEPT_BURSTS_PER_S, ANSWER_BYTES_MAX, CLOCK_BACK_MS_MAX, CONFIRM_US, DATAGRAM_BYTES_MAX, HEADER_BYTES,
    SEALED_BYTES_MIN, SWEEP_SESSIONS, TOKEN_HELLO_BURST, TOKEN_HELLO_HZ,
};

/// A datagram to send back, at most [`ANSWER_BYTES_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    bytes: [u8; ANSWER_BYTES_MAX],
    len: u8,
}

impl Answer {
    fn new<const N: usize>(datagram: [u8; N]) -> Self {
        const { assert!(N <= ANSWER_BYTES_MAX) };
        let mut bytes = [0; ANSWER_BYTES_MAX];
        bytes[..N].copy_from_slice(&datagram);
        Answer { bytes, len: N as u8 }
    }
}

impl Deref for Answer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The datagram that tells a client that its session is over.
pub type Goodbye = [u8; SEALED_BYTES_MIN];

/// What a datagram meant. Payloads are slices of the datagram itself, decrypted where they lay.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'d> {
    /// Nothing, for this reason. It has been counted.
    Dropped(Reject),
    /// Something between the two ends, done with. Nothing is to be sent.
    Handled,
    /// Part of a handshake: send this back to where the datagram came from.
    Reply(Answer),
    /// A client has proven its address and shown a good token: [`admit`](Server::admit) it or
    /// [`refuse`](Server::refuse) it, and send the answer. Nothing is kept of it until then.
    Asking(Asking<'d>),
    /// An admitted client has shown that it has the keys: its session stands.
    Connected {
        /// Its place in the table.
        session: SessionIndex,
        /// Who it is.
        ticket: Box<Ticket>,
        /// What it sent along: kind and payload, as in [`Received::Data`]. Usually nothing.
        first: Option<(u8, &'d [u8])>,
    },
    /// A payload, received for the first time, in no particular order.
    Data {
        /// Who sent it.
        session: SessionIndex,
        /// What it is, by the application's meaning.
        kind: u8,
        /// The bytes, not looked into.
        payload: &'d [u8],
    },
    /// A datagram of the session that came from another address than its own. Send the challenge there; until it is
    /// answered from there, everything else still goes to the old address.
    Strayed {
        /// Whose it is.
        session: SessionIndex,
        /// For the other address.
        challenge: Answer,
        /// What it carried: kind and payload, as in [`Received::Data`].
        data: Option<(u8, &'d [u8])>,
    },
    /// The session's client has shown that it receives at its new address: everything goes there from now on.
    Moved {
        /// Whose address it is.
        session: SessionIndex,
    },
    /// The session is over and its place is free: the client left, for a reason of its own.
    Disconnected {
        /// Whose place it was.
        session: SessionIndex,
        /// Why.
        reason: u8,
    },
}

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Where its client is.
    pub address: SocketAddr,
    /// Its id in every datagram.
    pub connection_id: u32,
    /// Whether its client has shown that it has the keys.
    pub is_confirmed: bool,
    /// When it was opened, in the server's time.
    pub since_us: u64,
    /// When it last sent an authentic datagram.
    pub last_heard_us: u64,
    /// Smoothed round-trip time, the client's waiting for its own tick included; `None` before it is known.
    pub rtt_us: Option<u32>,
    /// Smoothed deviation of the round-trip time.
    pub rtt_variation_us: u32,
    /// Sequence of the last datagram sent to it.
    pub sent: u32,
    /// Highest sequence received from it.
    pub received: u32,
    /// Highest sequence that it has acknowledged.
    pub acked: u32,
}

/// All sessions of one socket.
///
/// Feed each datagram to [`handle`](Self::handle), call [`expire`](Self::expire) every tick, and let the workers send
/// with [`transmit_halves`](Self::transmit_halves). Nothing here allocates for a datagram that does not begin a
/// session.
pub struct Server {
    config: ServerConfig,
    keys: RealmKeys,
    entropy: Entropy,
    cookie_key: CookieKey,
    rate: Rate,
    /// Of hellos, by address.
    strangers: Strangers,
    /// Of datagrams that belong to no session of their address. Apart from the hellos', or whoever knows a player's
    /// address could keep it from entering.
    strays: Strangers,
    /// By token, so that a recorded one cannot be used to make challenges.
    token_hellos: Strangers,
    prefixes: PrefixCounts,
    used: UsedTokens,
    accepts: Bucket,
    accept_rate: Rate,
    table: Table,
    counters: Counters,
    /// What Unix time it was, in milliseconds, when `now_us` was 0.
    epoch_unix_ms: u64,
    /// Where the next sweep for timeouts starts.
    sweep_at: usize,
}

impl Server {
    /// A server without sessions. `seed` must be random and its own: the cookie key and every ephemeral key come from it,
    /// the cookie key first. `keys` open the tokens of this realm.
    ///
    /// # Errors
    /// When a limit of the configuration cannot be kept, or the keys are another realm's.
    pub fn new(config: ServerConfig, seed: &SecretBytes, keys: RealmKeys) -> Result<Server, ConfigError> {
        config.check(&keys)?;
        let mut entropy = Entropy::new(seed);
        let cookie_key = CookieKey::new(&entropy.draw());
        let mut hash_keys = || {
            let bytes = entropy.draw::<16>();
            let (low, high) = bytes.split_at(8);
            [low, high].map(|half| half.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
        };
        Ok(Server {
            cookie_key,
            rate: Rate::new(config.input_rate_hz, config.input_burst),
            strangers: Strangers::new(hash_keys(), config.stranger_sets),
            strays: Strangers::new(hash_keys(), config.stranger_sets),
            token_hellos: Strangers::with_rate(
                hash_keys(),
                config.stranger_sets,
                TOKEN_HELLO_HZ,
                TOKEN_HELLO_BURST,
            ),
            prefixes: PrefixCounts::new(config.caps.clone(), config.sessions_max, hash_keys()),
            used: UsedTokens::new(hash_keys()),
            table: Table::new(config.sessions_max, hash_keys()),
            accepts: Bucket::default(),
            accept_rate: Rate::new(config.accepts_per_s, config.accepts_per_s.div_ceil(ACCEPT_BURSTS_PER_S)),
            keys,
            entropy,
            epoch_unix_ms: config.started_unix_ms,
            config,
            counters: Counters::default(),
            sweep_at: 0,
        })
    }

    /// Replaces the keys that tokens are opened with. Sessions have keys of their own and go on.
    ///
    /// # Errors
    /// When the keys are another realm's; the old ones stay.
    pub fn set_keys(&mut self, keys: RealmKeys) -> Result<(), ConfigError> {
        self.config.check(&keys)?;
        self.keys = keys;
        Ok(())
    }

    /// The names of the keys that tokens are opened with, the newest first.
    pub fn key_names(&self) -> impl Iterator<Item = KeyName> {
        self.keys.iter().map(RealmKey::name)
    }

    /// Tells the server what a Unix clock says, for computers that sleep: its own time stands still meanwhile, and
    /// tokens would seem to come from the future. Gives the milliseconds that the clock was set back by, 0 when it was
    /// not.
    ///
    /// A clock that is ahead is followed at once. One that is behind by [`CLOCK_BACK_MS_MAX`] at most is not: tokens are
    /// good by either, and what was used stays used. One that is further behind was set back, usually because it had been
    /// wrong, and without following it nobody could enter for as long. It is followed as if the server had started then:
    /// no token from before is taken. What remains is a token that was made and used by the wrong clock, and forgotten:
    /// when its time comes round, its own client, and nobody else, can use it once more.
    pub fn set_unix_ms(&mut self, now_us: u64, unix_ms: u64) -> u64 {
        let behind_ms = self.unix_ms(now_us).saturating_sub(unix_ms);
        let is_set_back = behind_ms > CLOCK_BACK_MS_MAX;
        if is_set_back {
            self.counters.clock_set_back += 1;
            self.config.started_unix_ms = unix_ms;
            self.used.set_back(unix_ms);
        }
        if is_set_back || behind_ms == 0 {
            self.epoch_unix_ms = unix_ms.saturating_sub(now_us / 1000);
        }
        if is_set_back { behind_ms } else { 0 }
    }

    /// The server's time as Unix time.
    fn unix_ms(&self, now_us: u64) -> u64 {
        self.epoch_unix_ms.saturating_add(now_us / 1000)
    }

    /// Asks for what [`handle`](Self::handle) will read of the session of a datagram that begins so. Worth it a few
    /// datagrams ahead, for sessions come in no order. Whatever the bytes say, nothing else happens; those of a hello name
    /// no session, and a flood of them asks for nothing.
    #[inline]
    pub fn prefetch(&self, head: &[u8; HEADER_BYTES]) {
        let header = Header::of(head);
        if matches!(header.packet_type, TYPE_DATA | TYPE_DISCONNECT | TYPE_CONTROL) {
            self.table.prefetch(Table::place_of(header.connection_id));
        }
    }

    /// Takes one datagram in. A sealed one is decrypted where it lies; of any other, and of one that is dropped, the
    /// bytes are worth nothing afterwards.
    #[inline]
    pub fn handle<'d>(&mut self, now_us: u64, from: impl Into<Peer>, datagram: &'d mut [u8]) -> Received<'d> {
        let from = from.into();
        let received = match datagram.first() {
            _ if datagram.len() > DATAGRAM_BYTES_MAX => Err(Reject::Oversized),
            Some(&(TYPE_DATA | TYPE_DISCONNECT | TYPE_CONTROL)) => self.sealed(now_us, from, datagram),
            Some(&TYPE_HELLO) => self.hello(now_us, from, datagram),
            _ => Err(Reject::UnknownType),
        };
        received.unwrap_or_else(|reject| {
            self.counters.rejected(reject);
            Received::Dropped(reject)
        })
    }

    /// Ends a session and gives the datagram that tells the client, and where to send it:
    /// [`DISCONNECT_COPIES`](crate::limits::DISCONNECT_COPIES) times, since it is not acknowledged.
    /// `None` when no session lives there, or it has no sequences left to say goodbye with.
    pub fn close(&mut self, session: SessionIndex, reason: u8) -> Option<(Goodbye, Peer)> {
        let Live { transmit, sealer, .. } = self.table.live_mut(session)?;
        let mut goodbye = [0; SEALED_BYTES_MIN];
        let sealed = transmit.seal(sealer.as_ref()?, TYPE_DISCONNECT, reason, &mut goodbye, 0);
        let (peer, is_confirmed) = self.vacate(session)?;
        self.counters.sessions_closed += u64::from(is_confirmed);
        self.counters.accepted_unconfirmed += u64::from(!is_confirmed);
        sealed.map(|_| (goodbye, peer))
    }

    /// Ends sessions that have been silent for longer than their timeout and names each one. Those that were never
    /// confirmed end after [`CONFIRM_US`] and are not named: nobody has heard of them.
    ///
    /// Looks at no more than [`SWEEP_SESSIONS`] places a call and goes on from there at the next.
    pub fn expire(&mut self, now_us: u64, mut each: impl FnMut(SessionIndex)) {
        for _ in 0..self.table.len().min(SWEEP_SESSIONS) {
            let index = SessionIndex::new(self.sweep_at as u32);
            self.sweep_at = if self.sweep_at + 1 < self.table.len() { self.sweep_at + 1 } else { 0 };
            let Some((session, _)) = self.table.live(index) else { continue };
            let timeout_us = if session.is_confirmed { session.timeout_us } else { CONFIRM_US };
            if now_us.saturating_sub(session.last_heard_us) < timeout_us {
                continue;
            }
            match self.vacate(index) {
                Some((_, true)) => {
                    self.counters.sessions_timed_out += 1;
                    each(index);
                }
                _ => self.counters.accepted_unconfirmed += 1,
            }
        }
    }

    /// Takes a session out of the table and out of the count of its network.
    fn vacate(&mut self, session: SessionIndex) -> Option<(Peer, bool)> {
        let (peer, is_confirmed) = self.table.close(session)?;
        self.prefixes.release(peer.address.ip());
        Some((peer, is_confirmed))
    }

    /// The sending halves of all sessions, by [place](SessionIndex::get), to be shared by all workers.
    pub fn transmit_halves(&self) -> TransmitHalves<'_> {
        self.table.transmit_halves()
    }

    /// What is known of a session; `None` when none lives there.
    pub fn session(&self, session: SessionIndex) -> Option<SessionInfo> {
        let (receive, transmit) = self.table.live(session)?;
        Some(SessionInfo {
            address: transmit.address().socket_addr(),
            connection_id: transmit.connection_id(),
            is_confirmed: receive.is_confirmed,
            since_us: receive.since_us,
            last_heard_us: receive.last_heard_us,
            rtt_us: receive.round_trip.smoothed_us(),
            rtt_variation_us: receive.round_trip.variation_us(),
            sent: transmit.sent(),
            received: receive.window.newest(),
            acked: receive.acked,
        })
    }

    /// All confirmed sessions alive now, by place.
    pub fn sessions(&self) -> impl Iterator<Item = SessionIndex> + use<'_> {
        (0..self.table.len() as u32)
            .map(SessionIndex::new)
            .filter(|session| self.table.live(*session).is_some_and(|(session, _)| session.is_confirmed))
    }

    /// How many confirmed sessions are alive now.
    pub fn session_count(&self) -> usize {
        self.table.confirmed_count()
    }

    /// How many clients have been admitted and have not confirmed yet. Each has a place.
    pub fn unconfirmed_count(&self) -> usize {
        self.table.unconfirmed_count()
    }

    /// How many used tokens are remembered, because they could still be shown again.
    pub fn used_token_count(&self) -> usize {
        self.used.len()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
