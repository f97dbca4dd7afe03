//! A protocol server under watch: what must hold after every datagram, whatever it was.

use std::collections::HashSet;
use std::net::SocketAddr;

use throng_net::limits::{ANSWER_BYTES_MAX, HELLO_BYTES, HELLO_PAYLOAD_BYTES_MAX};
use throng_net::protocol::packet::{TYPE_CHALLENGE, TYPE_DATA};
use throng_net::protocol::{Answer, Received, Server, ServerConfig, SessionIndex};

/// What came of a datagram, without its borrow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Dropped,
    Reply(Answer),
    Connected(SessionIndex, Answer),
    Data(SessionIndex),
    Disconnected(SessionIndex),
}

pub(crate) struct Watched {
    pub server: Server,
    pub now_us: u64,
    sessions_max: usize,
    /// Cookies handed out: time and code, bytes 12..32 of a challenge, where a hello has them too.
    issued: HashSet<[u8; 20]>,
}

impl Watched {
    pub fn new(sessions_max: u32) -> Self {
        let config = ServerConfig { sessions_max, ..ServerConfig::default() };
        let Ok(server) = Server::new(config, [7; 32]) else { unreachable!("a sound configuration") };
        Self { server, now_us: 5_000_000_000, sessions_max: sessions_max as usize, issued: HashSet::new() }
    }

    pub fn handle(&mut self, from: SocketAddr, datagram: &[u8]) -> Outcome {
        let sessions = self.server.session_count();
        let events = self.events();
        let received = self.server.handle(self.now_us, from, datagram);
        let (outcome, change) = match received {
            Received::Dropped(_) => (Outcome::Dropped, 0),
            Received::Reply(answer) => {
                assert_eq!(datagram.len(), HELLO_BYTES, "only hellos are answered");
                assert!(answer.len() <= ANSWER_BYTES_MAX && answer.len() * 20 <= datagram.len());
                if answer[0] == TYPE_CHALLENGE {
                    self.issued.extend(answer[12..].first_chunk::<20>().copied());
                }
                (Outcome::Reply(answer), 0)
            }
            Received::Connected { session, payload, reply } => {
                let cookie = datagram[12..].first_chunk::<20>().copied();
                assert!(
                    cookie.is_some_and(|c| self.issued.contains(&c)),
                    "a session without a cookie of ours"
                );
                assert!(payload.len() <= HELLO_PAYLOAD_BYTES_MAX && datagram[34..].starts_with(payload));
                if let Ok(hello) = throng_schema::read_hello(payload) {
                    let _ = throng_schema::check_hello(&hello);
                }
                (Outcome::Connected(session, reply), 1)
            }
            Received::Data { session, kind, payload } => {
                assert_eq!((datagram[0], datagram[1], &datagram[16..]), (TYPE_DATA, kind, payload));
                (Outcome::Data(session), 0)
            }
            Received::Disconnected { session, .. } => (Outcome::Disconnected(session), -1),
        };
        assert_eq!(self.events(), events + 1, "each datagram is counted once");
        assert_eq!(self.server.session_count() as i64, sessions as i64 + change);
        assert!(self.server.session_count() <= self.sessions_max);
        match outcome {
            Outcome::Connected(session, _) | Outcome::Data(session) => {
                assert!(self.server.session(session).is_some());
            }
            Outcome::Disconnected(session) => assert!(self.server.session(session).is_none()),
            Outcome::Dropped | Outcome::Reply(_) => {}
        }
        outcome
    }

    /// Datagrams counted so far, under whatever name.
    fn events(&self) -> u64 {
        self.server.counters().iter().filter(|(name, _)| !name.starts_with("sessions_")).map(|(_, n)| n).sum()
    }
}
