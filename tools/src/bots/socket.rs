//! Where a swarm's datagrams come from and go to.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use throng_net::io::impersonate::Impersonator;

use super::config::{BotsConfig, BotsError};

/// Bytes asked for each buffer: half a second of snapshots for ten thousand clients, should this process be held up.
const BUFFER_BYTES: usize = 64 << 20;

/// Takes a datagram: the address it was sent to, its bytes, and the address that one of the next was sent to.
pub type Arrive<'a> = dyn FnMut(Ipv4Addr, &mut [u8], Option<Ipv4Addr>) + 'a;

/// One socket with many addresses of its own and one server at the other end. Never waits.
pub trait SwarmSocket {
    /// Hands over up to `limit` datagrams from the server, each with the address it was sent to, and with one that another of
    /// the next was sent to; how many there were.
    ///
    /// # Errors
    /// When the socket is beyond use; a datagram that could not be had is no error.
    fn drain(&mut self, limit: usize, each: &mut Arrive<'_>) -> io::Result<usize>;

    /// Sends a datagram to the server from one of the addresses, at the latest with the next [`Self::flush`].
    fn push(&mut self, local: Ipv4Addr, datagram: &[u8]);

    /// Sends what was pushed.
    fn flush(&mut self);

    /// Datagrams that the kernel dropped so far: arriving ones that found no room, leaving ones that it did not take.
    fn drops(&self) -> (u64, u64) {
        (0, 0)
    }

    /// What the kernel granted less of than was asked, and what to do about it.
    fn warnings(&self) -> &[String] {
        &[]
    }
}

/// The real one: a UDP socket that impersonates every address of 127/8.
pub struct LoopbackSocket {
    inner: Impersonator,
    server: SocketAddrV4,
    pushed: u64,
}

impl LoopbackSocket {
    /// A socket on a free port, for the server of `config`.
    ///
    /// # Errors
    /// When the server is not on this machine or the kernel gives no socket.
    pub fn bind(config: &BotsConfig) -> Result<Self, BotsError> {
        let server = config.server_v4()?;
        let inner = Impersonator::bind(0, BUFFER_BYTES, BUFFER_BYTES)
            .map_err(|error| BotsError::Bind(error.to_string()))?;
        Ok(Self { inner, server, pushed: 0 })
    }
}

impl SwarmSocket for LoopbackSocket {
    fn drain(&mut self, limit: usize, each: &mut Arrive<'_>) -> io::Result<usize> {
        let port = self.server.port();
        self.inner.drain(limit, |local, from, datagram, coming| {
            // Anyone on this machine can send to us. The address says little: a server that listens on all
            // of its addresses answers from another one than it was asked at.
            if from.port() == port {
                each(local, datagram, coming);
            }
        })
    }

    fn push(&mut self, local: Ipv4Addr, datagram: &[u8]) {
        self.pushed += 1;
        self.inner.push(local, self.server, datagram);
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn drops(&self) -> (u64, u64) {
        let failed = self.pushed.saturating_sub(self.inner.send_stats().datagrams);
        (self.inner.receive_stats().kernel_drops, failed)
    }

    fn warnings(&self) -> &[String] {
        self.inner.warnings()
    }
}
