//! The client's side of one session.

use std::sync::Arc;

use super::counters::Reject;
use super::keys::{Opener, Sealer, SessionKeys, Transcript, refused_tag, tags_equal};
use super::packet::{
    CONTROL_CONFIRM, CONTROL_PATH_CHALLENGE, CONTROL_PATH_RESPONSE, Cookie, HandshakeAnswer, Header,
    TYPE_ACCEPT, TYPE_CHALLENGE, TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT, TYPE_REFUSED, write_hello,
};
use super::rtt::{Probe, RoundTrip};
use super::token::Grant;
use super::transmit::{acks_after, seal_in};
use super::window::{Freshness, Window};
use crate::io::cpu::front_soon;
use crate::limits::{
    ACCEPT_BYTES, ACCEPT_HEAD_BYTES, DATAGRAM_BYTES_MAX, DISCONNECT_COPIES, HEADER_BYTES,
    HELLO_PAYLOAD_BYTES_MAX, HELLO_RETRY_US, HELLO_RETRY_US_MAX, REFUSED_BYTES, REFUSED_HEAD_BYTES,
    SEAL_BYTES, TIMEOUT_US,
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

/// What a datagram from the server meant. The payload is a slice of the datagram itself, decrypted where it lay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'d> {
    /// Nothing, for this reason.
    Dropped(Reject),
    /// The handshake goes on: [`Client::poll`] has something to send.
    Challenged,
    /// The session stands. [`Client::poll`] has something to send.
    Connected,
    /// Something between the two ends; [`Client::poll`] may have something to send.
    Handled,
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

/// Keys of a session that stands.
#[derive(Debug)]
struct Link {
    sealer: Sealer,
    opener: Opener,
}

/// One client's session. At most 384 bytes beside the hello, which may be shared, and the keys, so that one process
/// can be tens of thousands of clients.
///
/// Feed it what arrives **from the server's address** and send there what [`poll`](Self::poll) yields. When its own
/// address changes, it need not know.
#[derive(Debug)]
pub struct Client {
    salt: u64,
    hello: Arc<[u8]>,
    /// Until the handshake is over.
    grant: Option<Box<Grant>>,
    /// From then on.
    link: Option<Box<Link>>,
    /// When the last authentic datagram arrived; when the handshake began, while connecting.
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
    /// A path challenge still to be answered.
    path: Option<[u8; 8]>,
    acked: u32,
    probe: Probe,
    round_trip: RoundTrip,
    state: ClientState,
    window: Window,
}

const _: () = assert!(size_of::<Client>() <= 384);

impl Client {
    /// A client about to say hello. `salt` must be random: it marks the answers to this client's hellos. `grant` is
    /// what the gateway gave; `hello` is for the application at the other end.
    ///
    /// # Errors
    /// When the hello is beyond [`HELLO_PAYLOAD_BYTES_MAX`].
    pub fn new(now_us: u64, salt: u64, grant: Grant, hello: Arc<[u8]>) -> Result<Client, HelloTooLong> {
        if hello.len() > HELLO_PAYLOAD_BYTES_MAX {
            return Err(HelloTooLong(hello.len()));
        }
        Ok(Client {
            salt,
            hello,
            grant: Some(Box::new(grant)),
            link: None,
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
            path: None,
            acked: 0,
            probe: Probe::default(),
            round_trip: RoundTrip::default(),
            state: ClientState::Connecting,
            window: Window::new(),
        })
    }

    /// Takes one datagram in. A sealed one is decrypted where it lies; of any other, and of one that is dropped, the
    /// bytes are worth nothing afterwards.
    pub fn handle<'d>(&mut self, now_us: u64, datagram: &'d mut [u8]) -> ClientEvent<'d> {
        let event = match datagram.first() {
            _ if datagram.len() > DATAGRAM_BYTES_MAX => Err(Reject::Oversized),
            Some(&(TYPE_DATA | TYPE_DISCONNECT | TYPE_CONTROL)) => self.sealed(now_us, datagram),
            Some(&(TYPE_CHALLENGE | TYPE_ACCEPT | TYPE_REFUSED)) => self.answer(now_us, datagram),
            _ => Err(Reject::UnknownType),
        };
        event.unwrap_or_else(ClientEvent::Dropped)
    }

    fn sealed<'d>(&mut self, now_us: u64, datagram: &'d mut [u8]) -> Result<ClientEvent<'d>, Reject> {
        let (head, sealed) = datagram.split_first_chunk_mut::<HEADER_BYTES>().ok_or(Reject::Length)?;
        let header = Header::of(head);
        let body_bytes = sealed.len().checked_sub(SEAL_BYTES).ok_or(Reject::Length)?;
        if header.packet_type == TYPE_DISCONNECT && body_bytes != 0 {
            return Err(Reject::Length);
        }
        let link = match &mut self.link {
            Some(link) if self.state == ClientState::Connected => link,
            _ => return Err(Reject::Unexpected),
        };
        if header.connection_id != self.connection_id {
            return Err(Reject::UnknownConnection);
        }
        match self.window.check(header.sequence) {
            Freshness::Fresh => {}
            Freshness::Duplicate => return Err(Reject::Duplicate),
            Freshness::TooOld => return Err(Reject::TooOld),
            Freshness::TooFarAhead => return Err(Reject::TooFarAhead),
        }
        let body: &'d [u8] = link.opener.open(head, header.sequence, sealed).map_err(|_| Reject::Forged)?;

        // Authentic and new from here on.
        self.window.mark(header.sequence);
        self.heard_us = now_us;
        (self.received, self.received_bits) = acks_after(self.received, self.received_bits, header.sequence);
        if header.ack <= self.sent {
            self.acked = self.acked.max(header.ack);
            if let Some(sample_us) = self.probe.acked(now_us, header.ack, header.ack_bits) {
                self.round_trip.add(sample_us);
            }
        }
        match (header.packet_type, header.kind) {
            (TYPE_DATA, kind) => Ok(ClientEvent::Data { kind, payload: body }),
            (TYPE_DISCONNECT, reason) => Ok(self.close(CloseCause::Disconnected { reason })),
            (_, CONTROL_PATH_CHALLENGE) => {
                self.path = Some(body.try_into().map_err(|_| Reject::Control)?);
                self.due_us = now_us;
                Ok(ClientEvent::Handled)
            }
            _ => Err(Reject::Control),
        }
    }

    fn answer(&mut self, now_us: u64, datagram: &[u8]) -> Result<ClientEvent<'static>, Reject> {
        let answer = HandshakeAnswer::read(datagram).ok_or(Reject::Length)?;
        let salt = match answer {
            HandshakeAnswer::Challenge { salt, .. }
            | HandshakeAnswer::Accept { salt, .. }
            | HandshakeAnswer::Refused { salt, .. } => salt,
        };
        let grant = match &self.grant {
            Some(grant) if self.state == ClientState::Connecting && salt == self.salt => grant,
            _ => return Err(Reject::Unexpected),
        };
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
            HandshakeAnswer::Accept { server_public, connection_id, tagged, .. } => {
                let transcript = Transcript { token: &grant.token, salt, server_public: &server_public };
                let keys = SessionKeys::derive(&grant.private_key, &server_public, &grant.secret, transcript)
                    .ok_or(Reject::Forged)?;
                let (head, tag) =
                    tagged_parts::<ACCEPT_BYTES, ACCEPT_HEAD_BYTES>(tagged).ok_or(Reject::Length)?;
                if connection_id == 0 || !tags_equal(&keys.accept_tag(head), tag) {
                    return Err(Reject::Forged);
                }
                self.connect(now_us, connection_id, &keys);
                Ok(ClientEvent::Connected)
            }
            HandshakeAnswer::Refused { reason, detail, tagged, .. } => {
                let (head, tag) =
                    tagged_parts::<REFUSED_BYTES, REFUSED_HEAD_BYTES>(tagged).ok_or(Reject::Length)?;
                if !tags_equal(&refused_tag(&grant.secret, salt, head), tag) {
                    return Err(Reject::Forged);
                }
                Ok(self.close(CloseCause::Refused { reason, detail }))
            }
        }
    }

    fn connect(&mut self, now_us: u64, connection_id: u32, keys: &SessionKeys) {
        self.link = Some(Box::new(Link {
            sealer: Sealer::new(keys.client_secret()),
            opener: Opener::new(keys.server_secret()),
        }));
        self.grant = None;
        self.connection_id = connection_id;
        self.state = ClientState::Connected;
        self.heard_us = now_us;
        // The confirmation, and again until something sealed has come.
        (self.due_us, self.retry_us) = (now_us, HELLO_RETRY_US as u32);
    }

    /// Connects with keys that were agreed on before, as an accept does: the other end of
    /// [`Server::seat`](super::Server::seat).
    #[cfg(feature = "testing")]
    pub fn seat(&mut self, now_us: u64, connection_id: u32, keys: &SessionKeys) {
        self.connect(now_us, connection_id, keys);
    }

    fn close(&mut self, cause: CloseCause) -> ClientEvent<'static> {
        self.state = ClientState::Closed(cause);
        self.due_us = u64::MAX;
        (self.grant, self.link, self.path) = (None, None, None);
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
                let grant = self.grant.as_ref()?;
                write_hello(out, self.salt, self.cookie, &grant.token, &self.hello);
                self.retry_at(now_us, silent_at_us);
                Some(DATAGRAM_BYTES_MAX)
            }
            ClientState::Connected => {
                if let Some(challenge) = self.path.take() {
                    out[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&challenge);
                    return self.seal(TYPE_CONTROL, CONTROL_PATH_RESPONSE, out, 8).map(|(_, bytes)| bytes);
                }
                if self.received != 0 {
                    self.due_us = silent_at_us;
                    return None;
                }
                self.retry_at(now_us, silent_at_us);
                self.seal(TYPE_CONTROL, CONTROL_CONFIRM, out, 0).map(|(_, bytes)| bytes)
            }
            ClientState::Closed(_) if self.goodbyes > 0 => {
                self.goodbyes -= 1;
                self.seal(TYPE_DISCONNECT, self.goodbye_reason, out, 0).map(|(_, bytes)| bytes)
            }
            ClientState::Closed(_) => {
                (self.link, self.due_us) = (None, u64::MAX);
                None
            }
        }
    }

    /// What was just sent is due again after a while that grows.
    fn retry_at(&mut self, now_us: u64, silent_at_us: u64) {
        self.due_us = now_us.saturating_add(u64::from(self.retry_us)).min(silent_at_us);
        self.retry_us = self.retry_us.saturating_mul(2).min(HELLO_RETRY_US_MAX as u32);
    }

    /// Asks for the key that [`handle`](Self::handle) will read. Worth it some datagrams ahead, when the client itself is at
    /// hand.
    #[inline]
    pub fn prefetch_opener(&self) {
        if let Some(link) = &self.link {
            front_soon(&link.opener, Opener::HOT_BYTES);
        }
    }

    /// The same for [`finish`](Self::finish).
    #[inline]
    pub fn prefetch_sealer(&self) {
        if let Some(link) = &self.link {
            front_soon(&link.sealer, Sealer::HOT_BYTES);
        }
    }

    /// Makes the payload at `out[HEADER_BYTES..HEADER_BYTES + payload_bytes]` the next datagram: the header goes before
    /// it, it is encrypted where it lies, the tag goes behind. Returns the datagram's bytes; the payload is at most
    /// [`PAYLOAD_BYTES_MAX`](crate::limits::PAYLOAD_BYTES_MAX). `None`, and nothing to send, unless connected.
    ///
    /// # Panics
    /// When `out` is shorter than the datagram.
    #[inline]
    pub fn finish(&mut self, now_us: u64, kind: u8, out: &mut [u8], payload_bytes: usize) -> Option<usize> {
        if self.state != ClientState::Connected {
            return None;
        }
        let (sequence, bytes) = self.seal(TYPE_DATA, kind, out, payload_bytes)?;
        self.probe.sent(now_us, sequence);
        Some(bytes)
    }

    /// Heads and seals the payload in `out`: the sequence and the datagram's bytes.
    fn seal(
        &mut self,
        packet_type: u8,
        kind: u8,
        out: &mut [u8],
        payload_bytes: usize,
    ) -> Option<(u32, usize)> {
        let link = self.link.as_mut()?;
        let sequence = self.sent.checked_add(1)?;
        link.sealer.keep_up(self.sent);
        self.sent = sequence;
        let header = Header {
            packet_type,
            kind,
            ack_bits: self.received_bits,
            connection_id: self.connection_id,
            sequence,
            ack: self.received,
        };
        Some((sequence, seal_in(&link.sealer, header, out, payload_bytes)?))
    }

    /// Leaves. [`poll`](Self::poll) then yields the copies of the disconnect, at once.
    pub fn disconnect(&mut self, reason: u8) {
        let was = self.state;
        if matches!(was, ClientState::Closed(_)) {
            return;
        }
        let link = self.link.take();
        self.close(CloseCause::Left);
        if was == ClientState::Connected {
            self.link = link;
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

/// A datagram's bytes before its tag, and the tag.
fn tagged_parts<const WHOLE: usize, const HEAD: usize>(
    whole: &[u8; WHOLE],
) -> Option<(&[u8; HEAD], &[u8; SEAL_BYTES])> {
    let (head, tag) = whole.split_first_chunk()?;
    Some((head, tag.try_into().ok()?))
}
