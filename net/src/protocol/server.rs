//! The server's side of all sessions.

use std::net::SocketAddr;
use std::ops::Deref;

use super::cookie::{CookieCheck, Secret};
use super::counters::{Counters, Reject};
use super::packet::{
    self, DISCONNECT_REPLACED, Header, Hello, HelloFault, REFUSED_FULL, TYPE_DATA, TYPE_DISCONNECT,
    TYPE_HELLO,
};
use super::rate::Rate;
use super::table::{Session, SessionIndex, Table};
use super::transmit::Transmit;
use super::window::Freshness;
use crate::limits::{
    CHALLENGE_BYTES, DATAGRAM_BYTES_MAX, HEADER_BYTES, REFUSED_BYTES, REPLACE_AGE_US, SESSIONS_MAX,
    SWEEP_SESSIONS, TIMEOUT_US,
};

/// How a [`Server`] is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Most sessions at a time, 1 to [`SESSIONS_MAX`]. Memory for all is reserved at the start, 300 bytes each.
    pub sessions_max: u32,
    /// Microseconds without a valid datagram after which a session ends, at least 1.
    pub timeout_us: u64,
    /// Data datagrams a second that each session may send on average, at least 1: twice what honest clients send.
    pub input_rate_hz: u32,
    /// Data datagrams that a session may send at once after a silence, at least 1.
    pub input_burst: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig { sessions_max: 20_000, timeout_us: TIMEOUT_US, input_rate_hz: 40, input_burst: 40 }
    }
}

/// A limit that a server cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No sessions, or more than connection ids can name.
    #[error("sessions_max is {0}, but must be 1 to {SESSIONS_MAX}")]
    Sessions(u32),
    /// Sessions would end at once.
    #[error("the session timeout is 0, but must be at least a microsecond (10 s is usual)")]
    Timeout,
    /// No input would ever pass.
    #[error("the input rate is {hz}/s with a burst of {burst}, but both must be at least 1")]
    InputRate {
        /// What `input_rate_hz` was.
        hz: u32,
        /// What `input_burst` was.
        burst: u32,
    },
}

/// A handshake datagram to send back, at most [`ANSWER_BYTES_MAX`](crate::limits::ANSWER_BYTES_MAX) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    bytes: [u8; CHALLENGE_BYTES],
    len: u8,
}

impl Answer {
    fn new<const N: usize>(datagram: [u8; N]) -> Self {
        const { assert!(N <= CHALLENGE_BYTES) };
        let mut bytes = [0; CHALLENGE_BYTES];
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

/// What a datagram meant. Payloads are slices of the datagram itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'d> {
    /// Nothing, for this reason. It has been counted.
    Dropped(Reject),
    /// Part of a handshake: send this back to where the datagram came from.
    Reply(Answer),
    /// A client has proven its address and has a session: send it the welcome, or call
    /// [`refuse`](Server::refuse) and send it that.
    Connected {
        /// Its place in the table.
        session: SessionIndex,
        /// What it said in its hello, at most 256 bytes, not looked into.
        payload: &'d [u8],
        /// The welcome.
        reply: Answer,
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
    /// The session is over and its place is free: the client left (the reason is its own), or shook hands anew from
    /// the same address ([`DISCONNECT_REPLACED`]) and will be connected by its next hello.
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
    /// When it was opened, in the server's time.
    pub since_us: u64,
    /// When it last sent a valid datagram.
    pub last_heard_us: u64,
    /// Smoothed round-trip time, the client's waiting for its own tick included; `None` before it is known.
    pub rtt_us: Option<u32>,
    /// Smoothed deviation of the round-trip time.
    pub rtt_variation_us: u32,
    /// Sequence of the last datagram sent to it.
    pub sent: u32,
    /// Highest sequence that it has acknowledged.
    pub acked: u32,
}

/// All sessions of one socket.
///
/// Feed each datagram to [`handle`](Self::handle), call [`expire`](Self::expire) every tick, and let the workers send
/// with [`transmit_halves`](Self::transmit_halves). Nothing here allocates after [`new`](Self::new).
pub struct Server {
    config: ServerConfig,
    rate: Rate,
    secret: Secret,
    table: Table,
    counters: Counters,
    /// Connections ever opened: numbers the unpredictable bits of their ids.
    opened: u64,
    /// Where the next sweep for timeouts starts.
    sweep_at: usize,
}

impl Server {
    /// A server without sessions. `secret` must be random and its own: cookies and connection ids derive from it.
    ///
    /// # Errors
    /// When a limit of the configuration cannot be kept.
    pub fn new(config: ServerConfig, secret: [u8; 32]) -> Result<Server, ConfigError> {
        if !(1..=SESSIONS_MAX).contains(&config.sessions_max) {
            return Err(ConfigError::Sessions(config.sessions_max));
        }
        if config.timeout_us == 0 {
            return Err(ConfigError::Timeout);
        }
        if config.input_rate_hz == 0 || config.input_burst == 0 {
            return Err(ConfigError::InputRate { hz: config.input_rate_hz, burst: config.input_burst });
        }
        let secret = Secret::new(&secret);
        Ok(Server {
            rate: Rate::new(config.input_rate_hz, config.input_burst),
            table: Table::new(config.sessions_max, secret.table_keys()),
            secret,
            config,
            counters: Counters::default(),
            opened: 0,
            sweep_at: 0,
        })
    }

    /// Takes one datagram in.
    #[inline]
    pub fn handle<'d>(&mut self, now_us: u64, from: SocketAddr, datagram: &'d [u8]) -> Received<'d> {
        let received = match datagram.first() {
            _ if datagram.len() > DATAGRAM_BYTES_MAX => Err(Reject::Oversized),
            Some(&TYPE_DATA) => self.data(now_us, &from, datagram),
            Some(&TYPE_HELLO) => self.hello(now_us, from, datagram),
            Some(&TYPE_DISCONNECT) => self.disconnect(&from, datagram),
            _ => Err(Reject::UnknownType),
        };
        received.unwrap_or_else(|reject| {
            self.counters.rejected(reject);
            Received::Dropped(reject)
        })
    }

    fn data<'d>(
        &mut self,
        now_us: u64,
        from: &SocketAddr,
        datagram: &'d [u8],
    ) -> Result<Received<'d>, Reject> {
        let header = Header::read(datagram).ok_or(Reject::Length)?;
        let index = Table::place_of(header.connection_id);
        let (session, transmit) = self.table.live_mut(index).ok_or(Reject::UnknownConnection)?;
        if transmit.connection_id() != header.connection_id {
            return Err(Reject::UnknownConnection);
        }
        if !transmit.address().is(from) {
            return Err(Reject::WrongAddress);
        }
        if header.ack > transmit.sent() {
            return Err(Reject::AckUnsent);
        }
        match session.window.check(header.sequence) {
            Freshness::Fresh => {}
            Freshness::Duplicate => return Err(Reject::Duplicate),
            Freshness::TooOld => return Err(Reject::TooOld),
        }
        // Last, so that neither a stranger nor the network can use up what belongs to the client.
        if !session.bucket.take(now_us, self.rate) {
            return Err(Reject::RateLimited);
        }
        session.window.mark(header.sequence);
        session.last_heard_us = now_us;
        session.acked = session.acked.max(header.ack);
        transmit.note_received(header.sequence);
        if let Some(sample_us) = transmit.note_ack(now_us, header.ack, header.ack_bits) {
            session.round_trip.add(sample_us);
        }
        self.counters.data += 1;
        Ok(Received::Data { session: index, kind: header.kind, payload: &datagram[HEADER_BYTES..] })
    }

    fn hello<'d>(
        &mut self,
        now_us: u64,
        from: SocketAddr,
        datagram: &'d [u8],
    ) -> Result<Received<'d>, Reject> {
        let hello = Hello::read(datagram).map_err(|fault| match fault {
            HelloFault::Length => Reject::Length,
            HelloFault::Version => Reject::Version,
            HelloFault::Payload => Reject::HelloMalformed,
        })?;
        if from.port() == 0 {
            return Err(Reject::HelloMalformed); // Nobody can be answered there.
        }
        let counter = match self.secret.check(now_us, hello.salt, &from, &hello.cookie) {
            CookieCheck::Valid => return self.proven_hello(now_us, from, &hello),
            CookieCheck::Absent => &mut self.counters.hello_challenged,
            CookieCheck::Expired => &mut self.counters.hello_cookie_expired,
            CookieCheck::Wrong => &mut self.counters.hello_cookie_wrong,
        };
        *counter += 1;
        let cookie = self.secret.cookie(now_us, hello.salt, &from);
        Ok(Received::Reply(Answer::new(packet::challenge(hello.salt, cookie))))
    }

    /// A hello from an address that provably receives what we send there.
    fn proven_hello<'d>(
        &mut self,
        now_us: u64,
        from: SocketAddr,
        hello: &Hello<'d>,
    ) -> Result<Received<'d>, Reject> {
        if let Some(index) = self.table.at_address(&from)
            && let Some((session, transmit)) = self.table.live(index)
        {
            if session.salt == hello.salt {
                self.counters.hello_repeated += 1;
                return Ok(Received::Reply(Answer::new(packet::welcome(
                    hello.salt,
                    transmit.connection_id(),
                ))));
            }
            // A client that starts again has a newer cookie; an older one is an echo of the past.
            let is_echo = hello.cookie.time_s.wrapping_sub(session.cookie_time_s) > u32::MAX / 2;
            if is_echo || now_us.saturating_sub(session.since_us) < REPLACE_AGE_US {
                return Err(Reject::HelloStale);
            }
            self.table.close(index);
            self.counters.hello_replaced += 1;
            self.counters.sessions_replaced += 1;
            return Ok(Received::Disconnected { session: index, reason: DISCONNECT_REPLACED });
        }
        let bits = self.secret.connection_bits(self.opened);
        let session = Session::new(now_us, hello.salt, hello.cookie.time_s);
        let Some((index, connection_id)) = self.table.open(from, session, bits) else {
            self.counters.hello_refused_full += 1;
            let refused = packet::refused(hello.salt, REFUSED_FULL, self.config.sessions_max);
            return Ok(Received::Reply(Answer::new(refused)));
        };
        self.opened = self.opened.wrapping_add(1);
        self.counters.hello_accepted += 1;
        self.counters.sessions_opened += 1;
        Ok(Received::Connected {
            session: index,
            payload: hello.payload,
            reply: Answer::new(packet::welcome(hello.salt, connection_id)),
        })
    }

    fn disconnect(&mut self, from: &SocketAddr, datagram: &[u8]) -> Result<Received<'static>, Reject> {
        let header = Header::read(datagram).ok_or(Reject::Length)?;
        if datagram.len() != HEADER_BYTES {
            return Err(Reject::Length);
        }
        let index = Table::place_of(header.connection_id);
        let (_, transmit) = self.table.live(index).ok_or(Reject::LateDisconnect)?;
        if transmit.connection_id() != header.connection_id {
            return Err(Reject::LateDisconnect);
        }
        if !transmit.address().is(from) {
            return Err(Reject::WrongAddress);
        }
        self.table.close(index);
        self.counters.disconnect += 1;
        self.counters.sessions_left += 1;
        Ok(Received::Disconnected { session: index, reason: header.kind })
    }

    /// Ends a session that [`Received::Connected`] has just opened and gives the datagram to send instead of the
    /// welcome. `reason` is from [`REFUSED_APPLICATION`](packet::REFUSED_APPLICATION) up, `detail` means what the
    /// application likes. `None` when no session lives there.
    pub fn refuse(&mut self, session: SessionIndex, reason: u8, detail: u32) -> Option<[u8; REFUSED_BYTES]> {
        let (receive, _) = self.table.live(session)?;
        let refused = packet::refused(receive.salt, reason, detail);
        self.table.close(session);
        self.counters.sessions_closed += 1;
        Some(refused)
    }

    /// Ends a session and gives the datagram that tells the client, and where to send it:
    /// [`DISCONNECT_COPIES`](crate::limits::DISCONNECT_COPIES) times, since it is not acknowledged.
    /// `None` when no session lives there.
    pub fn close(&mut self, session: SessionIndex, reason: u8) -> Option<([u8; HEADER_BYTES], SocketAddr)> {
        let (_, transmit) = self.table.live_mut(session)?;
        let goodbye = (transmit.disconnect(reason), transmit.address().socket_addr());
        self.table.close(session);
        self.counters.sessions_closed += 1;
        Some(goodbye)
    }

    /// Ends sessions that have been silent for longer than the timeout and names each one.
    ///
    /// Looks at no more than [`SWEEP_SESSIONS`] places a call and goes on from there at the next.
    pub fn expire(&mut self, now_us: u64, mut each: impl FnMut(SessionIndex)) {
        for _ in 0..self.table.len().min(SWEEP_SESSIONS) {
            let index = SessionIndex::new(self.sweep_at as u32);
            self.sweep_at = if self.sweep_at + 1 < self.table.len() { self.sweep_at + 1 } else { 0 };
            let Some((session, _)) = self.table.live(index) else { continue };
            if now_us.saturating_sub(session.last_heard_us) >= self.config.timeout_us {
                self.table.close(index);
                self.counters.sessions_timed_out += 1;
                each(index);
            }
        }
    }

    /// The sending halves of all sessions, one element per place in the table that was ever used; vacant places are
    /// not [live](Transmit::is_live). The element at [`SessionIndex::get`] is that session's.
    pub fn transmit_halves(&self) -> &[Transmit] {
        self.table.transmits()
    }

    /// What is known of a session; `None` when none lives there.
    pub fn session(&self, session: SessionIndex) -> Option<SessionInfo> {
        let (receive, transmit) = self.table.live(session)?;
        Some(SessionInfo {
            address: transmit.address().socket_addr(),
            connection_id: transmit.connection_id(),
            since_us: receive.since_us,
            last_heard_us: receive.last_heard_us,
            rtt_us: receive.round_trip.smoothed_us(),
            rtt_variation_us: receive.round_trip.variation_us(),
            sent: transmit.sent(),
            acked: receive.acked,
        })
    }

    /// All sessions alive now, by place.
    pub fn sessions(&self) -> impl Iterator<Item = SessionIndex> + use<'_> {
        (0..self.table.len() as u32)
            .map(SessionIndex::new)
            .filter(|session| self.table.live(*session).is_some())
    }

    /// How many sessions are alive now.
    pub fn session_count(&self) -> usize {
        self.table.live_count()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
