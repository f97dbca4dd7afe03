//! The backend of `recvmmsg` and `sendmmsg`: as fast as io_uring, on any Linux.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::batch::{ReceiveBatch, SendBatch, Source};
use super::local::{Locals, Lookup, PacketInfo};
use super::{
    Backend, Receive, ReceiveStats, SEND_SLOT_BYTES, SEND_SLOTS, SendStats, Sender, TakeAhead, socket,
};
use crate::{Address, Local, Peer};

/// Datagrams received per call: from 64 on more make no difference, and 256 slots stay in L2.
const RECEIVE_SLOTS: usize = 256;

pub(super) struct MmsgReceiver {
    socket: Arc<OwnedFd>,
    /// The queue of what is apart.
    apart: Option<OwnedFd>,
    /// For both queues, which are read in turns.
    batch: ReceiveBatch,
    /// Where the kernel says which local address each datagram came to: the places of those.
    locals: Option<(Arc<Locals>, Lookup)>,
    stats: ReceiveStats,
}

impl MmsgReceiver {
    pub fn new(
        socket: Arc<OwnedFd>,
        apart: Option<OwnedFd>,
        locals: Option<Arc<Locals>>,
    ) -> io::Result<Self> {
        let batch = ReceiveBatch::new(RECEIVE_SLOTS, locals.is_some())?;
        let locals = locals.map(|locals| (locals, Lookup::default()));
        Ok(MmsgReceiver { socket, apart, batch, locals, stats: ReceiveStats::default() })
    }
}

impl Receive for MmsgReceiver {
    fn drain_ahead(&mut self, limit: usize, each: &mut TakeAhead<'_>) -> io::Result<usize> {
        let Self { socket, batch, locals, stats, .. } = self;
        batch.drain(socket.as_raw_fd(), limit, stats, |stats, address, info, datagram, coming| {
            each(Peer { address, local: local(locals, info, stats) }, datagram, &coming.head);
        })
    }

    fn drain_apart(&mut self, limit: usize, each: &mut dyn FnMut(Peer, &mut [u8])) -> io::Result<usize> {
        let Self { apart, batch, locals, stats, .. } = self;
        let Some(apart) = apart else { return Ok(0) };
        batch.drain(apart.as_raw_fd(), limit, stats, |stats, address, info, datagram, _| {
            each(Peer { address, local: local(locals, info, stats) }, datagram);
        })
    }

    fn stats(&self) -> ReceiveStats {
        let drops = |fd: RawFd| u64::from(socket::kernel_drops(fd));
        ReceiveStats {
            kernel_drops: drops(self.socket.as_raw_fd()),
            kernel_drops_apart: self.apart.as_ref().map_or(0, |apart| drops(apart.as_raw_fd())),
            ..self.stats
        }
    }
}

/// The place of the local address that a control message names.
#[inline]
fn local(
    locals: &mut Option<(Arc<Locals>, Lookup)>,
    info: Option<&PacketInfo>,
    stats: &mut ReceiveStats,
) -> Local {
    let Some((locals, lookup)) = locals else { return Local::default() };
    let local =
        info.and_then(PacketInfo::local).map_or(Local::default(), |address| lookup.local(locals, address));
    stats.local_unknown += u64::from(local.place().is_none());
    local
}

pub(super) struct MmsgSender {
    socket: Arc<OwnedFd>,
    batch: SendBatch,
    stats: SendStats,
    /// Bound to its thread like the other backend's, so that programs run with either.
    _not_send: PhantomData<*mut ()>,
}

impl MmsgSender {
    pub fn new(socket: Arc<OwnedFd>, source: Source) -> io::Result<Self> {
        let batch = SendBatch::new(SEND_SLOTS, source)?;
        Ok(MmsgSender { socket, batch, stats: SendStats::default(), _not_send: PhantomData })
    }
}

impl Sender for MmsgSender {
    fn slot(&mut self) -> &mut [u8; SEND_SLOT_BYTES] {
        self.batch.slot()
    }

    fn commit(&mut self, bytes: usize, to: &Address) {
        if self.batch.commit(bytes, to) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.batch.send_from(0, self.socket.as_raw_fd(), &mut self.stats);
    }

    fn stats(&self) -> SendStats {
        self.stats
    }

    fn backend(&self) -> Backend {
        Backend::Mmsg
    }
}
