//! Opening a UDP socket and giving it the options that matter.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::error::BindError;

// The numbers of asm-generic/socket.h, which all architectures that we build for share.
const SO_SNDBUFFORCE: libc::c_int = 32;
const SO_RCVBUFFORCE: libc::c_int = 33;
const SO_MEMINFO: libc::c_int = 55;
const MEMINFO_DROPS: usize = 8;
const MEMINFO_WORDS: usize = 9;

/// Largest buffer asked for: the kernel doubles it in an `int`.
const BUFFER_BYTES_MAX: usize = 1 << 30;

/// What was asked for one of the socket's buffers and what the kernel gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferGrant {
    /// Bytes asked for.
    pub asked_bytes: usize,
    /// Bytes granted. The kernel counts its own overhead in, about 1.3 KB for a small datagram and 2.3 KB for 1,200 B.
    pub granted_bytes: usize,
}

/// An open socket and what was noticed while opening it.
pub(super) struct Opened {
    pub socket: OwnedFd,
    pub local_addr: SocketAddr,
    pub receive_buffer: BufferGrant,
    pub send_buffer: BufferGrant,
    pub warnings: Vec<String>,
}

/// Opens a UDP socket bound to `listen`; `[::]` takes IPv4 as well. `rmem_bytes` is what the remedy for too small a receive
/// buffer names: the greatest of all that are asked for, so that it cures all of them.
///
/// The socket stays in blocking mode: every call says `MSG_DONTWAIT` itself.
pub(super) fn open(
    listen: SocketAddr,
    receive_buffer_bytes: usize,
    rmem_bytes: usize,
    send_buffer_bytes: usize,
) -> Result<Opened, BindError> {
    let fail = |action| move |source| BindError::new(action, listen, source);
    let socket = unbound(listen).map_err(fail("open a UDP socket"))?;
    let mut warnings = Vec::new();
    let receive_buffer = Buffer::Receive.set(&socket, receive_buffer_bytes, rmem_bytes, &mut warnings);
    let send_buffer = Buffer::Send.set(&socket, send_buffer_bytes, send_buffer_bytes, &mut warnings);
    if let Err(error) = never_fragment(&socket, listen) {
        warnings.push(format!(
            "path MTU probing could not be set ({error}): each send costs about 10 % more. Needed: IP_MTU_DISCOVER"
        ));
    }
    socket.bind(&listen.into()).map_err(fail("listen"))?;
    let local_addr = socket
        .local_addr()
        .and_then(|address| address.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported)))
        .map_err(fail("read the address"))?;
    Ok(Opened { socket: socket.into(), local_addr, receive_buffer, send_buffer, warnings })
}

/// Spares the kernel looking up with each datagram whether the address that it leaves from is the host's. For a socket that is
/// bound (earlier it could be bound to what is not) and whose datagrams leave from nowhere else.
///
/// # Errors
/// Without CAP_NET_RAW or CAP_NET_ADMIN. All works the same then.
pub(super) fn skip_source_check(fd: RawFd) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)
}

/// A UDP socket for `listen`, to be bound; for `[::]`, one that takes IPv4 as well.
pub(super) fn unbound(listen: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() && listen.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// "Probe" sends with the don't-fragment bit and ignores what routers claim the path takes: our datagrams fit every
/// path, and the kernel need not make up an IP id for each, which is 10 % of a send.
fn never_fragment(socket: &Socket, listen: SocketAddr) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    if listen.is_ipv6() {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
    }
    set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
}

/// Datagrams that the kernel dropped because the socket's receive buffer was full; wraps at 2^32.
pub(super) fn kernel_drops(fd: RawFd) -> u32 {
    let mut words = [0u32; MEMINFO_WORDS];
    let mut bytes = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the kernel writes at most `bytes` bytes to `words`, which is that long, and any bytes are valid words.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, SO_MEMINFO, words.as_mut_ptr().cast(), &mut bytes) };
    if result == 0 { words[MEMINFO_DROPS] } else { 0 }
}

pub(super) fn set_option(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads one `int` from a pointer to one `int`.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[derive(Clone, Copy)]
pub(super) enum Buffer {
    Receive,
    /// Of the queue for what is [apart](super::Apart).
    Apart,
    Send,
}

impl Buffer {
    /// Asks for a buffer, with privilege first, and warns when the kernel gives less; `limit_bytes` is the remedy then.
    pub(super) fn set(
        self,
        socket: &Socket,
        asked_bytes: usize,
        limit_bytes: usize,
        warnings: &mut Vec<String>,
    ) -> BufferGrant {
        let capped = asked_bytes.clamp(1, BUFFER_BYTES_MAX);
        let (force, granted) = match self {
            Buffer::Receive | Buffer::Apart => {
                (SO_RCVBUFFORCE, Socket::recv_buffer_size as fn(&Socket) -> io::Result<usize>)
            }
            Buffer::Send => (SO_SNDBUFFORCE, Socket::send_buffer_size as fn(&Socket) -> io::Result<usize>),
        };
        // Beyond the sysctl's limit only CAP_NET_ADMIN gets through; the plain option is capped in silence.
        if set_option(socket.as_raw_fd(), libc::SOL_SOCKET, force, capped as libc::c_int).is_err() {
            let plain = match self {
                Buffer::Receive | Buffer::Apart => socket.set_recv_buffer_size(capped),
                Buffer::Send => socket.set_send_buffer_size(capped),
            };
            if let Err(error) = plain {
                warnings.push(format!("the {self} buffer could not be set to {capped} bytes: {error}"));
            }
        }
        // The kernel reports the double of what it was given, its book-keeping included.
        let grant = BufferGrant { asked_bytes, granted_bytes: granted(socket).unwrap_or(0) / 2 };
        warnings.extend(self.warning(grant, limit_bytes));
        grant
    }

    fn warning(self, grant: BufferGrant, limit_bytes: usize) -> Option<String> {
        let BufferGrant { asked_bytes, granted_bytes } = grant;
        if granted_bytes >= asked_bytes {
            return None;
        }
        let (sysctl, consequence) = match self {
            Buffer::Receive => (
                "net.core.rmem_max",
                "bursts of input may be dropped, and beside a flood of datagrams that look like input most input is",
            ),
            Buffer::Apart => (
                "net.core.rmem_max",
                "of many who enter at once, or beside a flood of hellos, some must ask more often; who plays notices nothing",
            ),
            Buffer::Send => ("net.core.wmem_max", "snapshots may be dropped when the network is slow"),
        };
        Some(format!(
            "the {self} buffer has {granted_bytes} bytes, {asked_bytes} were asked for: {consequence}. \
             Remedy: `sysctl -w {sysctl}={limit_bytes}`, or give the program CAP_NET_ADMIN"
        ))
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Buffer::Receive => "receive",
            Buffer::Apart => "hello",
            Buffer::Send => "send",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Bound, SocketConfig, bind};

    #[test]
    fn the_source_is_checked_where_it_can_be_one_of_several() {
        let is_skipped = |bound: &Bound| {
            let (mut value, mut bytes) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
            let fd = bound.senders.socket.as_raw_fd();
            let (level, name) = (libc::IPPROTO_IP, libc::IP_TRANSPARENT);
            // SAFETY: the kernel writes at most `bytes` bytes, one `int`, to where one is.
            let got = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut bytes) };
            assert_eq!(got, 0);
            value != 0
        };
        let bound = |listen: &str| bind(&SocketConfig::new(listen.parse().unwrap())).unwrap();
        assert!(!is_skipped(&bound("0.0.0.0:0")));
        let bound = bound("127.0.0.1:0");
        // Where it may not be, that is told.
        assert_ne!(is_skipped(&bound), bound.report.reason.contains("CAP_NET_RAW"), "{}", bound.report);
    }

    #[test]
    fn a_short_grant_names_what_was_found_needed_and_the_remedy() {
        let grant = BufferGrant { asked_bytes: 33_554_432, granted_bytes: 212_992 };
        let text = Buffer::Receive.warning(grant, 40_000_000).unwrap();
        for part in ["212992", "33554432", "sysctl -w net.core.rmem_max=40000000", "CAP_NET_ADMIN"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.contains("flood"), "{text}");
        assert!(Buffer::Apart.warning(grant, 40_000_000).unwrap().contains("who plays notices nothing"));
        assert!(Buffer::Send.warning(grant, 33_554_432).unwrap().contains("net.core.wmem_max"));
        let grant = BufferGrant { asked_bytes: 1, granted_bytes: 1_152 };
        assert_eq!(Buffer::Receive.warning(grant, 1), None);
    }
}
