//! The gateway that is met, the one certificate that it may show, and the addresses that it is met from.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use super::StormError;
use crate::rng::Rng;

/// A quarter of 127.0.0.0/8 for players, the upper half for attackers: no prefix is shared.
const FIRST_PLAYER: u32 = 0x7F40_0000;
const PLAYERS: u32 = 1 << 22;
const FIRST_ATTACKER: u32 = 0x7F80_0000;
const ATTACKERS: u64 = 1 << 23;

/// Characters of a session token: 32 bytes in base64url.
const TOKEN_CHARS: usize = 43;

/// A gateway on this machine.
#[derive(Clone)]
pub struct Target {
    pub(super) address: SocketAddrV4,
    pub(super) name: ServerName<'static>,
    /// What goes into the Host header.
    pub(super) host: String,
    pub(super) tls: Arc<ClientConfig>,
}

impl Target {
    /// The gateway at `url`, which shows a certificate of `ca_pem` and no other.
    ///
    /// # Errors
    /// When the URL is not of this machine or the certificate is none.
    pub fn new(url: &str, ca_pem: &[u8]) -> Result<Self, StormError> {
        let (address, host) = loopback(url)?;
        let bad = |error: &dyn std::fmt::Display| StormError::Certificate(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem) {
            let certificate = certificate.map_err(|error| bad(&error))?;
            roots.add(certificate).map_err(|error| bad(&error))?;
        }
        if roots.is_empty() {
            return Err(StormError::Certificate("it holds no CERTIFICATE block of PEM".to_owned()));
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every handshake is a whole one: it is what an attacker makes the gateway pay.
        tls.resumption = Resumption::disabled();
        let name = ServerName::try_from(host.clone()).map_err(|_| StormError::Url(url.to_owned()))?;
        Ok(Self { address, name, host: format!("{host}:{}", address.port()), tls: Arc::new(tls) })
    }
}

/// Address and host of a URL on this machine.
fn loopback(url: &str) -> Result<(SocketAddrV4, String), StormError> {
    let bad = || StormError::Url(url.to_owned());
    let rest = url.strip_prefix("https://").ok_or_else(bad)?;
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':').ok_or_else(bad)?;
    let port = port.parse().ok().filter(|&port: &u16| port != 0).ok_or_else(bad)?;
    let ip = match host {
        "localhost" => Ipv4Addr::LOCALHOST,
        host => host.parse().map_err(|_| StormError::NotLoopback(host.to_owned()))?,
    };
    if !ip.is_loopback() {
        return Err(StormError::NotLoopback(host.to_owned()));
    }
    Ok((SocketAddrV4::new(ip, port), host.to_owned()))
}

/// Somebody who has logged in before. It does not print: the token is a secret even of a load test.
#[derive(Clone)]
pub struct Session {
    pub(super) token: String,
    /// The character to play; asked for when it is not known.
    pub(super) character: Option<String>,
}

impl Session {
    /// Reads what `throng account create --sessions` writes: a token a line, or a token and a character's id.
    ///
    /// # Errors
    /// When a line is something else, and which. Its text is not repeated.
    pub fn read(text: &str) -> Result<Vec<Self>, StormError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(at, line)| Self::of(line).ok_or(StormError::Session(at + 1))).collect()
    }

    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let token = words.next().filter(|token| {
            let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            token.len() == TOKEN_CHARS && token.bytes().all(is_base64url)
        })?;
        let character = match words.next() {
            Some(id) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => Some(id.to_owned()),
            Some(_) => return None,
            None => None,
        };
        if words.next().is_some() { None } else { Some(Self { token: token.to_owned(), character }) }
    }
}

/// Where player `number` sits. One address each, as long as there are fewer than four million.
pub(super) fn player_address(number: u64) -> Ipv4Addr {
    // Some of these end in 0 or 255: on this interface they are addresses like all others.
    Ipv4Addr::from(FIRST_PLAYER | (number % u64::from(PLAYERS)) as u32)
}

/// Some address of an attacker's.
pub(super) fn attacker_address(rng: &mut Rng) -> Ipv4Addr {
    Ipv4Addr::from(FIRST_ATTACKER | rng.below(ATTACKERS) as u32)
}
