//! A second queue on the same port, for datagrams that do not begin as those of sessions do.
//!
//! ```text
//!                      first byte at home? ── yes ──► socket 0: receive buffer of its own
//!   datagram ─► filter                         no ──► socket 1: receive buffer of its own
//! ```
//!
//! One queue for all means that whoever floods a port fills the queue that players' input needs: with the 208 KiB that
//! kernels grant by default, 90 hellos are enough. With two, the kernel drops what a flood has too much without a look at
//! the rest, and its reader decides when to take how much of either.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::socket::{self, BufferGrant};

/// The number of asm-generic/socket.h.
const SO_ATTACH_REUSEPORT_CBPF: libc::c_int = 51;

/// Which datagrams share a queue with nothing else, and how long the other one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Datagrams whose first byte is from this one to `home_last` stay in the socket's own queue, and so do empty ones. All
    /// others go to the other.
    pub home_first: u8,
    /// The last such byte.
    pub home_last: u8,
    /// Bytes of the other queue's kernel buffer.
    pub buffer_bytes: usize,
}

/// The second socket, once the kernel sends it what is not at home.
pub(super) struct Second {
    pub socket: OwnedFd,
    pub buffer: BufferGrant,
    pub warnings: Vec<String>,
}

/// Opens the second socket on the port of `first`, which is bound to `local_addr`, and divides what arrives.
///
/// `first` was bound without `SO_REUSEPORT`, so a port that somebody has was found in use. Whoever of the same user joins
/// later is given nothing, since the filter names only the first two.
///
/// Between the second bind and the filter the kernel divides by a hash: what arrives then may be in either queue, and both
/// are read.
pub(super) fn open(first: &OwnedFd, local_addr: SocketAddr, apart: &Apart) -> io::Result<Second> {
    let reuse_port = |fd| socket::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1);
    reuse_port(first.as_raw_fd())?;
    let unbound = socket::unbound(local_addr)?;
    reuse_port(unbound.as_raw_fd())?;
    let mut warnings = Vec::new();
    let buffer = socket::Buffer::Apart.set(&unbound, apart.buffer_bytes, &mut warnings);
    unbound.bind(&local_addr.into())?;
    let socket = unbound.into();
    attach(&socket, apart)?;
    Ok(Second { socket, buffer, warnings })
}

/// Lets the first byte of a datagram choose: a program of the classic packet filter, which needs no privilege.
fn attach(socket: &OwnedFd, apart: &Apart) -> io::Result<()> {
    let statement = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        // Of an empty datagram there is no first byte: a program that reads beyond the end gives 0.
        statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, u32::from(apart.home_first), 0, 2),
        statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, u32::from(apart.home_last), 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, 1, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads one `sock_fprog` from a pointer to one, and from its pointer as many instructions as it
    // says; both live until the call returns, and it keeps a copy.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::{BindError, SocketConfig, bind};
    use super::*;

    #[test]
    fn who_joins_the_port_later_is_refused_or_given_nothing() {
        let apart = Some(Apart { home_first: 5, home_last: 7, buffer_bytes: 1 << 20 });
        let config = SocketConfig { apart, ..SocketConfig::new("127.0.0.1:0".parse().unwrap()) };
        let mut bound = bind(&config).unwrap();
        let listen = bound.report.local_addr;
        assert!(bound.report.apart_buffer.is_some(), "{}", bound.report);
        let again = SocketConfig { listen, ..config };
        assert!(matches!(bind(&again), Err(BindError::PortInUse(address)) if address == listen));
        assert!(UdpSocket::bind(listen).is_err());

        // Whoever shares the port on purpose, as the same user.
        let third = socket::unbound(listen).unwrap();
        socket::set_option(third.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1).unwrap();
        third.bind(&listen.into()).unwrap();
        for peer in 0..64u8 {
            let peer_socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            peer_socket.send_to(&[5 + peer % 4], listen).unwrap();
        }
        assert_eq!(bound.receiver.drain(100, &mut |_, _| {}).unwrap(), 48);
        assert_eq!(bound.receiver.drain_apart(100, &mut |_, _| {}).unwrap(), 16);
    }
}
