//! The client's side of one session.

use std::sync::Arc;

use super::counters::Reject;
use super::packet::{
    Cookie, HandshakeAnswer, Header, Hello, TYPE_CHALLENGE, TYPE_DATA, TYPE_DISCONNECT, TYPE_REFUSED,
    TYPE_WELCOME,
};
use super::rtt::{Probe, RoundTrip};
use super::transmit::acks_after;
use super::window::{Freshness, Window};
use crate::limits::{
    DATAGRAM_BYTES_MAX, DISCONNECT_COPIES, HEADER_BYTES, HELLO_PAYLOAD_BYTES_MAX, HELLO_RETRY_US,
    HELLO_RETRY_US_MAX, TIMEOUT_US,
};

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Shaking hands.
    Connecting,
    /// In session: data may be sent.
    Connected,
    /// Over, for good.
    Closed(CloseCause),
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// [`Client::disconnect`] was called.
    Left,
    /// The server does not take this client.
    Refused {
        /// [`REFUSED_FULL`](super::packet::REFUSED_FULL), or the application's own.
        reason: u8,
        /// Depends on the reason.
        detail: u32,
    },
    /// The server ended the session, for this reason.
    Disconnected {
        /// One of the `DISCONNECT_` constants, or the application's own.
        reason: u8,
    },
    /// Nothing was heard for [`TIMEOUT_US`].
    TimedOut,
}

/// What a datagram from the server meant. The payload is a slice of the datagram itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'d> {
    /// Nothing, for this reason.
    Dropped(Reject),
    /// The handshake goes on: [`Client::poll`] has something to send.
    Challenged,
    /// The session stands.
    Connected,
    /// A payload, received for the first time, in no particular order.
    Data {
        /// What it is, by the application's meaning.
        kind: u8,
        /// The bytes, not looked into.
        payload: &'d [u8],
    },
    /// The session is over.
    Closed(CloseCause),
}

/// A hello payload beyond [`HELLO_PAYLOAD_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hello payload has {0} bytes, but at most {HELLO_PAYLOAD_BYTES_MAX} fit")]
pub struct HelloTooLong(pub usize);

/// One client's session. At most 256 bytes beside the hello, which may be shared, so that one process can be tens of
/// thousands of clients.
///
/// Feed it what arrives **from the server's address** and send there what [`poll`](Self::poll) yields.
#[derive(Debug)]
pub struct Client {
    salt: u64,
    hello: Arc<[u8]>,
    /// When the last valid datagram arrived; when the handshake began, while connecting.
    heard_us: u64,
    /// When `poll` has something to do.
    due_us: u64,
    retry_us: u32,
    cookie: Cookie,
    connection_id: u32,
    sent: u32,
    received: u32,
    received_bits: u16,
    /// Copies of the disconnect still to send.
    goodbyes: u8,
    goodbye_reason: u8,
    acked: u32,
    probe: Probe,
    round_trip: RoundTrip,
    state: ClientState,
    window: Window,
}

const _: () = assert!(size_of::<Client>() <= 256);

impl Client {
    /// A client about to say hello. `salt` must be random: knowing it is what tells the server's answers from forged
    /// ones. `hello` is for the application at the other end.
    ///
    /// # Errors
    /// When the hello is beyond [`HELLO_PAYLOAD_BYTES_MAX`].
    pub fn new(now_us: u64, salt: u64, hello: Arc<[u8]>) -> Result<Client, HelloTooLong> {
        if hello.len() > HELLO_PAYLOAD_BYTES_MAX {
            return Err(HelloTooLong(hello.len()));
        }
        Ok(Client {
            salt,
            hello,
            heard_us: now_us,
            due_us: now_us,
            retry_us: HELLO_RETRY_US as u32,
            cookie: Cookie::default(),
            connection_id: 0,
            sent: 0,
            received: 0,
            received_bits: 0,
            goodbyes: 0,
            goodbye_reason: 0,
            acked: 0,
            probe: Probe::default(),
            round_trip: RoundTrip::default(),
            state: ClientState::Connecting,
            window: Window::new(),
        })
    }

    /// Takes one datagram in.
    pub fn handle<'d>(&mut self, now_us: u64, datagram: &'d [u8]) -> ClientEvent<'d> {
        let event = match datagram.first() {
            _ if datagram.len() > DATAGRAM_BYTES_MAX => Err(Reject::Oversized),
            Some(&TYPE_DATA) => self.data(now_us, datagram),
            Some(&(TYPE_CHALLENGE | TYPE_WELCOME | TYPE_REFUSED)) => self.answer(now_us, datagram),
            Some(&TYPE_DISCONNECT) => self.disconnected(datagram),
            _ => Err(Reject::UnknownType),
        };
        event.unwrap_or_else(ClientEvent::Dropped)
    }

    fn data<'d>(&mut self, now_us: u64, datagram: &'d [u8]) -> Result<ClientEvent<'d>, Reject> {
        let header = Header::read(datagram).ok_or(Reject::Length)?;
        if self.state != ClientState::Connected {
            return Err(Reject::Unexpected);
        }
        if header.connection_id != self.connection_id {
            return Err(Reject::UnknownConnection);
        }
        if header.ack > self.sent {
            return Err(Reject::AckUnsent);
        }
        match self.window.check(header.sequence) {
            Freshness::Fresh => self.window.mark(header.sequence),
            Freshness::Duplicate => return Err(Reject::Duplicate),
            Freshness::TooOld => return Err(Reject::TooOld),
        }
        (self.received, self.received_bits) = acks_after(self.received, self.received_bits, header.sequence);
        self.acked = self.acked.max(header.ack);
        self.heard_us = now_us;
        if let Some(sample_us) = self.probe.acked(now_us, header.ack, header.ack_bits) {
            self.round_trip.add(sample_us);
        }
        Ok(ClientEvent::Data { kind: header.kind, payload: &datagram[HEADER_BYTES..] })
    }

    fn answer(&mut self, now_us: u64, datagram: &[u8]) -> Result<ClientEvent<'static>, Reject> {
        let answer = HandshakeAnswer::read(datagram).ok_or(Reject::Length)?;
        let salt = match answer {
            HandshakeAnswer::Challenge { salt, .. }
            | HandshakeAnswer::Welcome { salt, .. }
            | HandshakeAnswer::Refused { salt, .. } => salt,
        };
        if self.state != ClientState::Connecting || salt != self.salt {
            return Err(Reject::Unexpected);
        }
        match answer {
            HandshakeAnswer::Challenge { cookie, .. } => {
                // Only the first cookie is answered at once. A server that takes none of them is asked again at the
                // pace of the retries, not at that of the round trip.
                if self.cookie.is_absent() {
                    (self.due_us, self.retry_us) = (now_us, HELLO_RETRY_US as u32);
                }
                self.cookie = cookie;
                Ok(ClientEvent::Challenged)
            }
            HandshakeAnswer::Welcome { connection_id, .. } => {
                self.connection_id = connection_id;
                self.state = ClientState::Connected;
                self.heard_us = now_us;
                self.due_us = now_us.saturating_add(TIMEOUT_US);
                Ok(ClientEvent::Connected)
            }
            HandshakeAnswer::Refused { reason, detail, .. } => {
                Ok(self.close(CloseCause::Refused { reason, detail }))
            }
        }
    }

    fn disconnected(&mut self, datagram: &[u8]) -> Result<ClientEvent<'static>, Reject> {
        let header = Header::read(datagram).ok_or(Reject::Length)?;
        if datagram.len() != HEADER_BYTES {
            return Err(Reject::Length);
        }
        if self.state != ClientState::Connected {
            return Err(Reject::Unexpected);
        }
        if header.connection_id != self.connection_id {
            return Err(Reject::UnknownConnection);
        }
        Ok(self.close(CloseCause::Disconnected { reason: header.kind }))
    }

    fn close(&mut self, cause: CloseCause) -> ClientEvent<'static> {
        self.state = ClientState::Closed(cause);
        self.due_us = u64::MAX;
        ClientEvent::Closed(cause)
    }

    /// Writes a datagram that is due into `out` and gives its length; call it until it gives `None`. Also notices
    /// silence: look at [`state`](Self::state) afterwards. Costs one comparison before [`due_us`](Self::due_us).
    #[inline]
    pub fn poll(&mut self, now_us: u64, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> Option<usize> {
        if now_us < self.due_us { None } else { self.poll_due(now_us, out) }
    }

    fn poll_due(&mut self, now_us: u64, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> Option<usize> {
        let silent_at_us = self.heard_us.saturating_add(TIMEOUT_US);
        match self.state {
            ClientState::Connecting | ClientState::Connected if now_us >= silent_at_us => {
                self.close(CloseCause::TimedOut);
                None
            }
            ClientState::Connecting => {
                self.due_us = now_us.saturating_add(u64::from(self.retry_us)).min(silent_at_us);
                self.retry_us = (self.retry_us * 2).min(HELLO_RETRY_US_MAX as u32);
                Hello { salt: self.salt, cookie: self.cookie, payload: &self.hello }.write(out);
                Some(DATAGRAM_BYTES_MAX)
            }
            ClientState::Connected => {
                self.due_us = silent_at_us;
                None
            }
            ClientState::Closed(_) if self.goodbyes > 0 => {
                self.goodbyes -= 1;
                let goodbye = self.next_header(TYPE_DISCONNECT, self.goodbye_reason);
                out[..HEADER_BYTES].copy_from_slice(&goodbye.to_bytes());
                Some(HEADER_BYTES)
            }
            ClientState::Closed(_) => {
                self.due_us = u64::MAX;
                None
            }
        }
    }

    /// Writes the 16-byte header of the next datagram to the start of `out` and returns its sequence; the payload
    /// follows it, at most [`PAYLOAD_BYTES_MAX`](crate::limits::PAYLOAD_BYTES_MAX) bytes of it.
    /// `None`, and nothing written, unless connected.
    ///
    /// # Panics
    /// When `out` is shorter than a header.
    #[inline]
    pub fn write_header(&mut self, now_us: u64, kind: u8, out: &mut [u8]) -> Option<u32> {
        if self.state != ClientState::Connected {
            return None;
        }
        let header = self.next_header(TYPE_DATA, kind);
        self.probe.sent(now_us, header.sequence);
        out[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        Some(header.sequence)
    }

    fn next_header(&mut self, packet_type: u8, kind: u8) -> Header {
        self.sent = self.sent.saturating_add(1);
        Header {
            packet_type,
            kind,
            ack_bits: self.received_bits,
            connection_id: self.connection_id,
            sequence: self.sent,
            ack: self.received,
        }
    }

    /// Leaves. [`poll`](Self::poll) then yields the copies of the disconnect, at once.
    pub fn disconnect(&mut self, reason: u8) {
        let was = self.state;
        if matches!(was, ClientState::Closed(_)) {
            return;
        }
        self.close(CloseCause::Left);
        if was == ClientState::Connected {
            (self.goodbyes, self.goodbye_reason, self.due_us) = (DISCONNECT_COPIES, reason, 0);
        }
    }

    /// Where this client stands.
    #[inline]
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// When [`poll`](Self::poll) has something to do next, `u64::MAX` for never.
    #[inline]
    pub fn due_us(&self) -> u64 {
        self.due_us
    }

    /// The session's id, 0 before it is connected.
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// Smoothed round-trip time, the server's waiting for its own tick included; `None` before it is known.
    pub fn rtt_us(&self) -> Option<u32> {
        self.round_trip.smoothed_us()
    }

    /// Sequence of the last datagram sent.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Highest sequence that the server has acknowledged.
    pub fn acked(&self) -> u32 {
        self.acked
    }
}
