//! Batches of datagrams in the layout of `sendmmsg` and `recvmmsg`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;

use super::SEND_SLOT_BYTES;
use super::local::{INFO_SPACE, INFO_V4_LEN, Locals, PacketInfo};
use super::memory::{Fixed, Zeroable};
use super::stats::{ReceiveStats, SendStats};
use crate::Address;
use crate::address::ADDRESS_BYTES_MAX;
use crate::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES};

/// Bytes of one receive slot: the largest datagram, its place, and room to see that one was larger.
const RECEIVE_SLOT_BYTES: usize = 1280;

/// How many datagrams ahead the beginning of one is told: what it asks for comes within the time of two or three.
const AHEAD: usize = 4;

/// Where a slot's datagram starts: so that the payload behind its header is 4 bytes short of a line of cache, and what
/// follows a 4-byte prefix starts one.
const PAYLOAD_AT: usize = 44;

const _: () = assert!(RECEIVE_SLOT_BYTES - PAYLOAD_AT > DATAGRAM_BYTES_MAX);
const _: () = assert!((PAYLOAD_AT + HEADER_BYTES + 4).is_multiple_of(64));

// SAFETY: an address of zeros is `Address::NONE`.
unsafe impl Zeroable for Address {}

/// Datagrams to send, written where they stay until the kernel has copied them.
pub(super) struct SendBatch {
    slots: Fixed<[u8; SEND_SLOT_BYTES]>,
    addresses: Fixed<Address>,
    source: Source,
    iovecs: Fixed<libc::iovec>,
    /// Header i points at iovec i and address i, iovec i at slot i, for good; what else it says of addresses, for each send.
    headers: Fixed<libc::mmsghdr>,
    count: usize,
    filled: usize,
}

/// Which local addresses the datagrams of a batch leave from.
pub(super) enum Source {
    /// The one that the socket is bound to.
    Bound,
    /// Each from the place that its address names.
    Places(Arc<Locals>),
    /// Each from what control message i says, to which header i points.
    Any(Fixed<PacketInfo>),
}

impl SendBatch {
    pub fn new(count: usize, source: Source) -> io::Result<Self> {
        let mut batch = SendBatch {
            slots: Fixed::new(count)?,
            addresses: Fixed::new(count)?,
            source,
            iovecs: Fixed::new(count)?,
            headers: Fixed::new(count)?,
            count,
            filled: 0,
        };
        for i in 0..count {
            batch.iovecs.get_mut(i).iov_base = batch.slots.at(i).cast();
            let header = &mut batch.headers.get_mut(i).msg_hdr;
            header.msg_iov = batch.iovecs.at(i);
            header.msg_iovlen = 1;
            header.msg_name = batch.addresses.at(i).cast();
            if let Source::Any(controls) = &batch.source {
                header.msg_control = controls.at(i).cast();
                header.msg_controllen = INFO_V4_LEN as _;
            }
        }
        Ok(batch)
    }

    #[inline]
    pub fn slot(&mut self) -> &mut [u8; SEND_SLOT_BYTES] {
        self.slots.get_mut(self.filled)
    }

    /// Takes the first `bytes` of the slot; `true` when there is no slot left and the batch must be sent.
    #[inline]
    pub fn commit(&mut self, bytes: usize, to: &Address) -> bool {
        assert!(bytes <= SEND_SLOT_BYTES, "a send slot has {SEND_SLOT_BYTES} bytes, {bytes} were committed");
        self.iovecs.get_mut(self.filled).iov_len = bytes;
        *self.addresses.get_mut(self.filled) = *to;
        self.filled += 1;
        self.filled == self.count
    }

    /// Sets which address the datagram in the current slot leaves from.
    pub fn set_local(&mut self, local: Ipv4Addr) {
        if let Source::Any(controls) = &mut self.source {
            *controls.get_mut(self.filled) = PacketInfo::from_local(IpAddr::V4(local));
        }
    }

    pub fn filled(&self) -> usize {
        self.filled
    }

    /// A committed datagram for the kernel: where it is, its length, and where its address is and that one's length.
    #[inline]
    pub fn datagram(&self, index: usize) -> (*const u8, u32, *const libc::sockaddr, u32) {
        let address_bytes = self.addresses.get(index).as_bytes().len() as u32;
        let bytes = self.iovecs.get(index).iov_len as u32;
        (self.slots.at(index).cast(), bytes, self.addresses.at(index).cast(), address_bytes)
    }

    /// The header of a committed datagram that leaves from a place of its own; none of one that leaves from where the
    /// socket is bound, for which [`datagram`](Self::datagram) says all.
    #[inline]
    pub fn placed(&mut self, index: usize) -> Option<*const libc::msghdr> {
        let Source::Places(_) = self.source else { return None };
        self.addresses.get(index).local().place()?;
        Some(self.complete(index))
    }

    /// Fills in what a header says of its datagram's addresses.
    fn complete(&mut self, index: usize) -> &libc::msghdr {
        let address = self.addresses.get(index);
        let header = &mut self.headers.get_mut(index).msg_hdr;
        header.msg_namelen = address.as_bytes().len() as u32;
        if let Source::Places(locals) = &self.source {
            let (message, bytes) = locals.message(address.local());
            header.msg_control = message.cast_mut().cast();
            header.msg_controllen = bytes as _;
        }
        header
    }

    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Sends the committed datagrams from number `first` on with `sendmmsg`, and empties the batch.
    ///
    /// A datagram that fails is counted and skipped: at most one call for each, whatever the kernel says.
    pub fn send_from(&mut self, first: usize, fd: RawFd, stats: &mut SendStats) {
        let mut next = first;
        for i in first..self.filled {
            self.complete(i);
        }
        while next < self.filled {
            let left = (self.filled - next) as libc::c_uint;
            // SAFETY: headers next..filled are in the array and point at live slots, addresses and controls of this
            // batch (controls that it shares with others are never written again), with their true lengths. The kernel has copied them when the call returns.
            let sent = unsafe {
                libc::sendmmsg(
                    fd,
                    self.headers.at(next),
                    left,
                    (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
                )
            };
            if sent > 0 {
                let done = next + (sent as usize).min(left as usize);
                (next..done).for_each(|i| stats.sent(self.headers.get(i).msg_len));
                next = done;
            } else {
                stats.failed(io::Error::last_os_error().raw_os_error().unwrap_or(0));
                next += 1;
            }
        }
        self.filled = 0;
    }
}

/// Room for datagrams to receive.
pub(super) struct ReceiveBatch {
    slots: Fixed<[u8; RECEIVE_SLOT_BYTES]>,
    names: Fixed<[u8; ADDRESS_BYTES_MAX]>,
    controls: Option<Fixed<PacketInfo>>,
    /// Only pointed at: iovec i is slot i from `PAYLOAD_AT` on.
    _iovecs: Fixed<libc::iovec>,
    /// Header i points at iovec i, name i and control i. Set once, for good; lengths are renewed for each call.
    headers: Fixed<libc::mmsghdr>,
    count: usize,
}

/// A datagram that is handed on soon, to ask for memory ahead: maybe, for where none follows it is one from before.
pub(super) struct Coming {
    /// How it begins.
    pub head: [u8; HEADER_BYTES],
    /// Which local address it came to, where that is asked for.
    pub info: Option<PacketInfo>,
}

impl ReceiveBatch {
    pub fn new(count: usize, learns_local: bool) -> io::Result<Self> {
        let slots = Fixed::<[u8; RECEIVE_SLOT_BYTES]>::new(count)?;
        let names = Fixed::<[u8; ADDRESS_BYTES_MAX]>::new(count)?;
        let controls = if learns_local { Some(Fixed::<PacketInfo>::new(count)?) } else { None };
        let mut iovecs = Fixed::<libc::iovec>::new(count)?;
        let mut headers = Fixed::<libc::mmsghdr>::new(count)?;
        for i in 0..count {
            let iovec = iovecs.get_mut(i);
            iovec.iov_base = slots.at(i).cast::<u8>().wrapping_add(PAYLOAD_AT).cast();
            iovec.iov_len = RECEIVE_SLOT_BYTES - PAYLOAD_AT;
            let header = &mut headers.get_mut(i).msg_hdr;
            header.msg_iov = iovecs.at(i);
            header.msg_iovlen = 1;
            header.msg_name = names.at(i).cast();
            if let Some(controls) = &controls {
                header.msg_control = controls.at(i).cast();
            }
        }
        Ok(ReceiveBatch { slots, names, controls, _iovecs: iovecs, headers, count })
    }

    /// Receives until the socket is empty or `limit` datagrams have come, and hands each one that is whole to `each`
    /// with what has been counted, its sender, where asked for the local address that it came to, and one of the next.
    /// Returns how many were taken from the socket, those that were too large and errors in place of one among them.
    pub fn drain(
        &mut self,
        fd: RawFd,
        limit: usize,
        stats: &mut ReceiveStats,
        mut each: impl FnMut(&mut ReceiveStats, SocketAddr, Option<&PacketInfo>, &mut [u8], &Coming),
    ) -> io::Result<usize> {
        let mut taken = 0;
        while taken < limit {
            let wanted = (limit - taken).min(self.count);
            match self.receive(fd, wanted) {
                Ok(received) => {
                    (0..received).for_each(|i| self.hand_on(i, stats, &mut each));
                    taken += received;
                    if received < wanted {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_passing(&error) => {
                    stats.errors += 1;
                    taken += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    fn receive(&mut self, fd: RawFd, wanted: usize) -> io::Result<usize> {
        for i in 0..wanted {
            let header = &mut self.headers.get_mut(i).msg_hdr;
            header.msg_namelen = ADDRESS_BYTES_MAX as libc::socklen_t;
            header.msg_flags = 0;
            if self.controls.is_some() {
                header.msg_controllen = INFO_SPACE as _;
            }
        }
        // SAFETY: `wanted` is at most the number of headers, which point at slots, names and controls of this batch
        // with their true lengths. Nobody refers to those now (`&mut self`), and the kernel is done with them when
        // the call returns.
        let received = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.at(0),
                wanted as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if received < 0 { Err(io::Error::last_os_error()) } else { Ok((received as usize).min(wanted)) }
    }

    fn hand_on(
        &mut self,
        i: usize,
        stats: &mut ReceiveStats,
        each: &mut impl FnMut(&mut ReceiveStats, SocketAddr, Option<&PacketInfo>, &mut [u8], &Coming),
    ) {
        let header = self.headers.get(i);
        let bytes = header.msg_len as usize;
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 || bytes > DATAGRAM_BYTES_MAX {
            stats.oversized += 1;
            return;
        }
        let name = &self.names.get(i)[..(header.msg_hdr.msg_namelen as usize).min(ADDRESS_BYTES_MAX)];
        let Some(from) = Address::decode(name) else {
            stats.errors += 1;
            return;
        };
        // Without a control message the slot still holds an earlier datagram's.
        let has_control = header.msg_hdr.msg_controllen != 0;
        let control = self.controls.as_ref().filter(|_| has_control).map(|controls| controls.get(i));
        stats.datagrams += 1;
        stats.bytes += bytes as u64;
        let mut coming = Coming { head: [0; HEADER_BYTES], info: None };
        if i + AHEAD < self.count {
            coming.head.copy_from_slice(&self.slots.get(i + AHEAD)[PAYLOAD_AT..PAYLOAD_AT + HEADER_BYTES]);
            coming.info = self.controls.as_ref().map(|controls| *controls.get(i + AHEAD));
        }
        each(stats, from, control, &mut self.slots.get_mut(i)[PAYLOAD_AT..PAYLOAD_AT + bytes], &coming);
    }
}

/// Whether an error is news about some peer or a moment's shortage, not about our socket.
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::ECONNRESET
                | libc::EHOSTUNREACH
                | libc::EHOSTDOWN
                | libc::ENETUNREACH
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::EMSGSIZE
                | libc::EACCES
                | libc::EPERM
                | libc::EOPNOTSUPP
                | libc::ENOBUFS
                | libc::ENOMEM
                | libc::EINTR
                | libc::EAGAIN
        )
    )
}
