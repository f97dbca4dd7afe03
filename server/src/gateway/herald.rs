//! A realm whose gateway runs elsewhere: it says there once a second how it is.
//!
//! ```text
//!   realm ──► RealmStatus ──► signed ──► POST /v1/realm-status ──► the gateway's board: its numbers, its token keys
//!         ──► Arrivals ─────────┘                │             ──► its queue: those seats are taken
//!         ◄── Orders ◄── whom to put out ◄───────┘
//! ```
//!
//! Without it that gateway lets nobody in: a realm that it has not heard of for ten seconds is offline. What an answer that
//! was lost said, the next one says again.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::ring::signature::Ed25519KeyPair;
use rustls::CertificateError;
use rustls::crypto::ring;
use serde::Deserialize;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::board::{Board, BoardError, LocalRealm, News, Realm, RealmStatus};
use super::counters::Count;
use super::keys::unix_ms;
use super::limits;
use super::routes::realms::{KickBody, Kicks, StatusPush};
use crate::realm::{Arrivals, Orders};

/// How often it says so.
pub const SAY_EVERY: Duration = Duration::from_secs(1);
/// What one answer may take. The end of the realm waits for two of them at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer: as many kicks as may wait, 50 bytes each, twice over.
const ANSWER_BYTES_MAX: u64 = limits::KICKS_MAX as u64 * 100;
/// Arrivals that wait to be told of.
const ARRIVED_KEPT_MAX: usize = 20 * limits::ARRIVED_MAX;

/// Why a realm cannot say how it is.
#[derive(Debug, thiserror::Error)]
pub enum HeraldError {
    /// The certificate cannot be read.
    #[error(
        "cannot read the certificate {path:?}: {source}\n  \
         gateway.report_ca names what to trust of the gateway at gateway.report_to: a copy of its data_dir/tls/cert.pem, or \
         the certificate of who signed its own"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is none.
    #[error(
        "the certificate {0:?} (gateway.report_ca) cannot be used: needed is a PEM file that begins with \
         -----BEGIN CERTIFICATE-----"
    )]
    Content(PathBuf),
    /// The realm cannot be listed.
    #[error(transparent)]
    Board(#[from] BoardError),
}

/// Says how a realm is to the gateway that lets its players in.
pub struct Herald {
    agent: Agent,
    url: String,
    realm_id: u32,
    /// Only this realm: what would be listed here is what is sent.
    board: Board,
    key: Arc<Ed25519KeyPair>,
    status: Arc<RealmStatus>,
    arrivals: Arc<Arrivals>,
    orders: Arc<Orders>,
    said: Mutex<Said>,
    failed: Count,
}

#[derive(Default)]
struct Said {
    /// How it went last; none before the first time.
    outcome: Option<Result<(), String>>,
    /// Who has arrived and was not told of yet.
    arrived: Vec<u64>,
    /// Up to which number kicks were passed on.
    kicks_heard: u64,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize)]
struct FailureDetail {
    code: String,
    message: String,
}

impl Herald {
    /// For the gateway at `gateway`, `https://` with what `ca` certifies or `http://` on this machine.
    ///
    /// # Errors
    /// See [`HeraldError`].
    pub fn new(
        gateway: &str,
        ca: Option<PathBuf>,
        realm: LocalRealm,
        arrivals: Arc<Arrivals>,
        orders: Arc<Orders>,
    ) -> Result<Self, HeraldError> {
        let roots = ca.map(certificates).transpose()?.unwrap_or_default();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            // What the environment says of proxies is meant for browsers.
            .proxy(None)
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build()
            .new_agent();
        let url = format!("{}/v1/realm-status", gateway.trim_end_matches('/'));
        let (realm_id, key, status) = (realm.id, Arc::clone(&realm.key), Arc::clone(&realm.status));
        let board = Board::new([Realm::Local(realm)])?;
        Ok(Self {
            agent,
            url,
            realm_id,
            board,
            key,
            status,
            arrivals,
            orders,
            said: Mutex::default(),
            failed: Count::default(),
        })
    }

    /// Says how the realm is now, does what the answer asks for, and tells the log when this begins or ceases to work.
    pub fn say(&self) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.push(&mut said);
        if said.outcome.as_ref() != Some(&outcome) {
            match &outcome {
                Ok(()) => tracing::info!("the gateway hears of this realm: {}", self.url),
                Err(why) => tracing::error!(
                    "the gateway does not hear of this realm and lets nobody in, tried again each second: {}: {why}",
                    self.url
                ),
            }
        }
        self.failed.add(u64::from(outcome.is_err()));
        said.outcome = Some(outcome);
    }

    /// How it went last; none before the first time.
    pub fn outcome(&self) -> Option<Result<(), String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).outcome.clone()
    }

    /// How many statuses did not reach the gateway, or were refused there.
    pub fn failed(&self) -> u64 {
        self.failed.get()
    }

    fn push(&self, said: &mut Said) -> Result<(), String> {
        said.arrived.append(&mut self.arrivals.take());
        // The seats of the earliest are free by now, told or not.
        let too_many = said.arrived.len().saturating_sub(ARRIVED_KEPT_MAX);
        said.arrived.drain(..too_many);
        let told = said.arrived.len().min(limits::ARRIVED_MAX);
        // Settings make sure that the address does not depend on who asks.
        let reached = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let listing = self.board.listing(self.realm_id, reached, unix_ms()).ok_or("there is no realm")?;
        let news = News {
            kicks_heard: said.kicks_heard,
            token_keys: self.status.token_keys(),
            arrived: said.arrived[..told].to_vec(),
        };
        let push = StatusPush::new(listing.signed, news, &self.key);
        let body = serde_json::to_vec(&push).map_err(|error| error.to_string())?;
        let sent = self.agent.post(&self.url).header("content-type", "application/json").send(&body);
        let mut answer = sent.map_err(|error| unheard(&error))?;
        if answer.status().is_success() {
            said.arrived.drain(..told);
            if answer.status() != StatusCode::NO_CONTENT {
                let kicks = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_json::<Kicks>();
                self.obey(kicks.map_err(|error| error.to_string())?, said);
            }
            return Ok(());
        }
        let told = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_json::<Failure>();
        Err(match told {
            Ok(Failure { error: FailureDetail { code, message } }) => match code.as_str() {
                "status_unsigned" => format!(
                    "{message}; it must have this realm's id {} and its public key (throng keys list, here) in \
                     gateway.realms",
                    self.realm_id
                ),
                "status_stale" => format!("{message}; keep both in step (chrony, systemd-timesyncd)"),
                _ => format!("{message} ({code})"),
            },
            Err(_) => format!("it answered {}; is it a gateway?", answer.status()),
        })
    }

    fn obey(&self, Kicks { kicks }: Kicks, said: &mut Said) {
        for KickBody { number, account } in kicks {
            if number > said.kicks_heard
                && let Ok(account) = account.parse()
            {
                self.orders.kick(account);
            }
            said.kicks_heard = said.kicks_heard.max(number);
        }
    }
}

/// Why nothing was heard, and what helps.
fn unheard(error: &ureq::Error) -> String {
    let tls = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    match (error, tls) {
        // The second is that of another gateway that made its certificate itself: all of them bear one subject.
        (
            _,
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )),
        ) => {
            "its certificate is not what gateway.report_ca names here; needed there is a copy of tls/cert.pem in that \
             gateway's data_dir, or the certificate of who signed its own, and then a restart of this realm"
                .to_owned()
        }
        (
            _,
            Some(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )),
        ) => "its certificate is for other names than the one in gateway.report_to; add that to gateway.tls_names \
              there and restart that gateway, or name it here as its certificate does"
            .to_owned(),
        (_, Some(error)) => format!(
            "{error}; needed is a certificate that is valid now and a gateway with TLS: look at gateway.tls there and at \
             the clocks of both machines"
        ),
        (ureq::Error::HostNotFound, _) => {
            "there is no such host; correct the name in gateway.report_to, or what looks names up here".to_owned()
        }
        (ureq::Error::Io(error), _) => format!(
            "{error}; is that gateway running (throng gateway), are its name and port right in gateway.report_to, and do \
             firewalls let this machine through?"
        ),
        (ureq::Error::Timeout(_), _) => format!(
            "no answer within {} s; do firewalls let this machine through, and is that gateway's machine up?",
            ANSWER_TIMEOUT.as_secs()
        ),
        (error, _) => error.to_string(),
    }
}

fn certificates(path: PathBuf) -> Result<Vec<Certificate<'static>>, HeraldError> {
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(HeraldError::Read { path, source }),
    };
    let items: Result<Vec<PemItem>, _> = parse_pem(&pem).collect();
    let certificates: Vec<_> = items
        .unwrap_or_default()
        .into_iter()
        .filter_map(
            |item| if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None },
        )
        .collect();
    if certificates.is_empty() { Err(HeraldError::Content(path)) } else { Ok(certificates) }
}
