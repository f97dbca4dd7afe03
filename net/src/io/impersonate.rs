//! One socket that is many clients, for load generators.
//!
//! All of 127.0.0.0/8 is local, so one socket on 0.0.0.0 can send from any address in it and tell by which one each
//! answer came. That measures the server: ten thousand sockets would double the cost of receiving and add a fifth to
//! the server's own sends (wake-ups, cold socket structures).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use super::batch::{ReceiveBatch, SendBatch, Source};
use super::error::BindError;
use super::local::{self, PacketInfo};
use super::memory::Fixed;
use super::{ReceiveStats, SendStats, socket};
use crate::Address;

/// Datagrams a system call, both ways.
const SLOTS: usize = 256;

/// Control messages of a train: where it leaves from, and the size of its datagrams (`UDP_SEGMENT`).
#[repr(C)]
struct TrainControl {
    bytes: usize,
    level: libc::c_int,
    kind: libc::c_int,
    datagram_bytes: u16,
    padding: [u8; 6],
    /// Last, because it has room for an IPv6 address behind.
    from: PacketInfo,
}

// SAFETY: both only compute; they are unsafe because libc declares all such macros so.
const SEGMENT_SPACE: usize = unsafe { libc::CMSG_SPACE(size_of::<u16>() as u32) } as usize;
// SAFETY: as above.
const SEGMENT_LEN: usize = unsafe { libc::CMSG_LEN(size_of::<u16>() as u32) } as usize;
const _: () = assert!(size_of::<TrainControl>() == size_of::<PacketInfo>() + SEGMENT_SPACE);

impl TrainControl {
    fn new(from: Ipv4Addr, datagram_bytes: u16) -> Self {
        TrainControl {
            bytes: SEGMENT_LEN,
            level: libc::SOL_UDP,
            kind: libc::UDP_SEGMENT,
            datagram_bytes,
            padding: [0; 6],
            from: PacketInfo::from_local(IpAddr::V4(from)),
        }
    }
}

/// A UDP socket that speaks for any address of 127.0.0.0/8. Never waits, neither for datagrams nor for room.
pub struct Impersonator {
    socket: OwnedFd,
    port: u16,
    warnings: Vec<String>,
    receive: ReceiveBatch,
    send: SendBatch,
    receive_stats: ReceiveStats,
    send_stats: SendStats,
}

impl Impersonator {
    /// Opens `port` (0: any) on all local addresses. The receive buffer should hold what all clients get in one tick,
    /// kernel overhead included: about 2 KB a client.
    ///
    /// # Errors
    /// When the port cannot be had. Buffers that are too small are [`warnings`](Self::warnings).
    pub fn bind(
        port: u16,
        receive_buffer_bytes: usize,
        send_buffer_bytes: usize,
    ) -> Result<Impersonator, BindError> {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let opened = socket::open(listen, receive_buffer_bytes, receive_buffer_bytes, send_buffer_bytes)?;
        let fail = |action| move |source| BindError::Os { action, address: listen, source };
        local::learn(opened.socket.as_raw_fd(), false).map_err(fail("learn local addresses"))?;
        // What is sent from elsewhere than 127/8 is refused here.
        let _ = socket::skip_source_check(opened.socket.as_raw_fd());
        Ok(Impersonator {
            socket: opened.socket,
            port: opened.local_addr.port(),
            warnings: opened.warnings,
            receive: ReceiveBatch::new(SLOTS, true).map_err(fail("allocate receive slots"))?,
            send: Fixed::new(SLOTS)
                .and_then(|messages| SendBatch::new(SLOTS, Source::Any(messages)))
                .map_err(fail("allocate send slots"))?,
            receive_stats: ReceiveStats::default(),
            send_stats: SendStats::default(),
        })
    }

    /// Hands each datagram that has arrived to `each`, up to `limit`: which local address it came to, from where, its
    /// bytes, and which local address one of the next came to, to ask for memory ahead. Returns how many were taken, those
    /// that were dropped for their size among them.
    ///
    /// # Errors
    /// When the socket can no longer be read.
    pub fn drain(
        &mut self,
        limit: usize,
        mut each: impl FnMut(Ipv4Addr, SocketAddrV4, &mut [u8], Option<Ipv4Addr>),
    ) -> io::Result<usize> {
        let fd = self.socket.as_raw_fd();
        self.receive.drain(fd, limit, &mut self.receive_stats, |_, from, info, datagram, coming| {
            let local = |info: Option<&PacketInfo>| match info?.local()? {
                IpAddr::V4(local) => Some(local),
                IpAddr::V6(_) => None,
            };
            if let (Some(to), SocketAddr::V4(from)) = (local(info), from) {
                each(to, from, datagram, local(coming.info.as_ref()));
            }
        })
    }

    /// Queues a datagram from `local`, and flushes when 256 are queued. From outside 127.0.0.0/8 none is sent, and it counts as
    /// failed: a privileged socket could speak for anybody on the net.
    ///
    /// # Panics
    /// When it is larger than a send slot.
    pub fn push(&mut self, local: Ipv4Addr, to: SocketAddrV4, datagram: &[u8]) {
        if !local.is_loopback() {
            return self.send_stats.failed(libc::EADDRNOTAVAIL);
        }
        self.send.slot()[..datagram.len()].copy_from_slice(datagram);
        self.send.set_local(local);
        if self.send.commit(datagram.len(), &Address::from(SocketAddr::V4(to))) {
            self.flush();
        }
    }

    /// Sends datagrams of `datagram_bytes` each, which lie in `train` one behind another, from `local` at once: the kernel is
    /// given the whole and cuts it up at the receiver. That takes a quarter of the processor time of as many single sends;
    /// where the kernel does not know how, they are sent singly.
    ///
    /// # Panics
    /// When a datagram is larger than a send slot.
    pub fn send_train(&mut self, local: Ipv4Addr, to: SocketAddrV4, train: &[u8], datagram_bytes: u16) {
        let singly = |clients: &mut Self| {
            train.chunks(usize::from(datagram_bytes)).for_each(|one| clients.push(local, to, one));
        };
        if !local.is_loopback() {
            return singly(self);
        }
        let address = Address::from(SocketAddr::V4(to));
        let mut control = TrainControl::new(local, datagram_bytes);
        let mut iovec = libc::iovec { iov_base: train.as_ptr().cast_mut().cast(), iov_len: train.len() };
        let name = address.as_bytes();
        // SAFETY: a header of zeros is one without name, data and control.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = name.as_ptr().cast_mut().cast();
        header.msg_namelen = name.len() as libc::socklen_t;
        header.msg_iov = &raw mut iovec;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = size_of::<TrainControl>() as _;
        // SAFETY: name, data and control are live and as long as the header says; the kernel only reads them, and has
        // copied them when the call returns.
        let sent = unsafe {
            libc::sendmsg(self.socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        };
        if sent >= 0 {
            train.chunks(usize::from(datagram_bytes)).for_each(|one| self.send_stats.sent(one.len() as u32));
        } else {
            singly(self);
        }
    }

    /// Hands all queued datagrams to the kernel. What it does not take is counted and lost.
    pub fn flush(&mut self) {
        self.send.send_from(0, self.socket.as_raw_fd(), &mut self.send_stats);
    }

    /// The port that all clients share.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What falls short, each with its remedy.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What sending has counted so far.
    pub fn send_stats(&self) -> SendStats {
        self.send_stats
    }

    /// What receiving has counted so far. `kernel_drops` above 0 means that the bots, not the server, lost datagrams.
    pub fn receive_stats(&self) -> ReceiveStats {
        let kernel_drops = u64::from(socket::kernel_drops(self.socket.as_raw_fd()));
        ReceiveStats { kernel_drops, ..self.receive_stats }
    }
}
