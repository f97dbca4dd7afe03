//! One socket that is many clients, for load generators.
//!
//! All of 127.0.0.0/8 is local, so one socket on 0.0.0.0 can send from any address in it and tell by which one each
//! answer came. That measures the server: ten thousand sockets would double the cost of receiving and add a fifth to
//! the server's own sends (wake-ups, cold socket structures).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use super::batch::{PacketInfo, ReceiveBatch, SendBatch};
use super::error::BindError;
use super::{ReceiveStats, SendStats, socket};
use crate::Address;

/// Datagrams a system call, both ways.
const SLOTS: usize = 256;

/// A UDP socket that speaks for any local IPv4 address. Never waits, neither for datagrams nor for room.
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
        let opened = socket::open(listen, receive_buffer_bytes, send_buffer_bytes)?;
        let fail = |action| move |source| BindError::Os { action, address: listen, source };
        socket::set_option(opened.socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
            .map_err(fail("learn local addresses"))?;
        Ok(Impersonator {
            socket: opened.socket,
            port: opened.local_addr.port(),
            warnings: opened.warnings,
            receive: ReceiveBatch::new(SLOTS, true).map_err(fail("allocate receive slots"))?,
            send: SendBatch::new(SLOTS, true).map_err(fail("allocate send slots"))?,
            receive_stats: ReceiveStats::default(),
            send_stats: SendStats::default(),
        })
    }

    /// Hands each datagram that has arrived to `each`, up to about `limit`: which local address it came to, from
    /// where, and its bytes. Returns how many.
    ///
    /// # Errors
    /// When the socket can no longer be read.
    pub fn drain(
        &mut self,
        limit: usize,
        mut each: impl FnMut(Ipv4Addr, SocketAddrV4, &mut [u8]),
    ) -> io::Result<usize> {
        let fd = self.socket.as_raw_fd();
        self.receive.drain(fd, limit, &mut self.receive_stats, |from, control, datagram, _| {
            if let (Some(local), SocketAddr::V4(from)) = (control.and_then(PacketInfo::local), from) {
                each(local, from, datagram);
            }
        })
    }

    /// Queues a datagram from `local`, an address of this machine, and flushes when 256 are queued.
    ///
    /// # Panics
    /// When it is larger than a send slot of 2,048 bytes.
    pub fn push(&mut self, local: Ipv4Addr, to: SocketAddrV4, datagram: &[u8]) {
        self.send.slot()[..datagram.len()].copy_from_slice(datagram);
        self.send.set_local(local);
        if self.send.commit(datagram.len(), &Address::from(SocketAddr::V4(to))) {
            self.flush();
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
