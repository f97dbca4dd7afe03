//! Why a socket could not be opened, and what to do about it.

use std::io;
use std::net::SocketAddr;

/// A start-up failure: what was found, what is needed, what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port.
    #[error(
        "cannot listen on {0}: the port is in use, but must be free. \
         `ss -lunp 'sport = :{port}'` names the program that has it; stop that one or choose another port",
        port = .0.port()
    )]
    PortInUse(SocketAddr),
    /// The address belongs to no interface of this machine.
    #[error(
        "cannot listen on {0}: no interface of this machine has that address. \
         `ip address` lists those that exist; 0.0.0.0 or [::] is all of them"
    )]
    NotOurAddress(SocketAddr),
    /// Ports below `net.ipv4.ip_unprivileged_port_start` need a privilege.
    #[error(
        "cannot listen on {0}: not permitted. Ports below 1024 need CAP_NET_BIND_SERVICE \
         (`setcap cap_net_bind_service+ep`); choose a port from 1024 up to do without"
    )]
    NotPermitted(SocketAddr),
    /// The kernel has no IPv6, or it is turned off.
    #[error(
        "cannot listen on {0}: this machine has no IPv6. Listen on 0.0.0.0:{port}, \
         or turn IPv6 on with `sysctl -w net.ipv6.conf.all.disable_ipv6=0`",
        port = .0.port()
    )]
    NoIpv6(SocketAddr),
    /// io_uring was demanded and the kernel refuses it.
    #[error("io_uring was asked for, but {reason}. Choose `auto` or `mmsg` to do without: it is as fast")]
    UringRefused {
        /// What was found and what would fix it.
        reason: String,
    },
    /// Anything else.
    #[error("cannot {action} on {address}: {source}")]
    Os {
        /// What was being done.
        action: &'static str,
        /// For which address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BindError {
    pub(super) fn new(action: &'static str, address: SocketAddr, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EADDRINUSE) => BindError::PortInUse(address),
            Some(libc::EADDRNOTAVAIL) if address.is_ipv6() && address.ip().is_unspecified() => {
                BindError::NoIpv6(address)
            }
            Some(libc::EADDRNOTAVAIL) => BindError::NotOurAddress(address),
            Some(libc::EACCES) => BindError::NotPermitted(address),
            Some(libc::EAFNOSUPPORT) if address.is_ipv6() => BindError::NoIpv6(address),
            _ => BindError::Os { action, address, source },
        }
    }
}
