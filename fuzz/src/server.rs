//! A protocol server under watch: what must hold after every datagram, whatever it was.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::OnceLock;

use throng_net::limits::{
    CHALLENGE_BYTES, HELLO_BYTES, HELLO_PAYLOAD_BYTES_MAX, PATH_BYTES, TOKEN_BYTES, TOKEN_LIFE_MS,
};
use throng_net::protocol::keys::{PrivateKey, SecretBytes};
use throng_net::protocol::packet::{TYPE_ACCEPT, TYPE_CHALLENGE, TYPE_CONTROL, TYPE_DATA};
use throng_net::protocol::token::{
    Grant, RealmKey, RealmKeys, RootKey, TokenBody, TokenFields, TokenName, mint, protocol_hash,
};
use throng_net::protocol::{Admission, Answer, PrefixCaps, Received, Server, ServerConfig, SessionIndex};

pub(crate) const STARTED_MS: u64 = 1_780_000_000_000;
pub(crate) const REALM_ID: u32 = 7;

/// The realm's only key.
pub(crate) fn realm_key() -> RealmKey {
    RootKey::new(1, SecretBytes::new([3; 32])).realm_key(REALM_ID)
}

pub(crate) fn hash() -> u64 {
    protocol_hash(throng_schema::SCHEMA_VERSION)
}

/// What everybody here is called.
pub(crate) fn name() -> TokenName {
    let Ok(name) = TokenName::new("fuzz") else { unreachable!("a sound name") };
    name
}

/// The fields of a token of this realm; its client's private key is `number` 32 times.
pub(crate) fn fields(number: u8, issued_at_ms: u64) -> TokenFields {
    TokenFields {
        not_after_ms: issued_at_ms + TOKEN_LIFE_MS,
        protocol_hash: hash(),
        body: TokenBody {
            token_id: [number; 16],
            account: number.into(),
            character: number.into(),
            session_epoch: 1,
            issued_at_ms,
            secret: SecretBytes::new([number; 32]),
            client_public: public(number),
            idle_timeout_s: 0,
            rate_class: 0,
            flags: 0,
            name: name(),
            user_data: [0; 16],
        },
    }
}

/// Worked out once: it takes longer than everything else about a token.
fn public(number: u8) -> [u8; 32] {
    static KEYS: [OnceLock<[u8; 32]>; 256] = [const { OnceLock::new() }; 256];
    *KEYS[usize::from(number)].get_or_init(|| PrivateKey::new(SecretBytes::new([number; 32])).public())
}

/// A token of this realm and what belongs to it. One number and time is one token.
pub(crate) fn grant(number: u8, issued_at_ms: u64) -> Grant {
    let secret = SecretBytes::new([number; 32]);
    let token = mint(&fields(number, issued_at_ms), &realm_key(), &[number; 24]);
    Grant { token, secret: secret.clone(), private_key: PrivateKey::new(secret) }
}

/// What the application says to who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Admit,
    Refuse(u8),
}

/// What came of a datagram, without its borrow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Dropped,
    Handled,
    Reply(Answer),
    Opened(SessionIndex, Answer),
    Refused,
    Connected(SessionIndex),
    Data(SessionIndex),
    Strayed(SessionIndex, Answer),
    Moved(SessionIndex),
    Disconnected(SessionIndex),
}

pub(crate) struct Watched {
    pub server: Server,
    pub now_us: u64,
    sessions_max: usize,
    /// Cookies handed out: time and code, bytes 12..32 of a challenge, where a hello has them too.
    issued: HashSet<[u8; 20]>,
    /// Tokens that got somebody in, or that were refused for good.
    used: HashSet<[u8; TOKEN_BYTES]>,
    /// What the last datagram carried, once opened.
    pub payload: Vec<u8>,
}

impl Watched {
    pub fn new(sessions_max: u32) -> Self {
        let config = ServerConfig {
            sessions_max,
            realm_id: REALM_ID,
            protocol_hash: hash(),
            started_unix_ms: STARTED_MS,
            // One set of each: most of a short run would be making tables.
            stranger_sets: 1,
            caps: PrefixCaps { ipv4: 2, ..PrefixCaps::default() },
            ..ServerConfig::default()
        };
        let Ok(keys) = RealmKeys::new([realm_key()]) else { unreachable!("one key") };
        let Ok(server) = Server::new(config, &[7; 32].into(), keys) else {
            unreachable!("a sound configuration")
        };
        let sessions_max = sessions_max as usize;
        let (issued, used) = (HashSet::new(), HashSet::new());
        Self { server, now_us: 60_000_000, sessions_max, issued, used, payload: Vec::new() }
    }

    /// The server's Unix time.
    pub fn now_ms(&self) -> u64 {
        STARTED_MS + self.now_us / 1000
    }

    pub fn handle(&mut self, from: SocketAddr, datagram: &[u8], decision: Decision) -> Outcome {
        let mut copy = datagram.to_vec();
        let (sessions, places, events) = (self.server.session_count(), self.places(), self.events());
        let received = self.server.handle(self.now_us, from, &mut copy);
        let (outcome, sessions_change, places_change) = match received {
            Received::Dropped(_) => (Outcome::Dropped, 0, 0),
            Received::Handled => (Outcome::Handled, 0, self.places() as i64 - places as i64),
            Received::Reply(answer) => {
                assert_eq!(datagram.len(), HELLO_BYTES, "only hellos are answered");
                if answer[0] == TYPE_CHALLENGE {
                    assert_eq!(answer.len(), CHALLENGE_BYTES);
                    self.issued.extend(answer[12..].first_chunk::<20>().copied());
                } else {
                    // Said again to who got in before. A live token is known by its tag, so the rest of it may differ:
                    // whoever changed it gets an accept that is no good with what he shows.
                    let is_live = |token: &[u8; TOKEN_BYTES]| token[312..] == datagram[344..360];
                    assert_eq!(answer[0], TYPE_ACCEPT);
                    assert!(self.is_issued(datagram) && self.used.iter().any(is_live));
                }
                (Outcome::Reply(answer), 0, 0)
            }
            Received::Asking(asking) => {
                let payload = asking.payload;
                assert!(payload.len() <= HELLO_PAYLOAD_BYTES_MAX && datagram[362..].starts_with(payload));
                if let Ok(hello) = throng_schema::read_hello(payload) {
                    let _ = throng_schema::check_hello(&hello);
                }
                let (outcome, change, is_used) = match decision {
                    Decision::Admit => match self.server.admit(self.now_us, asking) {
                        Admission::Opened { session, reply } => {
                            assert_eq!((reply[0], reply.len()), (TYPE_ACCEPT, 64));
                            (Outcome::Opened(session, reply), 1, true)
                        }
                        Admission::Refused { .. } => (Outcome::Refused, 0, false),
                        Admission::Dropped(_) => (Outcome::Dropped, 0, false),
                    },
                    Decision::Refuse(reason) => {
                        let answer = self.server.refuse(self.now_us, asking, reason, 1);
                        assert_eq!((answer[2], answer.len()), (reason, 32));
                        (Outcome::Refused, 0, reason != 1)
                    }
                };
                assert!(self.is_issued(datagram), "asked about a hello without a cookie of ours");
                if is_used {
                    assert!(self.used.insert(token_of(datagram)), "a token used twice");
                } else if matches!(outcome, Outcome::Refused) {
                    assert!(!self.used.contains(&token_of(datagram)));
                }
                // An admission that is dropped after all is counted once more.
                (outcome, 0, change)
            }
            Received::Connected { session, first, .. } => {
                assert_eq!(first.is_some(), datagram[0] == TYPE_DATA);
                self.payload = first.map_or(Vec::new(), |(_, payload)| payload.to_vec());
                (Outcome::Connected(session), 1, 0)
            }
            Received::Data { session, kind, payload } => {
                assert_eq!((datagram[0], datagram[1]), (TYPE_DATA, kind));
                self.payload = payload.to_vec();
                (Outcome::Data(session), 0, 0)
            }
            Received::Strayed { session, challenge, data } => {
                assert_eq!((challenge[0], challenge.len()), (TYPE_CONTROL, PATH_BYTES));
                assert_eq!(data.is_some(), datagram[0] == TYPE_DATA);
                self.payload = data.map_or(Vec::new(), |(_, payload)| payload.to_vec());
                (Outcome::Strayed(session, challenge), 0, 0)
            }
            Received::Moved { session } => (Outcome::Moved(session), 0, 0),
            Received::Disconnected { session, .. } => (Outcome::Disconnected(session), -1, -1),
        };
        let counted = self.events() - events;
        assert!(counted == 1 || counted == 2 && datagram[0] == 1, "a datagram is counted once: {counted}");
        assert_eq!(self.server.session_count() as i64, sessions as i64 + sessions_change);
        assert_eq!(self.places() as i64, places as i64 + places_change);
        assert!(self.places() <= self.sessions_max);
        match outcome {
            Outcome::Connected(session) | Outcome::Data(session) | Outcome::Moved(session) => {
                assert!(self.server.session(session).is_some_and(|info| info.is_confirmed));
            }
            Outcome::Opened(session, _) => {
                assert!(self.server.session(session).is_some_and(|info| !info.is_confirmed));
            }
            Outcome::Disconnected(session) => assert!(self.server.session(session).is_none()),
            _ => {}
        }
        outcome
    }

    fn is_issued(&self, hello: &[u8]) -> bool {
        hello[12..].first_chunk::<20>().is_some_and(|cookie| self.issued.contains(cookie))
    }

    fn places(&self) -> usize {
        self.server.session_count() + self.server.unconfirmed_count()
    }

    /// Datagrams counted so far, under whatever name.
    fn events(&self) -> u64 {
        self.server.counters().iter().take_while(|(name, _)| *name != "sessions_opened").map(|(_, n)| n).sum()
    }
}

fn token_of(hello: &[u8]) -> [u8; TOKEN_BYTES] {
    let mut token = [0; TOKEN_BYTES];
    token.copy_from_slice(&hello[32..32 + TOKEN_BYTES]);
    token
}
