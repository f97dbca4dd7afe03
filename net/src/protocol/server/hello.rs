//! Hellos: from a stranger's first datagram to a session that waits to be confirmed.
//!
//! ```text
//!   length ► version ► token's open part and guard ► buckets ► cookie ─────────────► challenge     (32 B for 1,200 B)
//!                                                                │ address proven
//! zeros ► repeated? ► caps ► rate ► open token ► used? ► places ─┴─► Asking ─► the application
//!             │                                                                 │ admit            │ refuse
//!          accept again                            X25519 ► place ► accept ◄────┘    refused ◄─────┘
//! ```
//!
//! Up to the cookie nothing is allocated and nothing remembered, but for buckets in tables of fixed size. Whoever has
//! no token at all is not even challenged.

use super::super::cookie::CookieCheck;
use super::super::counters::Reject;
use super::super::keys::{Opener, Sealer, SessionKeys, Transcript, refused_tag};
use super::super::packet::{self, Hello, HelloFault, REFUSED_FULL};
use super::super::rate::Bucket;
use super::super::rtt::RoundTrip;
use super::super::table::{Opening, Origin, Session, SessionIndex};
use super::super::token::{self, TokenBody, TokenHeader, TokenName};
use super::super::used::Use;
use super::super::window::Window;
use super::{Answer, Received, Server};
use crate::Peer;
use crate::limits::{ACCEPT_HEAD_BYTES, REFUSED_HEAD_BYTES, SEAL_BYTES, TOKEN_BYTES};

/// Who somebody is, by the gateway's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whose character it is.
    pub account: u64,
    /// Who enters.
    pub character: u64,
    /// Of two sessions of one character, the one with the lower epoch is the stale one.
    pub session_epoch: u64,
    /// When the gateway made the token, Unix ms.
    pub issued_at_ms: u64,
    /// What others see the character called.
    pub name: TokenName,
    /// Reserved: for one of several input rates. Nothing applies it.
    pub rate_class: u16,
    /// The application's own.
    pub flags: u32,
    /// The application's own.
    pub user_data: [u8; 16],
}

/// A client at the door: its address is proven and its token is good.
#[derive(Debug, PartialEq, Eq)]
pub struct Asking<'d> {
    /// Where it is, and which of our addresses it asked. The answer goes there, and leaves from here.
    pub from: Peer,
    /// What it said in its hello, at most 256 bytes, not looked into.
    pub payload: &'d [u8],
    /// Who it is. Boxed, because most of what is received is not a hello.
    pub ticket: Box<Ticket>,
    body: Box<TokenBody>,
    token: &'d [u8; TOKEN_BYTES],
    not_after_ms: u64,
    salt: u64,
}

/// What became of a client that was to be [admitted](Server::admit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has a place, and the answer says so. [`Received::Connected`] follows once it has the answer; if that never
    /// comes, the place is free again after [`CONFIRM_US`](crate::limits::CONFIRM_US) without a word.
    Opened {
        /// Its place in the table.
        session: SessionIndex,
        /// The accept, to be sent to where the hello came from.
        reply: Answer,
    },
    /// There is no place. The answer says so; the token stays good.
    Refused {
        /// The refusal.
        reply: Answer,
    },
    /// Not now, or not any more: the same token was admitted meanwhile, or a limit was reached. It has been counted.
    Dropped(Reject),
}

impl Server {
    pub(super) fn hello<'d>(
        &mut self,
        now_us: u64,
        from: Peer,
        datagram: &'d [u8],
    ) -> Result<Received<'d>, Reject> {
        let hello = Hello::read(datagram).map_err(|fault| match fault {
            HelloFault::Length => Reject::Length,
            HelloFault::Version => Reject::Version,
        })?;
        if from.address.port() == 0 {
            return Err(Reject::HelloMalformed); // Nobody can be answered there.
        }
        let named = TokenHeader::read(hello.token())?;
        named.check(hello.token(), &self.keys, self.unix_ms(now_us), self.config.protocol_hash)?;
        // By token first: whoever has one and writes somebody's address as its own drains that address's bucket no faster.
        if !self.token_hellos.take_of(now_us, word_of(hello.token())) {
            return Err(Reject::TokenLimited);
        }
        if !self.strangers.take(now_us, from.address.ip()) {
            return Err(Reject::StrangerLimited);
        }
        let counter = match self.cookie_key.check(now_us, hello.salt(), &from.address, &hello.cookie()) {
            CookieCheck::Valid => return self.proven_hello(now_us, from, hello, named),
            CookieCheck::Absent => &mut self.counters.hello_challenged,
            CookieCheck::Expired => &mut self.counters.hello_cookie_expired,
            CookieCheck::Wrong => &mut self.counters.hello_cookie_wrong,
        };
        *counter += 1;
        let cookie = self.cookie_key.cookie(now_us, hello.salt(), &from.address);
        Ok(Received::Reply(Answer::new(packet::challenge(hello.salt(), cookie))))
    }

    /// A hello from an address that provably receives what we send there.
    #[inline(never)]
    fn proven_hello<'d>(
        &mut self,
        now_us: u64,
        from: Peer,
        hello: Hello<'d>,
        named: TokenHeader,
    ) -> Result<Received<'d>, Reject> {
        let payload = hello.payload().ok_or(Reject::HelloMalformed)?;
        if let Some(session) = self.table.of_token(&tag_of(hello.token())) {
            let origin = &session.origin;
            if (origin.salt, origin.from.address) != (hello.salt(), from.address) {
                return Err(Reject::TokenUsed);
            }
            self.counters.hello_repeated += 1;
            return Ok(Received::Reply(Answer::new(origin.accept)));
        }
        if !self.prefixes.has_room(from.address.ip()) {
            return Err(Reject::PrefixFull);
        }
        // Before the token is opened, which costs more than all before it: nobody is asked more often than is let in.
        if !self.accepts.has_token(now_us, self.accept_rate) {
            return Err(Reject::AcceptsLimited);
        }
        let key = self.keys.get(named.key_id).ok_or(Reject::TokenKeyUnknown)?;
        let body = Box::new(token::open(hello.token(), key)?);
        if !body.is_issued_since(self.config.started_unix_ms, self.config.clock_skew_ms) {
            return Err(Reject::TokenBeforeStart);
        }
        let usable = self.used.check(self.unix_ms(now_us), named.not_after_ms, &body.token_id);
        first_use(usable)?;
        // What admitting would find out as well: nobody need be asked in vain.
        if self.table.is_full_of_unconfirmed() {
            return Err(Reject::UnconfirmedFull);
        }
        self.counters.hello_asked += 1;
        let ticket = Box::new(Ticket {
            account: body.account,
            character: body.character,
            session_epoch: body.session_epoch,
            issued_at_ms: body.issued_at_ms,
            name: body.name,
            rate_class: body.rate_class,
            flags: body.flags,
            user_data: body.user_data,
        });
        Ok(Received::Asking(Asking {
            from,
            payload,
            ticket,
            body,
            token: hello.token(),
            not_after_ms: named.not_after_ms,
            salt: hello.salt(),
        }))
    }

    /// Lets a client in: agrees on keys, uses its token up and gives it a place.
    pub fn admit(&mut self, now_us: u64, asking: Asking<'_>) -> Admission {
        if self.table.is_full() {
            self.counters.refused_full += 1;
            return Admission::Refused { reply: refusal(&asking, REFUSED_FULL, self.config.sessions_max) };
        }
        match self.open(now_us, asking) {
            Ok((session, reply)) => Admission::Opened { session, reply },
            Err(reject) => {
                self.counters.rejected(reject);
                Admission::Dropped(reject)
            }
        }
    }

    fn open(&mut self, now_us: u64, asking: Asking<'_>) -> Result<(SessionIndex, Answer), Reject> {
        let Asking { from, ticket, body, token, not_after_ms, salt, .. } = asking;
        // All of it again: two clients with one token may both have been asked about.
        if self.table.is_full_of_unconfirmed() {
            return Err(Reject::UnconfirmedFull);
        }
        if !self.prefixes.has_room(from.address.ip()) {
            return Err(Reject::PrefixFull);
        }
        if !self.accepts.has_token(now_us, self.accept_rate) {
            return Err(Reject::AcceptsLimited);
        }
        let connection_id = self.next_id()?;
        // Used up before the agreement, so that a token whose public key is none costs that only once.
        first_use(self.used.mark(self.unix_ms(now_us), not_after_ms, &body.token_id))?;
        let _ = self.accepts.take(now_us, self.accept_rate);
        let ephemeral = self.entropy.private_key();
        let server_public = ephemeral.public();
        let transcript = Transcript { token, salt, server_public: &server_public };
        let keys = SessionKeys::derive(&ephemeral, &body.client_public, &body.secret, transcript)
            .ok_or(Reject::TokenPublicKey)?;
        if !self.prefixes.take(from.address.ip()) {
            return Err(Reject::PrefixFull);
        }
        let mut accept = packet::untagged_accept(salt, &server_public, connection_id);
        let (head, tag) = accept.split_first_chunk_mut::<ACCEPT_HEAD_BYTES>().ok_or(Reject::Length)?;
        tag.copy_from_slice(&keys.accept_tag(head));

        let token_us = u64::from(body.idle_timeout_s) * 1_000_000;
        let timeout_us =
            if token_us == 0 { self.config.timeout_us } else { token_us.min(self.config.timeout_us) };
        let ticket = Some(ticket);
        let origin = Origin { from, salt, token_tag: tag_of(token), accept, ticket, path: None };
        let index = self.place(now_us, timeout_us, connection_id, origin, &keys);
        Ok((index, Answer::new(accept)))
    }

    fn next_id(&mut self) -> Result<u32, Reject> {
        let bits = u32::from_le_bytes(*self.entropy.draw());
        self.table.next_id(bits).ok_or(Reject::UnconfirmedFull)
    }

    /// Puts a session that waits to be confirmed in its place.
    fn place(
        &mut self,
        now_us: u64,
        timeout_us: u64,
        connection_id: u32,
        origin: Origin,
        keys: &SessionKeys,
    ) -> SessionIndex {
        let from = origin.from;
        let session = Session {
            last_heard_us: now_us,
            bucket: Bucket::default(),
            window: Window::new(),
            round_trip: RoundTrip::default(),
            acked: 0,
            is_confirmed: false,
            opener: Opener::new(keys.client_secret()),
            timeout_us,
            since_us: now_us,
            origin: Box::new(origin),
        };
        let sealer = Sealer::new(keys.server_secret());
        self.counters.accepted += 1;
        self.table.open(Opening { from, connection_id, session, sealer })
    }

    /// Lets a client in with keys that were agreed on before, as [`admit`](Self::admit) does but for the agreement,
    /// which takes longer than all else that a short test does. `tag` names its token.
    ///
    /// # Errors
    /// When there is no place for it.
    #[cfg(feature = "testing")]
    pub fn seat(
        &mut self,
        now_us: u64,
        from: impl Into<Peer>,
        ticket: Ticket,
        tag: [u8; SEAL_BYTES],
        keys: &SessionKeys,
    ) -> Result<(SessionIndex, u32), Reject> {
        let from = from.into();
        let connection_id = self.next_id()?;
        if !self.prefixes.take(from.address.ip()) {
            return Err(Reject::PrefixFull);
        }
        let (accept, ticket) = ([0; crate::limits::ACCEPT_BYTES], Some(Box::new(ticket)));
        let origin = Origin { from, salt: 0, token_tag: tag, accept, ticket, path: None };
        Ok((self.place(now_us, self.config.timeout_us, connection_id, origin, keys), connection_id))
    }

    /// Turns a client away. `reason` is from [`REFUSED_APPLICATION`](packet::REFUSED_APPLICATION) up, `detail` means
    /// what the application likes. Its token is used up, unless the reason is [`REFUSED_FULL`].
    pub fn refuse(&mut self, now_us: u64, asking: Asking<'_>, reason: u8, detail: u32) -> Answer {
        if reason == REFUSED_FULL {
            self.counters.refused_full += 1;
        } else {
            // Whether or not it was still good: this one gets nobody in.
            let _ = self.used.mark(self.unix_ms(now_us), asking.not_after_ms, &asking.body.token_id);
            self.counters.refused_application += 1;
        }
        refusal(&asking, reason, detail)
    }
}

fn refusal(asking: &Asking<'_>, reason: u8, detail: u32) -> Answer {
    let mut refused = packet::untagged_refused(asking.salt, reason, detail);
    if let Some((head, tag)) = refused.split_first_chunk_mut::<REFUSED_HEAD_BYTES>() {
        tag.copy_from_slice(&refused_tag(&asking.body.secret, asking.salt, head));
    }
    Answer::new(refused)
}

fn first_use(found: Use) -> Result<(), Reject> {
    match found {
        Use::First => Ok(()),
        Use::Again => Err(Reject::TokenUsed),
        Use::Full => Err(Reject::TokenMemoryFull),
        Use::Untimely => Err(Reject::TokenExpired),
    }
}

/// What the hellos of one token are counted by: its salt and guard, of which nobody invents a pair.
fn word_of(token: &[u8; TOKEN_BYTES]) -> u64 {
    let (mut salt, mut guard) = ([0; 8], [0; 4]);
    salt.copy_from_slice(&token[32..40]);
    guard.copy_from_slice(&token[12..16]);
    u64::from_le_bytes(salt) ^ u64::from(u32::from_le_bytes(guard))
}

/// The tag of a token: its name among the live ones. It needs no opening, and whoever invents one finds nobody.
fn tag_of(token: &[u8; TOKEN_BYTES]) -> [u8; SEAL_BYTES] {
    let mut tag = [0; SEAL_BYTES];
    tag.copy_from_slice(&token[TOKEN_BYTES - SEAL_BYTES..]);
    tag
}
