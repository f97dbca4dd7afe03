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
/// `first` was bound without `SO_REUSEPORT`, so a port that somebody has was found in use. A process of the same user that
/// joins later with that option is given nothing at the same address, since the filter names only the first two, but all
/// that is sent to a more specific one that it binds (`127.0.0.1` where `first` has `0.0.0.0`): the kernel prefers that.
/// Without the option, or as another user, nobody joins.
///
/// Between the second bind and the filter the kernel divides by a hash: what arrives then may be in either queue, and both
/// are read.
///
/// `rmem_bytes` is what the remedy for too small a buffer names.
pub(super) fn open(
    first: &OwnedFd,
    local_addr: SocketAddr,
    apart: &Apart,
    rmem_bytes: usize,
) -> io::Result<Second> {
    let second = join(first, local_addr, apart, rmem_bytes);
    if second.is_err() {
        // Without the filter whoever joined the port would be given a share.
        share_port(first, 0)?;
    }
    second
}

fn join(first: &OwnedFd, local_addr: SocketAddr, apart: &Apart, rmem_bytes: usize) -> io::Result<Second> {
    share_port(first, 1)?;
    let unbound = socket::unbound(local_addr)?;
    share_port(&unbound, 1)?;
    let mut warnings = Vec::new();
    let buffer = socket::Buffer::Apart.set(&unbound, apart.buffer_bytes, rmem_bytes, &mut warnings);
    unbound.bind(&local_addr.into())?;
    let socket = unbound.into();
    attach(&socket, apart)?;
    Ok(Second { socket, buffer, warnings })
}

/// Whether others of the same user may bind this port as well.
fn share_port(socket: &impl AsRawFd, is_shared: libc::c_int) -> io::Result<()> {
    socket::set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, is_shared)
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

    /// A socket of whoever shares the port on purpose, as the same user.
    fn joined(address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = socket::unbound(address)?;
        share_port(&socket, 1)?;
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }

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

        let _third = joined(listen).unwrap();
        for peer in 0..64u8 {
            let peer_socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            peer_socket.send_to(&[5 + peer % 4], listen).unwrap();
        }
        assert_eq!(bound.receiver.drain(100, &mut |_, _| {}).unwrap(), 48);
        assert_eq!(bound.receiver.drain_apart(100, &mut |_, _| {}).unwrap(), 16);
    }

    #[test]
    fn who_joins_at_a_more_specific_address_is_given_what_is_sent_there() {
        let apart = Some(Apart { home_first: 5, home_last: 7, buffer_bytes: 1 << 20 });
        let config = SocketConfig { apart, ..SocketConfig::new("0.0.0.0:0".parse().unwrap()) };
        let mut bound = bind(&config).unwrap();
        let specific = SocketAddr::from(([127, 0, 0, 1], bound.report.local_addr.port()));
        let third = joined(specific).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(&[5], specific).unwrap();
        assert_eq!(bound.receiver.drain(100, &mut |_, _| {}).unwrap(), 0);
        assert_eq!(third.recv(&mut [0; 8]).unwrap(), 1);
    }

    #[test]
    fn a_port_that_could_not_be_divided_is_not_shared() {
        let opened = socket::open("127.0.0.1:0".parse().unwrap(), 1 << 20, 1 << 20, 1 << 20).unwrap();
        let apart = Apart { home_first: 5, home_last: 7, buffer_bytes: 1 << 20 };
        // An address for documents only: the second socket cannot have it.
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], opened.local_addr.port()));
        assert!(open(&opened.socket, elsewhere, &apart, 1 << 20).is_err());
        assert!(joined(opened.local_addr).is_err());
    }
}
