//! The accept loop: who gets a connection, and how all of them end.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::census::{Census, CensusLimits, Crowded};
use super::connection::{Peer, Shared};
use super::counters::Counters;
use super::limits;
use super::phase::Timeouts;
use super::redact::Network;

/// File descriptors that are not the gateway's sockets: the realm's, the store's, the log's.
const OTHER_FILES: u64 = 256;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// TCP address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Sockets, all together and of one address.
    pub census: CensusLimits,
    /// Deadlines.
    pub timeouts: Timeouts,
}

impl ListenSettings {
    /// The defaults, at `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, census: CensusLimits::default(), timeouts: Timeouts::default() }
    }
}

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Passwords would cross a network in plain.
    #[error(
        "the gateway would listen on {address} without TLS: found a public address, needed is a loopback address \
         (127.0.0.1 or [::1]) for plain HTTP\n  \
         turn TLS on (gateway.tls = true), or listen on loopback behind a proxy that does TLS (gateway.listen)"
    )]
    Plain {
        /// The address.
        address: SocketAddr,
    },
    /// The system refused.
    #[error(
        "the gateway cannot listen on TCP {address}: {source}\n  {}",
        remedy(*.address, .source.kind())
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What helps when the system refuses `address`.
fn remedy(address: SocketAddr, kind: ErrorKind) -> String {
    let port = address.port();
    match kind {
        ErrorKind::AddrInUse => format!(
            "needed is a free port. `ss -ltnp 'sport = :{port}'` names the program that has this one: stop it, or choose \
             another port with gateway.listen"
        ),
        ErrorKind::AddrNotAvailable => {
            "needed is an address of this machine. `ip address` lists them; choose one of \
             them with gateway.listen, or 0.0.0.0 for all"
                .to_owned()
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE (setcap cap_net_bind_service+ep, or \
             AmbientCapabilities of a service); choose one from 1024 up with gateway.listen to do without"
                .to_owned()
        }
        _ if address.is_ipv6() => {
            format!(
                "if this machine has no IPv6, choose 0.0.0.0:{port} or another IPv4 address with gateway.listen"
            )
        }
        _ => "choose another address or port with gateway.listen".to_owned(),
    }
}

/// A bound socket that has not accepted yet.
pub struct Listener {
    socket: TcpListener,
    settings: ListenSettings,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds. Without `tls` only a loopback address is allowed.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind(settings: ListenSettings, tls: Option<TlsAcceptor>) -> Result<Self, ListenError> {
        let address = settings.address;
        if tls.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(ListenError::Plain { address });
        }
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // Without it a restart would wait for the last connections' minutes in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            // What is accepted inherits it.
            socket.set_send_buffer_size(limits::SEND_BUFFER_BYTES)?;
            socket.bind(address)?;
            socket.listen(limits::BACKLOG as u32)
        };
        let socket = bound().map_err(|source| ListenError::Bind { address, source })?;
        let granted = raise_file_limit(u64::from(settings.census.sockets_max) + OTHER_FILES);
        let wanted = u64::from(settings.census.sockets_max) + OTHER_FILES;
        if granted < wanted {
            tracing::warn!(
                "this process may open {granted} files, {wanted} are needed for gateway.sockets_max = {}: \
                 raise it (ulimit -n {wanted}, LimitNOFILE={wanted}), or lower gateway.sockets_max",
                settings.census.sockets_max
            );
        }
        Ok(Self { socket, settings, tls })
    }

    /// The address, with the port that was taken.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `router` until `stop` turns true, then lets requests in progress end.
    pub async fn serve(self, router: axum::Router, counters: Arc<Counters>, mut stop: watch::Receiver<bool>) {
        let Self { socket, settings, tls } = self;
        let timeouts = settings.timeouts;
        let census = Census::new(settings.census);
        let shared = Arc::new(Shared { router, timeouts, tls, counters: Arc::clone(&counters) });
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|is_stopping| *is_stopping) => break,
                Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = socket.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A peer that went away before it was accepted looks like this too, so it is no more than counted.
                    counters.accept_failed.add(1);
                    tracing::debug!(%error, "accept failed");
                    sleep(limits::ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let address = from.ip().to_canonical();
            let place = match census.take(address) {
                Ok(place) => place,
                Err(crowded) => {
                    match crowded {
                        Crowded::Total => counters.sockets_refused_total.add(1),
                        Crowded::Address => counters.sockets_refused_address.add(1),
                    }
                    tracing::debug!(peer = %Network(address), ?crowded, "socket refused");
                    continue;
                }
            };
            counters.sockets_accepted.add(1);
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            connections.spawn(async move {
                let peer = Peer { address, local: local_ip(&stream) };
                // Answers are one write each; waiting for an acknowledgement would only add a delay.
                let _ = stream.set_nodelay(true);
                shared.serve(stream, peer, stop).await;
                drop(place);
            });
        }
        drop(socket);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(timeouts.shutdown, all_ended).await;
        connections.shutdown().await;
    }
}

/// Ours of the two addresses; a socket that is already gone has none, and then nobody will read the answer.
fn local_ip(stream: &TcpStream) -> IpAddr {
    stream.local_addr().map_or(IpAddr::from([127, 0, 0, 1]), |local| local.ip().to_canonical())
}

/// Raises the soft limit of open files towards `wanted`; returns what is granted.
fn raise_file_limit(wanted: u64) -> u64 {
    let now = rustix::process::getrlimit(Resource::Nofile);
    let current = now.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = wanted.min(now.maximum.unwrap_or(u64::MAX));
    let limit = Rlimit { current: Some(raised), maximum: now.maximum };
    if rustix::process::setrlimit(Resource::Nofile, limit).is_ok() { raised } else { current }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_remedy() {
        let address = SocketAddr::from(([127, 0, 0, 1], 443));
        for (kind, needle) in [
            (ErrorKind::AddrInUse, "sport = :443"),
            (ErrorKind::AddrNotAvailable, "ip address"),
            (ErrorKind::PermissionDenied, "1024"),
            (ErrorKind::Other, "gateway.listen"),
        ] {
            let error = ListenError::Bind { address, source: kind.into() }.to_string();
            assert!(error.contains(needle) && error.contains("gateway.listen"), "{error}");
            assert_eq!(error.contains("ss -ltnp"), kind == ErrorKind::AddrInUse, "{error}");
        }
    }
}
