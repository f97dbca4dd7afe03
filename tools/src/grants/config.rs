//! Settings of the asking, and what can be wrong with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Characters of a session token: 32 bytes in base64url.
const TOKEN_CHARS: usize = 43;
/// Connections that one address may have at the gateway, by default.
const THREADS_MAX: u32 = 32;

/// A session token. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken")
    }
}

impl SessionToken {
    /// Takes a token as the gateway gave it. None: it has not the form of one.
    pub fn new(text: &str) -> Option<Self> {
        let is_token = text.len() == TOKEN_CHARS
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_token.then(|| Self(text.to_owned()))
    }

    /// The token, for the header of a request.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// Reads session tokens, one a line, as `throng account create --sessions` writes them.
///
/// # Errors
/// When the file cannot be read, or a line is no token: it is named by its number, and not repeated.
pub fn read_tokens(path: &Path) -> Result<Vec<SessionToken>, GrantsError> {
    let read = fs::read_to_string(path);
    let text = read.map_err(|source| GrantsError::Read { path: path.to_owned(), source })?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let tokens = lines.map(|(index, line)| {
        SessionToken::new(line).ok_or_else(|| GrantsError::Token { path: path.to_owned(), line: index + 1 })
    });
    tokens.collect()
}

/// Whom to ask for what.
#[derive(Clone, Debug)]
pub struct GrantsConfig {
    /// The gateway's address: `https://play.example.org:7780`, or `http://` on loopback.
    pub gateway: String,
    /// The certificate to trust, PEM: the gateway's own, or that of who signed it. Needed for `https`; nothing else is
    /// trusted.
    pub certificate: Option<Vec<u8>>,
    /// Who asks.
    pub tokens: Vec<SessionToken>,
    /// Where to play; none: the first realm that the gateway lists as online.
    pub realm_id: Option<u32>,
    /// Connections, 1 to 32.
    pub threads: u32,
    /// Answers in a row, of one token, that are none or "not now", until it is given up.
    pub attempts_max: u32,
    /// How long a token may wait in all.
    pub patience: Duration,
    /// Pause after an answer that was none: the gateway may be starting anew. One that nobody has ever heard, and that
    /// nobody listens for, is given up at once.
    pub lost_pause: Duration,
    /// How long one request may take.
    pub timeout: Duration,
}

impl GrantsConfig {
    /// The usual: four connections, twenty attempts, ten minutes.
    pub fn new(gateway: impl Into<String>, certificate: Option<Vec<u8>>, tokens: Vec<SessionToken>) -> Self {
        Self {
            gateway: gateway.into(),
            certificate,
            tokens,
            realm_id: None,
            threads: 4,
            attempts_max: 20,
            patience: Duration::from_secs(600),
            lost_pause: Duration::from_millis(500),
            timeout: Duration::from_secs(15),
        }
    }

    pub(super) fn check(&self) -> Result<(), GrantsError> {
        let found = || self.gateway.clone();
        let (scheme, rest) =
            self.gateway.split_once("://").ok_or_else(|| GrantsError::Gateway { found: found() })?;
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
            return Err(GrantsError::Gateway { found: found() });
        }
        match scheme {
            "https" if self.certificate.is_none() => {
                return Err(GrantsError::NoCertificate { found: found() });
            }
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(GrantsError::Plain { found: found() }),
            _ => return Err(GrantsError::Gateway { found: found() }),
        }
        if self.tokens.is_empty() {
            return Err(GrantsError::NoTokens);
        }
        if !(1..=THREADS_MAX).contains(&self.threads) {
            return Err(GrantsError::Threads { found: self.threads });
        }
        Ok(())
    }
}

/// Whether a host with or without a port is this machine, in a form that cannot resolve to another.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::SocketAddr>().map(|address| address.ip());
    let ip = address.or_else(|_| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ip.is_ok_and(|ip| ip.is_loopback()) || name == "localhost"
}

/// Why nothing can be asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GrantsError {
    /// No such form.
    #[error("the gateway is {found:?}, but needed is something like https://127.0.0.1:7780")]
    Gateway {
        /// What was found.
        found: String,
    },
    /// Tokens would cross a network in plain.
    #[error(
        "the gateway is {found:?}, but without TLS session tokens go to this machine only: write https://"
    )]
    Plain {
        /// What was found.
        found: String,
    },
    /// Nothing to trust.
    #[error(
        "no certificate was given for {found}: name the gateway's own (tls/cert.pem in its data directory), \
         or that of who signed it"
    )]
    NoCertificate {
        /// What was found.
        found: String,
    },
    /// A certificate that is none.
    #[error(
        "the certificate cannot be used: needed is a PEM file that begins with -----BEGIN CERTIFICATE-----"
    )]
    Certificate,
    /// Nobody to ask for.
    #[error(
        "there are no session tokens: make some with throng account create --count N --locked --sessions FILE"
    )]
    NoTokens,
    /// The file cannot be read.
    #[error("cannot read the session tokens in {path:?}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is no token.
    #[error(
        "{path:?}, line {line}: needed is one session token a line, {TOKEN_CHARS} characters of base64url"
    )]
    Token {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Too few or too many connections.
    #[error("{found} connections were asked for, but 1 to {THREADS_MAX} can be used")]
    Threads {
        /// What was found.
        found: u32,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
