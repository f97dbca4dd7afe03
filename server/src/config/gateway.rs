//! `[gateway]` and `[caps]`: who may enter.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::gateway::census::CensusLimits;
use crate::gateway::keys::DataDir;
use crate::gateway::limits;
use crate::gateway::passwords::PoolLimits;
use crate::gateway::phase::Timeouts;
use crate::gateway::tls::CertificateSource;

pub use crate::gateway::state::Registration;

/// `[gateway]`: accounts, logins and the way to realms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// Whether `serve` runs a gateway beside the realm.
    pub enabled: bool,
    /// TCP address and port.
    #[serde(deserialize_with = "super::listen_address")]
    pub listen: SocketAddr,
    /// HTTPS; without it only loopback can be listened on.
    pub tls: bool,
    /// PEM file of the certificate chain; empty: self-signed.
    pub tls_certificate: String,
    /// PEM file of its private key; empty: self-signed.
    pub tls_key: String,
    /// Names and addresses in a self-signed certificate, beside `localhost`.
    pub tls_names: Vec<String>,
    /// Where accounts and keys are kept.
    pub data_dir: String,
    /// Who may make an account.
    pub registration: Registration,
    /// Where players are told to find the realm of this process, host and UDP port; empty: where it listens.
    pub public_address: String,
    /// The gateway of another process that lets players into the realm of this one, as a URL; empty: none.
    pub report_to: String,
    /// PEM file of what to trust of that gateway's certificate.
    pub report_ca: String,
    /// Realms of other processes.
    pub realms: Vec<RemoteRealmSettings>,
    /// Players that a realm takes each second at most.
    pub admit_per_s: u32,
    /// Threads that hash passwords; 0: half as many as this process may run on at once.
    pub password_threads: u32,
    /// Passwords that may wait for such a thread.
    pub password_queue_max: u32,
    /// Milliseconds until a login that waits is told to come back later.
    pub password_deadline_ms: u32,
    /// Sockets at once.
    pub sockets_max: u32,
    /// Sockets at once of one IPv4 address or one IPv6 /64.
    pub sockets_per_address_max: u32,
    /// Milliseconds for a TLS handshake.
    pub handshake_timeout_ms: u32,
    /// Milliseconds for the head of a request.
    pub head_timeout_ms: u32,
    /// Milliseconds for a request, its body and its answer.
    pub request_timeout_ms: u32,
    /// Milliseconds between two requests of one connection.
    pub idle_timeout_ms: u32,
    /// Milliseconds that requests in progress get when the gateway stops, and that the last player of a drained realm beside
    /// it has to log out.
    pub shutdown_timeout_ms: u32,
}

/// A realm that runs elsewhere and tells the gateway how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteRealmSettings {
    /// Its `realm.id`.
    pub id: u32,
    /// What it signs its status with, as `throng keys list` prints it there: base64url, 43 characters.
    pub public_key: String,
}

/// `[caps]`: sessions of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapsSettings {
    /// Of one IPv4 address.
    pub ipv4: u32,
    /// Of an IPv4 /24.
    pub ipv4_24: u32,
    /// Of an IPv6 /64.
    pub ipv6_64: u32,
    /// Of an IPv6 /56.
    pub ipv6_56: u32,
    /// Of an IPv6 /48.
    pub ipv6_48: u32,
    /// Networks without caps.
    pub allow: Vec<Network>,
}

/// A network in CIDR form, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, needed is an address or a network such as \"127.0.0.0/8\" or \"2001:db8::/32\"")]
pub struct NotANetwork {
    found: String,
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) => Ok(Self(network.trunc())),
            Err(_) => Err(NotANetwork { found: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        let ms = |timeout: Duration| timeout.as_millis() as u32;
        let (timeouts, pool) = (Timeouts::default(), PoolLimits::default());
        Self {
            enabled: true,
            listen: SocketAddr::from(([0, 0, 0, 0], 7780)),
            tls: true,
            tls_certificate: String::new(),
            tls_key: String::new(),
            tls_names: Vec::new(),
            data_dir: "throng-data".to_owned(),
            registration: Registration::Open,
            public_address: String::new(),
            report_to: String::new(),
            report_ca: String::new(),
            realms: Vec::new(),
            admit_per_s: 500,
            password_threads: 0,
            password_queue_max: pool.queue_max as u32,
            password_deadline_ms: ms(pool.deadline),
            sockets_max: limits::SOCKETS_MAX,
            sockets_per_address_max: limits::SOCKETS_PER_ADDRESS_MAX,
            handshake_timeout_ms: ms(timeouts.handshake),
            head_timeout_ms: ms(timeouts.head),
            request_timeout_ms: ms(timeouts.request),
            idle_timeout_ms: ms(timeouts.idle),
            shutdown_timeout_ms: ms(timeouts.shutdown),
        }
    }
}

impl Default for CapsSettings {
    fn default() -> Self {
        Self { ipv4: 8, ipv4_24: 64, ipv6_64: 8, ipv6_56: 64, ipv6_48: 256, allow: Vec::new() }
    }
}

impl GatewaySettings {
    /// Where things are kept.
    pub fn data_dir(&self) -> DataDir {
        DataDir::at(&self.data_dir)
    }

    /// Deadlines of connections.
    pub fn timeouts(&self) -> Timeouts {
        let ms = |timeout_ms: u32| Duration::from_millis(timeout_ms.into());
        Timeouts {
            handshake: ms(self.handshake_timeout_ms),
            head: ms(self.head_timeout_ms),
            request: ms(self.request_timeout_ms),
            idle: ms(self.idle_timeout_ms),
            shutdown: ms(self.shutdown_timeout_ms),
        }
    }

    /// How many sockets there may be; `caps` says which networks have no share to keep to.
    pub fn census(&self, caps: &CapsSettings) -> CensusLimits {
        CensusLimits {
            sockets_max: self.sockets_max,
            per_address_max: self.sockets_per_address_max,
            exempt: caps.networks(),
        }
    }

    /// How much the password threads take on.
    pub fn password_pool(&self) -> PoolLimits {
        let permits = match self.password_threads {
            0 => PoolLimits::default().permits,
            threads => threads as usize,
        };
        PoolLimits {
            permits,
            queue_max: self.password_queue_max as usize,
            deadline: Duration::from_millis(self.password_deadline_ms.into()),
        }
    }

    /// Where the certificate comes from; none for plain HTTP.
    pub fn certificate(&self) -> Option<CertificateSource> {
        if !self.tls {
            return None;
        }
        if self.tls_certificate.is_empty() {
            let folder = self.data_dir().tls_dir();
            return Some(CertificateSource::SelfSigned { folder, names: self.tls_names.clone() });
        }
        let (certificate, key) = (PathBuf::from(&self.tls_certificate), PathBuf::from(&self.tls_key));
        Some(CertificateSource::Files { certificate, key })
    }

    /// Where players are told to find the realm of this process, if that is not where it listens.
    pub fn public_address(&self) -> Option<String> {
        Some(self.public_address.clone()).filter(|address| !address.is_empty())
    }
}

impl RemoteRealmSettings {
    /// The key itself. None: it is not 32 bytes in base64url.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        URL_SAFE_NO_PAD.decode(&self.public_key).ok()?.try_into().ok()
    }
}

impl CapsSettings {
    /// Networks without caps.
    pub fn networks(&self) -> Vec<IpNet> {
        self.allow.iter().map(|network| network.0).collect()
    }
}

/// Whether `text` is where a gateway is: `https://` and a host with or without a port, or `http://` on this machine, in a
/// form that cannot resolve to another.
pub(super) fn is_gateway_url(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let host = host.trim_end_matches('/');
    let is_port_left_out = |port: &str| is_host_and_port(&format!("{host}{port}"));
    let is_host = is_host_and_port(host) || is_port_left_out(":443");
    let address = host.parse::<SocketAddr>().map(|address| address.ip());
    let address = address.or_else(|_| host.trim_matches(['[', ']']).parse::<IpAddr>());
    let is_here = address.is_ok_and(|ip| ip.is_loopback()) || host.split(':').next() == Some("localhost");
    is_host && (scheme == "https" || scheme == "http" && is_here)
}

/// Whether `text` is a host and a port: `play.example.org:7777`, `192.0.2.1:7777`, `[2001:db8::1]:7777`.
pub(super) fn is_host_and_port(text: &str) -> bool {
    if text.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0) {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_host = host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label);
    // Only digits and dots would be a misspelt address.
    let is_name = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_host && is_name && port.parse::<u16>().is_ok_and(|port| port != 0)
}
