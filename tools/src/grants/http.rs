//! The requests themselves.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::{CryptoProvider, ring};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use throng_net::protocol::keys::{PrivateKey, SecretBytes};
use ureq::Agent;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::Grant;
use super::config::{GrantsConfig, GrantsError};
use super::plan::{Step, Verdict};

/// Bytes of an answer: 256 realms are under 128 KiB.
const BODY_BYTES_MAX: u64 = 256 * 1024;
/// Characters of a code that is kept; what is longer is none of the gateway's.
const CODE_CHARS_MAX: usize = 40;
/// Pause when a busy gateway does not say how long.
const BUSY_MS: u64 = 1000;

/// What a report says of a gateway that is not there.
pub(crate) const NOBODY_LISTENS: &str = "nobody_listens";

/// What a report says of a gateway whose certificate is another than the one given, or is not good today.
const NOT_TRUSTED: &str = "certificate_not_trusted";

/// One connection to the gateway.
pub(super) struct Asker {
    config: Arc<GrantsConfig>,
    agent: Agent,
    provider: Arc<CryptoProvider>,
    realm_id: Option<u32>,
}

#[derive(Deserialize)]
struct Characters {
    characters: Vec<Character>,
}

#[derive(Deserialize)]
struct Character {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Realms {
    realms: Vec<Realm>,
}

#[derive(Deserialize)]
struct Realm {
    id: u32,
    online: bool,
}

#[derive(Deserialize)]
struct Admission {
    token: String,
    secret: String,
    address: String,
    expires_at_ms: u64,
}

#[derive(Deserialize)]
struct Waiting {
    ticket: String,
    retry_after_ms: u64,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize)]
struct FailureDetail {
    code: String,
    retry_after_s: Option<u64>,
}

impl Asker {
    pub fn new(config: Arc<GrantsConfig>) -> Result<Self, GrantsError> {
        let provider = Arc::new(ring::default_provider());
        let roots = match &config.certificate {
            Some(pem) => certificates(pem)?,
            None => Vec::new(),
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(provider.clone())
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            // What the environment says of proxies is meant for browsers.
            .proxy(None)
            .timeout_global(Some(config.timeout))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .build()
            .new_agent();
        let realm_id = config.realm_id;
        Ok(Self { config, agent, provider, realm_id })
    }

    /// Does one step for a token.
    pub fn ask(&mut self, index: u32, step: &Step) -> (Verdict, Option<Grant>) {
        let asked = match step {
            Step::Characters => self.characters(index).map(|verdict| (verdict, None)),
            Step::Play { character, name, ticket } => self.play(index, character, name, ticket.as_deref()),
        };
        asked.unwrap_or_else(|verdict| (verdict, None))
    }

    fn characters(&self, index: u32) -> Result<Verdict, Verdict> {
        let response = self.get("/v1/characters", Some(index))?;
        let Characters { characters } = success(response)?;
        match characters.into_iter().next() {
            Some(Character { id, name }) => Ok(Verdict::Character { character: id, name }),
            None => Ok(Verdict::Refused("no_character".to_owned())),
        }
    }

    fn play(
        &mut self,
        index: u32,
        character: &str,
        name: &str,
        ticket: Option<&str>,
    ) -> Result<(Verdict, Option<Grant>), Verdict> {
        let realm_id = self.realm()?;
        let mut private = [0; 32];
        let filled = self.provider.secure_random.fill(&mut private);
        filled.map_err(|_| Verdict::Lost("no_entropy".to_owned()))?;
        let public = PrivateKey::new(SecretBytes::new(private)).public();
        let mut body = serde_json::json!({
            "character_id": character,
            "realm_id": realm_id,
            "client_public": URL_SAFE_NO_PAD.encode(public),
        });
        if let Some(ticket) = ticket {
            body["ticket"] = ticket.into();
        }
        let url = self.url("/v1/play");
        let request = self.agent.post(url).header("authorization", self.authorization(index));
        // ureq's own form of JSON is for people to read, with spaces and line breaks.
        let request = request.header("content-type", "application/json");
        let response = request.send(body.to_string()).map_err(lost)?;
        if response.status() == StatusCode::ACCEPTED {
            let Waiting { ticket, retry_after_ms } = read(response)?;
            return Ok((Verdict::Queued { ticket, retry_after_ms }, None));
        }
        let Admission { token, secret, address, expires_at_ms } = success(response)?;
        let (Some(token), Some(secret)) = (bytes(&token), bytes(&secret)) else {
            return Err(Verdict::Lost("no_token_in_it".to_owned()));
        };
        let name = name.to_owned();
        let grant = Grant { index, name, address, token, secret, private, expires_at_ms };
        Ok((Verdict::Granted, Some(grant)))
    }

    /// The realm of the settings, or the first that is online.
    fn realm(&mut self) -> Result<u32, Verdict> {
        if let Some(realm_id) = self.realm_id {
            return Ok(realm_id);
        }
        let Realms { realms } = success(self.get("/v1/realms", None)?)?;
        let online = realms.into_iter().find(|realm| realm.online).map(|realm| realm.id);
        self.realm_id = online;
        online.ok_or_else(|| Verdict::Busy { retry_after_ms: BUSY_MS, code: "no_realm_online".to_owned() })
    }

    fn get(&self, path: &str, index: Option<u32>) -> Result<Response<ureq::Body>, Verdict> {
        let mut request = self.agent.get(self.url(path));
        if let Some(index) = index {
            request = request.header("authorization", self.authorization(index));
        }
        request.call().map_err(lost)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.gateway.trim_end_matches('/'))
    }

    fn authorization(&self, index: u32) -> String {
        format!("Bearer {}", self.config.tokens[index as usize].expose())
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, GrantsError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| GrantsError::Certificate)? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(GrantsError::Certificate) } else { Ok(certificates) }
}

/// The body of a good answer; what another one means.
fn success<T: DeserializeOwned>(response: Response<ureq::Body>) -> Result<T, Verdict> {
    let status = response.status();
    if status.is_success() {
        return read(response);
    }
    let header =
        response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let detail = read::<Failure>(response).ok().map(|failure| failure.error);
    let code = match &detail {
        Some(detail) if is_code(&detail.code) => detail.code.clone(),
        _ => format!("status_{}", status.as_u16()),
    };
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if !is_busy && !status.is_server_error() {
        return Err(Verdict::Refused(code));
    }
    let retry_after_s = header.or(detail.and_then(|detail| detail.retry_after_s));
    let retry_after_ms = retry_after_s.map_or(BUSY_MS, |seconds| seconds.saturating_mul(1000));
    Err(Verdict::Busy { retry_after_ms, code })
}

/// What a report may repeat.
fn is_code(code: &str) -> bool {
    (1..=CODE_CHARS_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn read<T: DeserializeOwned>(mut response: Response<ureq::Body>) -> Result<T, Verdict> {
    let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec().map_err(lost)?;
    serde_json::from_slice(&body).map_err(|_| Verdict::Lost("unreadable".to_owned()))
}

fn lost(error: ureq::Error) -> Verdict {
    Verdict::Lost(
        match error {
            ureq::Error::Timeout(_) => "timeout",
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => NOBODY_LISTENS,
            // What rustls says comes as this: asking again would not change it.
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Verdict::Refused(NOT_TRUSTED.to_owned());
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
                return Verdict::Refused(NOT_TRUSTED.to_owned());
            }
            ureq::Error::Io(_) => "connection_lost",
            ureq::Error::ConnectionFailed => "connection_failed",
            ureq::Error::HostNotFound => "host_unknown",
            ureq::Error::BodyExceedsLimit(_) => "too_long",
            _ => "not_http",
        }
        .to_owned(),
    )
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A length that cannot be right is not worth an allocation.
    if text.len() > N * 2 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
