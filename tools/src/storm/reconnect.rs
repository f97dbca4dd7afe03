//! Everybody comes back at once, with the session tokens that they have.
//!
//! ```text
//!   token ──► GET characters (unless known) ──► POST play ──► 200: through
//!                  ▲                              │ 202: a place in the line, ask again when told to
//!                  └── refused, cut off: later ◄──┘ 429, 503: later, as Retry-After says
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::Field;
use super::tally::{Answers, Broken, Clocked, Tally, Times};
use super::target::{Session, player_address};
use super::wire::{Reply, Request, Wire};
use crate::rng::Rng;

/// Pause after a connection that came to nothing, at least; as much again is added by chance.
const BROKEN_PAUSE: Duration = Duration::from_millis(500);
/// A wait that is longer than this gives the connection back: there are fewer of them than players.
const HELD_WAIT_MS: u64 = 1000;

/// A storm of reconnects.
pub struct ReconnectStorm {
    /// Who comes back.
    pub sessions: Vec<Session>,
    /// Where to.
    pub realm_id: u32,
    /// Connections at one time. The gateway takes 4,096 unless told otherwise.
    pub sockets_max: u32,
}

/// What came of it. The time of an answer runs from the request, without handshakes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReconnectReport {
    /// Players who came back.
    pub sessions: u64,
    /// Those who have a connect token now.
    pub through: u64,
    /// Those who have none, by the last thing that they were told.
    pub failed: BTreeMap<String, u64>,
    /// Seconds until the last one who came through was through.
    pub seconds: f64,
    /// From the begin of the storm to the connect token.
    pub until_through: Times,
    /// Places in the line that were given out or confirmed (202).
    pub waits: u64,
    /// Answers that said to come later (429, 503).
    pub put_off: u64,
    /// Connections that came to nothing and were tried again.
    pub reconnected: u64,
    /// Answers to `GET /v1/characters`.
    pub characters: Answers,
    /// Answers to `POST /v1/play`.
    pub play: Answers,
}

#[derive(Default)]
struct Counts {
    through: u64,
    waits: u64,
    put_off: u64,
    reconnected: u64,
    failed: BTreeMap<String, u64>,
    characters: Tally,
    play: Tally,
}

/// What a player does next.
enum Next {
    /// Has a connect token.
    Through,
    /// Asks again after so many milliseconds.
    Later(u64),
    /// Gives up.
    Refused(String),
}

/// One who comes back.
struct Player {
    number: u64,
    session: Session,
    realm_id: u32,
    ticket: Option<String>,
    rng: Rng,
    field: Arc<Field>,
    counts: Arc<Mutex<Counts>>,
}

impl ReconnectStorm {
    pub(super) async fn run(self, field: Arc<Field>, is_over: watch::Receiver<bool>) -> ReconnectReport {
        let places = Arc::new(Semaphore::new(self.sockets_max.max(1) as usize));
        let counts = Arc::<Mutex<Counts>>::default();
        let sessions = self.sessions.len() as u64;
        let mut players = JoinSet::new();
        let begun = field.begun;
        for (number, session) in self.sessions.into_iter().enumerate() {
            let number = number as u64;
            let mut player = Player {
                number,
                session,
                realm_id: self.realm_id,
                ticket: None,
                rng: Rng::new(field.seed.wrapping_add(number)),
                field: Arc::clone(&field),
                counts: Arc::clone(&counts),
            };
            let (places, mut is_over) = (Arc::clone(&places), is_over.clone());
            let ends = field.ends;
            players.spawn(async move {
                let mut last = "never had its turn".to_owned();
                let stopped = async { is_over.wait_for(|is_over| *is_over).await.map(drop) };
                let came = async {
                    tokio::select! {
                        came = player.come(&places, &mut last) => came,
                        _ = stopped => false,
                    }
                };
                let is_through = timeout_at(ends.into(), came).await.unwrap_or(false);
                (is_through, begun.elapsed(), last)
            });
        }
        let mut until_through = Clocked::new();
        let mut longest = Duration::ZERO;
        while let Some(player) = players.join_next().await {
            let Ok((is_through, took, last)) = player else { continue };
            let mut counts = locked(&counts);
            if is_through {
                counts.through += 1;
                until_through.add(took);
                longest = longest.max(took);
            } else {
                *counts.failed.entry(last).or_default() += 1;
            }
        }
        let counts = locked(&counts);
        ReconnectReport {
            sessions,
            through: counts.through,
            failed: counts.failed.clone(),
            seconds: longest.as_secs_f64(),
            until_through: until_through.times(),
            waits: counts.waits,
            put_off: counts.put_off,
            reconnected: counts.reconnected,
            characters: counts.characters.answers(&[]),
            play: counts.play.answers(&[]),
        }
    }
}

impl Player {
    /// Comes back, however often it takes. False: refused for good. `last` is why it is not through yet.
    async fn come(&mut self, places: &Arc<Semaphore>, last: &mut String) -> bool {
        loop {
            // Nobody closes it.
            let Ok(place) = Arc::clone(places).acquire_owned().await else { return false };
            let wait_ms = match self.visit(place, last).await {
                Ok(Next::Through) => return true,
                Ok(Next::Later(wait_ms)) => wait_ms,
                Ok(Next::Refused(why)) => {
                    *last = why;
                    return false;
                }
                Err(broken) => {
                    *last = format!("{broken:?}").to_lowercase();
                    locked(&self.counts).reconnected += 1;
                    if broken == Broken::Certificate {
                        return false;
                    }
                    self.jittered_ms()
                }
            };
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// One connection: until the player is through, or the next ask is far off.
    async fn visit(&mut self, _place: OwnedSemaphorePermit, last: &mut String) -> Result<Next, Broken> {
        let field = Arc::clone(&self.field);
        let mut wire = Wire::open(&field.target, player_address(self.number)).await?;
        loop {
            let next = match self.session.character.clone() {
                None => self.find_character(&mut wire).await?,
                Some(character) => self.play(&mut wire, &character).await?,
            };
            match next {
                Next::Later(wait_ms) if wait_ms <= HELD_WAIT_MS => {
                    sleep(Duration::from_millis(wait_ms)).await;
                }
                Next::Later(wait_ms) => {
                    *last = "was told to wait".to_owned();
                    return Ok(Next::Later(wait_ms));
                }
                end => return Ok(end),
            }
        }
    }

    async fn find_character(&mut self, wire: &mut Wire<'_>) -> Result<Next, Broken> {
        let token = self.session.token.clone();
        let request = Request { method: "GET", path: "/v1/characters", token: Some(&token), body: None };
        let reply = self.ask(wire, &request, |counts| &mut counts.characters).await?;
        if reply.status != 200 {
            return Ok(self.unless_later(&reply));
        }
        let body: Value = serde_json::from_slice(&reply.body).map_err(|_| Broken::Malformed)?;
        match body["characters"][0]["id"].as_str() {
            Some(id) => {
                self.session.character = Some(id.to_owned());
                Ok(Next::Later(0))
            }
            None => Ok(Next::Refused("has no character".to_owned())),
        }
    }

    async fn play(&mut self, wire: &mut Wire<'_>, character: &str) -> Result<Next, Broken> {
        // Nobody opens the session, so nobody needs the private key: any 32 bytes are somebody's public one.
        let mut public = [1; 32];
        for chunk in public.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.rng.next().to_le_bytes());
        }
        let mut body = json!({
            "character_id": character,
            "realm_id": self.realm_id,
            "client_public": URL_SAFE_NO_PAD.encode(public),
        });
        if let Some(ticket) = &self.ticket {
            body["ticket"] = Value::from(ticket.as_str());
        }
        let (body, token) = (body.to_string(), self.session.token.clone());
        let request = Request { method: "POST", path: "/v1/play", token: Some(&token), body: Some(&body) };
        let reply = self.ask(wire, &request, |counts| &mut counts.play).await?;
        match reply.status {
            200 => Ok(Next::Through),
            202 => {
                let body: Value = serde_json::from_slice(&reply.body).map_err(|_| Broken::Malformed)?;
                self.ticket = body["ticket"].as_str().map(str::to_owned);
                locked(&self.counts).waits += 1;
                Ok(Next::Later(body["retry_after_ms"].as_u64().ok_or(Broken::Malformed)?))
            }
            _ => Ok(self.unless_later(&reply)),
        }
    }

    async fn ask(
        &self,
        wire: &mut Wire<'_>,
        request: &Request<'_>,
        tally: impl Fn(&mut Counts) -> &mut Tally,
    ) -> Result<Reply, Broken> {
        let asked = Instant::now();
        let reply = wire.ask(request).await;
        let answer = reply.as_ref().map(|reply| reply.status).map_err(|&broken| broken);
        tally(&mut locked(&self.counts)).add(answer, asked.elapsed());
        reply
    }

    /// Later, if that is what was said.
    fn unless_later(&self, reply: &Reply) -> Next {
        match (reply.status, reply.retry_after_s) {
            (429 | 503, Some(seconds)) => {
                locked(&self.counts).put_off += 1;
                Next::Later(u64::from(seconds) * 1000)
            }
            (status, _) => Next::Refused(format!("status {status}")),
        }
    }

    fn jittered_ms(&mut self) -> u64 {
        let least_ms = BROKEN_PAUSE.as_millis() as u64;
        least_ms + self.rng.below(least_ms)
    }
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
