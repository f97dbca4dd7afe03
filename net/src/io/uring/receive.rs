//! Receiving by io_uring.

use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, ThreadId};

use io_uring::types::{BufRingEntry, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode};

use super::super::batch::{PAYLOAD_AT, RECEIVE_SLOT_BYTES, is_passing};
use super::super::memory::{Fixed, Zeroable};
use super::super::{Receive, ReceiveStats, socket};
use super::SOCKET;
use crate::Address;
use crate::address::ADDRESS_BYTES_MAX;
use crate::limits::DATAGRAM_BYTES_MAX;

/// Slots that the kernel may fill before we look: 40 ms of 200,000 datagrams a second. When they run out, receiving
/// stops until the next drain and the socket's buffer holds what comes.
pub(super) const SLOTS: u16 = 8192;

/// Room for a completion of every slot, and for what else may complete.
const COMPLETIONS: u32 = 2 * SLOTS as u32;

const SLOT_GROUP: u16 = 0;
const RECEIVE: u64 = 1;
const CANCEL: u64 = 2;
const ENTER_GETEVENTS: u32 = 1;

/// Enters in one drain that may bring nothing although the kernel said that there was something to do.
const FRUITLESS_ENTERS: u32 = 2;

// SAFETY: four integers.
unsafe impl Zeroable for BufRingEntry {}

/// What the kernel reads and writes while a receive is armed.
struct Shared {
    slots: Fixed<[u8; RECEIVE_SLOT_BYTES]>,
    /// The ring in which free slots are handed to the kernel. Its tail lies in the unused bytes of entry 0.
    free: Fixed<BufRingEntry>,
    /// Says that addresses are wanted. Read when a receive is armed.
    message: Fixed<libc::msghdr>,
}

/// A multishot receive: armed once, it completes for every datagram, each in a slot of its own choice.
///
/// The kernel does nothing of this by itself. Datagrams wait in the socket until we enter, so they need no waking.
pub(in crate::io) struct UringReceiver {
    ring: IoUring,
    shared: ManuallyDrop<Shared>,
    socket: Arc<OwnedFd>,
    /// Slots ever handed to the kernel, wrapping.
    tail: u16,
    is_armed: bool,
    /// The thread that may use the ring: the first to drain.
    owner: Option<ThreadId>,
    stats: ReceiveStats,
}

impl UringReceiver {
    pub fn new(socket: Arc<OwnedFd>) -> io::Result<Self> {
        let ring = super::ring(8, COMPLETIONS, true)?;
        ring.submitter().register_files(&[socket.as_raw_fd()])?;
        let mut shared = Shared {
            slots: Fixed::new(SLOTS.into())?,
            free: Fixed::new(SLOTS.into())?,
            message: Fixed::new(1)?,
        };
        shared.message.get_mut(0).msg_namelen = ADDRESS_BYTES_MAX as libc::socklen_t;
        // SAFETY: `free` is page-aligned, has `SLOTS` entries and outlives the ring: `drop` sees to it.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(shared.free.at(0) as u64, SLOTS, SLOT_GROUP, 0)?;
        }
        let mut receiver = UringReceiver {
            ring,
            shared: ManuallyDrop::new(shared),
            socket,
            tail: 0,
            is_armed: false,
            owner: None,
            stats: ReceiveStats::default(),
        };
        (0..SLOTS).for_each(|slot| give(&mut receiver.shared, &mut receiver.tail, slot));
        publish(&receiver.shared, receiver.tail);
        Ok(receiver)
    }

    /// Makes the calling thread the one that this ring belongs to, or finds that another is.
    fn claim(&mut self) -> io::Result<()> {
        let current = thread::current().id();
        match self.owner {
            Some(owner) if owner == current => Ok(()),
            Some(_) => Err(io::Error::other("an io_uring receiver must be drained by one thread only")),
            None => {
                self.ring.submitter().register_enable_rings()?;
                self.owner = Some(current);
                Ok(())
            }
        }
    }

    /// Whether the kernel has something to do for us when entered.
    fn is_due(&mut self) -> bool {
        let queue = self.ring.submission();
        // What an enter left in the queue for lack of memory arms nothing until the next one takes it.
        !self.is_armed || !queue.is_empty() || queue.taskrun()
    }

    /// Lets the kernel move datagrams from the socket into slots. Arms the receive if it is not.
    fn enter(&mut self) -> io::Result<()> {
        if !self.is_armed {
            let receive = opcode::RecvMsgMulti::new(SOCKET, self.shared.message.at(0), SLOT_GROUP)
                .build()
                .user_data(RECEIVE);
            self.push(&receive)?;
            self.is_armed = true;
        }
        self.submit(0)
    }

    fn push(&mut self, entry: &io_uring::squeue::Entry) -> io::Result<()> {
        // SAFETY: the entries made here are receives, whose message and slots live until `drop` has seen the receive
        // end, and cancellations, which refer to no memory.
        unsafe { self.ring.submission().push(entry) }
            .map_err(|_| io::Error::other("the submission queue is full"))
    }

    fn submit(&mut self, wanted: u32) -> io::Result<()> {
        let queued = self.ring.submission().len() as u32;
        // SAFETY: no signal mask is given, and the flag takes no other argument.
        let entered =
            unsafe { self.ring.submitter().enter::<libc::sigset_t>(queued, wanted, ENTER_GETEVENTS, None) };
        match entered {
            Ok(_) => Ok(()),
            Err(error) if is_passing(&error) || error.raw_os_error() == Some(libc::EBUSY) => {
                self.stats.errors += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes completions, up to `limit`, and hands their datagrams on; how many completions there were.
    fn complete(&mut self, limit: usize, each: &mut dyn FnMut(SocketAddr, &mut [u8])) -> io::Result<usize> {
        let (mut taken, mut fatal) = (0, None);
        let mut completions = self.ring.completion();
        while taken < limit {
            let Some(completion) = completions.next() else { break };
            taken += 1;
            if !cqueue::more(completion.flags()) {
                self.is_armed = false;
            }
            if let Some(slot) = cqueue::buffer_select(completion.flags()) {
                let bytes = usize::try_from(completion.result()).unwrap_or(0).min(RECEIVE_SLOT_BYTES);
                let Shared { slots, message, .. } = &mut *self.shared;
                let filled = &mut slots.get_mut(slot.into())[..bytes];
                hand_on(filled, message.get(0), &mut self.stats, each);
                give(&mut self.shared, &mut self.tail, slot);
            } else if completion.result() == -libc::ENOBUFS {
                self.stats.slots_exhausted += 1;
            } else if completion.result() < 0 {
                let error = io::Error::from_raw_os_error(-completion.result());
                if is_passing(&error) {
                    self.stats.errors += 1;
                } else {
                    fatal = Some(error);
                }
            }
        }
        drop(completions);
        publish(&self.shared, self.tail);
        fatal.map_or(Ok(taken), Err)
    }

    /// Ends the armed receive and waits for its last completion; `false` if that cannot be seen to have come.
    fn disarm(&mut self) -> bool {
        if !self.is_armed {
            return true;
        }
        if self.owner != Some(thread::current().id()) {
            return false;
        }
        if self.push(&opcode::AsyncCancel::new(RECEIVE).build().user_data(CANCEL)).is_err() {
            return false;
        }
        // Two completions are to come, the cancellation's and the receive's last, behind at most those of all slots.
        let mut is_refused = false;
        while self.is_armed && !is_refused {
            if self.submit(1).is_err() {
                return false;
            }
            for completion in self.ring.completion() {
                match completion.user_data() {
                    RECEIVE if !cqueue::more(completion.flags()) => self.is_armed = false,
                    // "Not found" would leave nothing to wait for; "already running" ends by itself.
                    CANCEL => is_refused = ![0, -libc::EALREADY].contains(&completion.result()),
                    _ => {}
                }
            }
        }
        !self.is_armed
    }
}

/// Puts a slot into the ring of free ones, not yet for the kernel to see.
fn give(shared: &mut Shared, tail: &mut u16, slot: u16) {
    let address = shared.slots.at(slot.into()) as u64;
    let entry = shared.free.get_mut((*tail % SLOTS).into());
    entry.set_addr(address);
    entry.set_len(RECEIVE_SLOT_BYTES as u32);
    entry.set_bid(slot);
    *tail = tail.wrapping_add(1);
}

/// Lets the kernel see the free slots up to `tail`.
fn publish(shared: &Shared, tail: u16) {
    // SAFETY: entry 0 is initialised, and its last two bytes are the ring's tail, aligned as such. We alone write
    // them, and only here; the kernel reads them.
    let shared_tail = unsafe { &*BufRingEntry::tail(shared.free.at(0)).cast::<AtomicU16>() };
    // Release: entries first, then the tail that covers them.
    shared_tail.store(tail, Ordering::Release);
}

/// Takes a filled slot apart: a head by io_uring, the sender's address, the datagram.
fn hand_on(
    filled: &mut [u8],
    message: &libc::msghdr,
    stats: &mut ReceiveStats,
    each: &mut dyn FnMut(SocketAddr, &mut [u8]),
) {
    let Ok(out) = RecvMsgOut::parse(filled, message) else {
        stats.errors += 1;
        return;
    };
    if out.is_payload_truncated() || out.payload_data().len() > DATAGRAM_BYTES_MAX {
        stats.oversized += 1;
        return;
    }
    let Some(from) = Address::decode(out.name_data()) else {
        stats.errors += 1;
        return;
    };
    debug_assert_eq!(out.payload_data().as_ptr(), filled[PAYLOAD_AT..].as_ptr());
    let bytes = out.payload_data().len();
    stats.datagrams += 1;
    stats.bytes += bytes as u64;
    each(from, &mut filled[PAYLOAD_AT..PAYLOAD_AT + bytes]);
}

impl Receive for UringReceiver {
    fn drain(&mut self, limit: usize, each: &mut dyn FnMut(SocketAddr, &mut [u8])) -> io::Result<usize> {
        self.claim()?;
        let before = self.stats.datagrams;
        let (mut taken, mut fruitless) = (0, 0);
        loop {
            let seen = self.complete(limit - taken, each)?;
            taken += seen;
            fruitless = if seen == 0 { fruitless + 1 } else { 0 };
            // An enter may fail for lack of memory and leave its work undone: that is for the next drain.
            if taken >= limit || fruitless > FRUITLESS_ENTERS || (seen == 0 && !self.is_due()) {
                return Ok((self.stats.datagrams - before) as usize);
            }
            if self.is_due() {
                self.enter()?;
            }
        }
    }

    fn stats(&self) -> ReceiveStats {
        let kernel_drops = u64::from(socket::kernel_drops(self.socket.as_raw_fd()));
        ReceiveStats { kernel_drops, ..self.stats }
    }
}

impl Drop for UringReceiver {
    fn drop(&mut self) {
        if self.disarm() {
            let _ = self.ring.submitter().unregister_buf_ring(SLOT_GROUP);
            let _ = self.ring.submitter().unregister_files();
            // SAFETY: dropped once, here, and not used after. No receive is armed and the slots are unregistered, so
            // the kernel writes to none of this any more.
            unsafe { ManuallyDrop::drop(&mut self.shared) };
        }
        // Otherwise another thread owns the ring, and the kernel may yet write to the slots: they are left to it.
    }
}
