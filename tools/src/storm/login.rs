//! Wrong logins: known names and names that nobody has, each from another address over a connection of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::pace::Pace;
use super::tally::{Answers, Broken, Tally};
use super::target::attacker_address;
use super::wire::{Request, Wire};
use super::{Field, IN_FLIGHT_MAX};
use crate::rng::Rng;

/// When an answer is given up: twice what the gateway gives a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A storm of wrong logins.
pub struct LoginStorm {
    /// Logins a second.
    pub rate_hz: u32,
    /// Names of accounts that there are: half of the logins are for them, in turn. Empty: all are for names that
    /// nobody has.
    pub known: Vec<String>,
}

/// What came of them. Times run from the moment when a login was due, connection and handshake included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoginReport {
    /// Logins a second that were asked for.
    pub rate_hz: u32,
    /// Logins that were tried.
    pub tried: u64,
    /// Logins that were due and not tried: this process was too slow, or too many were in flight.
    pub left_out: u64,
    /// For names of accounts.
    pub known: Answers,
    /// For names that nobody has.
    pub unknown: Answers,
}

impl LoginStorm {
    pub(super) async fn run(self, field: Arc<Field>, is_over: watch::Receiver<bool>) -> LoginReport {
        let mut rng = Rng::new(field.seed);
        let mut pace = Pace::new(self.rate_hz);
        let places = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let tallies: Arc<[Mutex<Tally>; 2]> = Arc::default();
        let mut flights = JoinSet::new();
        let (mut tried, mut crowded_out) = (0, 0);
        while !*is_over.borrow() && Instant::now() < field.ends {
            for number in pace.due().await {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    crowded_out += 1;
                    continue;
                };
                let known = self.known.get(number as usize / 2 % self.known.len().max(1));
                let known = known.filter(|_| number % 2 == 0);
                let name = known.cloned().unwrap_or_else(|| format!("nobody{:012x}", rng.next() >> 16));
                let kind = usize::from(known.is_none());
                let body = json!({ "name": name, "password": format!("wrong{:016x}", rng.next()) });
                let from = attacker_address(&mut rng);
                let (field, tallies, due_at) =
                    (Arc::clone(&field), Arc::clone(&tallies), pace.due_at(number));
                tried += 1;
                flights.spawn(async move {
                    let tried = async {
                        let body = body.to_string();
                        let request =
                            Request { method: "POST", path: "/v1/login", token: None, body: Some(&body) };
                        let reply = Wire::open(&field.target, from).await?.ask(&request).await?;
                        Ok(reply.status)
                    };
                    let answer = timeout(ANSWER_TIMEOUT, tried).await.unwrap_or(Err(Broken::Late));
                    let took = due_at.elapsed();
                    tallies[kind].lock().unwrap_or_else(PoisonError::into_inner).add(answer, took);
                    drop(place);
                });
            }
            while flights.try_join_next().is_some() {}
        }
        while flights.join_next().await.is_some() {}
        let answers = |kind: usize| tallies[kind].lock().unwrap_or_else(PoisonError::into_inner).answers(&[]);
        LoginReport {
            rate_hz: self.rate_hz,
            tried,
            left_out: pace.left_out() + crowded_out,
            known: answers(0),
            unknown: answers(1),
        }
    }
}
