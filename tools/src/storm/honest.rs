//! Honest players with a session, beside the storm: what they notice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::Field;
use super::pace::Pace;
use super::tally::{Answers, Broken, Tally};
use super::target::{Session, player_address};
use super::wire::{Request, Wire};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Where these players sit: away from those of a reconnect storm.
const FIRST_PLAYER: u64 = 3 << 20;

/// Requests with session tokens, half over connections that are kept and half over new ones.
pub struct Honest {
    /// Requests a second.
    pub rate_hz: u32,
    /// Whose. Each request is the next one's.
    pub sessions: Vec<Session>,
}

/// What came of them. Times run from the moment when a request was due.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HonestReport {
    /// Requests a second that were asked for.
    pub rate_hz: u32,
    /// Requests that were due while this process did not run.
    pub left_out: u64,
    /// All of them.
    pub all: Answers,
    /// Those over connections that were open already.
    pub kept: Answers,
    /// Those that began with a TCP and a TLS handshake.
    pub fresh: Answers,
}

impl HonestReport {
    /// Requests that were not answered with 200.
    pub fn failed(&self) -> u64 {
        self.all.all.count - self.all.with(200) + self.all.broken_count()
    }
}

/// What the requests share.
#[derive(Default)]
struct Shared {
    idle: Mutex<Vec<TlsStream<TcpStream>>>,
    kept: Mutex<Tally>,
    fresh: Mutex<Tally>,
}

impl Honest {
    pub(super) async fn run(self, field: Arc<Field>, is_over: watch::Receiver<bool>) -> HonestReport {
        let mut pace = Pace::new(self.rate_hz);
        let shared = Arc::new(Shared::default());
        let mut flights = JoinSet::new();
        while !*is_over.borrow() {
            let due = pace.due().await;
            for number in due {
                let session = &self.sessions[(number % self.sessions.len() as u64) as usize];
                let token = session.token.clone();
                let (field, shared, due_at) = (Arc::clone(&field), Arc::clone(&shared), pace.due_at(number));
                flights.spawn(async move {
                    let asked = async {
                        if number % 2 == 0 {
                            shared.ask_kept(&field, &token, number).await
                        } else {
                            (&shared.fresh, ask_fresh(&field, &token, number).await.map(|(status, _)| status))
                        }
                    };
                    let (tally, answer) =
                        timeout(ANSWER_TIMEOUT, asked).await.unwrap_or((&shared.fresh, Err(Broken::Late)));
                    locked(tally).add(answer, due_at.elapsed());
                });
            }
            while flights.try_join_next().is_some() {}
        }
        while flights.join_next().await.is_some() {}
        let (kept, fresh) = (locked(&shared.kept), locked(&shared.fresh));
        HonestReport {
            rate_hz: self.rate_hz,
            left_out: pace.left_out(),
            all: kept.answers(&[&*fresh]),
            kept: kept.answers(&[]),
            fresh: fresh.answers(&[]),
        }
    }
}

impl Shared {
    /// Over a connection that is open, if there is one that still is.
    async fn ask_kept(
        &self,
        field: &Field,
        token: &str,
        number: u64,
    ) -> (&Mutex<Tally>, Result<u16, Broken>) {
        let idle = locked(&self.idle).pop();
        if let Some(stream) = idle {
            let mut wire = Wire::of(&field.target, stream);
            match wire.ask(&characters(token)).await {
                Ok(reply) => {
                    locked(&self.idle).push(wire.into_stream());
                    return (&self.kept, Ok(reply.status));
                }
                // Its idle time was over. A client tries once more, and so does this one: the time runs on.
                Err(Broken::Cut) => {}
                Err(broken) => return (&self.kept, Err(broken)),
            }
        }
        match ask_fresh(field, token, number).await {
            Ok((status, stream)) => {
                locked(&self.idle).push(stream);
                (&self.fresh, Ok(status))
            }
            Err(broken) => (&self.fresh, Err(broken)),
        }
    }
}

async fn ask_fresh(field: &Field, token: &str, number: u64) -> Result<(u16, TlsStream<TcpStream>), Broken> {
    let mut wire = Wire::open(&field.target, player_address(FIRST_PLAYER + number)).await?;
    let reply = wire.ask(&characters(token)).await?;
    Ok((reply.status, wire.into_stream()))
}

/// What everybody asks who comes back, and the store has to read for.
fn characters(token: &str) -> Request<'_> {
    Request { method: "GET", path: "/v1/characters", token: Some(token), body: None }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
