//! Sending by io_uring.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use io_uring::squeue::Flags;
use io_uring::{IoUring, opcode};

use super::super::batch::{SendBatch, Source};
use super::super::{Backend, SEND_SLOT_BYTES, SEND_SLOTS, SendStats, Sender};
use super::SOCKET;
use crate::Address;

/// Times that a submit is tried again when the kernel takes only part of a batch (it lacked memory for a moment).
const SUBMIT_TRIES: u32 = 3;

/// One thread's ring.
///
/// Each send says `MSG_DONTWAIT`: the kernel then either sends within the submit or fails at once, and never keeps a
/// request to try again later. So when a submit returns, every slot is free again, and what is left to read are the
/// completions of those that failed.
pub(in crate::io) struct UringSender {
    ring: IoUring,
    socket: Arc<OwnedFd>,
    batch: SendBatch,
    stats: SendStats,
    /// Set when the ring has failed: from then on this sender works as the other backend does.
    is_broken: bool,
    /// The ring takes submissions from one thread only.
    _not_send: PhantomData<*mut ()>,
}

impl UringSender {
    /// A sender for the calling thread.
    pub fn new(socket: Arc<OwnedFd>, source: Source) -> io::Result<Self> {
        let ring = super::ring()?;
        ring.submitter().register_files(&[socket.as_raw_fd()])?;
        let batch = SendBatch::new(SEND_SLOTS, source)?;
        Ok(UringSender {
            ring,
            socket,
            batch,
            stats: SendStats::default(),
            is_broken: false,
            _not_send: PhantomData,
        })
    }

    /// Puts the batch into the submission queue; how many fitted (all of them: the queue is empty and as large).
    fn enqueue(&mut self) -> usize {
        let mut queue = self.ring.submission();
        for i in 0..self.batch.filled() {
            const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            let (datagram, bytes, address, address_bytes) = self.batch.datagram(i);
            let send = match self.batch.placed(i) {
                None => opcode::Send::new(SOCKET, datagram, bytes)
                    .dest_addr(address)
                    .dest_addr_len(address_bytes)
                    .flags(FLAGS)
                    .build(),
                Some(header) => opcode::SendMsg::new(SOCKET, header).flags(FLAGS as u32).build(),
            };
            let send = send.flags(Flags::SKIP_SUCCESS).user_data(u64::from(bytes));
            // SAFETY: datagram, address and header lie in the batch, which never moves, and stay untouched until the
            // submit in `flush` has returned; so does the control message to which a header points, which is never
            // written again. After that the kernel does not come back to them (see the type).
            if unsafe { queue.push(&send) }.is_err() {
                return i;
            }
        }
        self.batch.filled()
    }

    /// Submits what is queued; how many entries the kernel did not take.
    fn submit(&mut self) -> usize {
        for _ in 0..SUBMIT_TRIES {
            let result = self.ring.submit();
            let left = self.ring.submission().len();
            match result {
                _ if left == 0 => return 0,
                Ok(_) => {}
                Err(error) if super::super::batch::is_passing(&error) => {}
                Err(_) => return left,
            }
        }
        self.ring.submission().len()
    }

    /// Counts the completions of failed sends: how many, and the bytes in them.
    fn count_failures(&mut self) -> (u64, u64) {
        let (mut failed, mut failed_bytes) = (0, 0);
        for completion in self.ring.completion() {
            if completion.result() < 0 {
                self.stats.failed(-completion.result());
                failed += 1;
                failed_bytes += completion.user_data();
            }
        }
        (failed, failed_bytes)
    }
}

impl Sender for UringSender {
    fn slot(&mut self) -> &mut [u8; SEND_SLOT_BYTES] {
        self.batch.slot()
    }

    fn commit(&mut self, bytes: usize, to: &Address) {
        if self.batch.commit(bytes, to) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let filled = self.batch.filled();
        if filled == 0 {
            return;
        }
        if self.is_broken {
            return self.batch.send_from(0, self.socket.as_raw_fd(), &mut self.stats);
        }
        let queued = self.enqueue();
        let taken = queued - self.submit().min(queued);
        let bytes: u64 = (0..taken).map(|i| u64::from(self.batch.datagram(i).1)).sum();
        let (failed, failed_bytes) = self.count_failures();
        self.stats.datagrams += taken as u64 - failed.min(taken as u64);
        self.stats.bytes += bytes - failed_bytes.min(bytes);
        if taken == filled {
            return self.batch.clear();
        }
        // Entries that stay in the queue would be sent with what their slots hold by then, so this ring is never
        // entered again. The kernel takes entries in order: the last ones are those to send otherwise.
        self.is_broken = true;
        self.stats.ring_failures += 1;
        self.batch.send_from(taken, self.socket.as_raw_fd(), &mut self.stats);
    }

    fn stats(&self) -> SendStats {
        self.stats
    }

    fn backend(&self) -> Backend {
        if self.is_broken { Backend::Mmsg } else { Backend::Uring }
    }
}

impl Drop for UringSender {
    fn drop(&mut self) {
        // A closed ring lets go of its files some time later; the port should be free at once.
        let _ = self.ring.submitter().unregister_files();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use super::*;

    #[test]
    fn what_the_ring_does_not_take_is_sent_once_and_in_order_by_the_other_backend() {
        if let Err(error) = super::super::probe() {
            println!("skipped: {}", super::super::refusal(&error));
            return;
        }
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = Address::from(peer.local_addr().unwrap());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sender = UringSender::new(Arc::new(socket.into()), Source::Bound).unwrap();
        let receive = |numbers: std::ops::Range<u32>| {
            for number in numbers {
                let mut back = [0; 10];
                assert_eq!(peer.recv(&mut back).unwrap(), 4);
                assert_eq!(back[..4], number.to_le_bytes());
            }
            peer.set_nonblocking(true).unwrap();
            assert!(peer.recv(&mut [0; 10]).is_err(), "nothing is sent twice");
            peer.set_nonblocking(false).unwrap();
        };
        let queue = |sender: &mut UringSender, numbers: std::ops::Range<u32>| {
            numbers.for_each(|number| sender.send(&number.to_le_bytes(), &to));
        };
        queue(&mut sender, 0..100);
        sender.flush();
        receive(0..100);
        assert_eq!(sender.backend(), Backend::Uring);

        // A queue that is nearly full takes only the first 28 of a batch.
        let nop = opcode::Nop::new().build().flags(Flags::SKIP_SUCCESS);
        for _ in 0..SEND_SLOTS - 28 {
            // SAFETY: a no-op refers to no memory.
            unsafe { sender.ring.submission().push(&nop) }.unwrap();
        }
        let unsendable = Address::from("[2001:db8::1]:9".parse::<SocketAddr>().unwrap());
        queue(&mut sender, 0..50);
        sender.send(b"lost", &unsendable);
        queue(&mut sender, 50..100);
        sender.flush();
        receive(0..100);
        let stats = sender.stats();
        assert_eq!((stats.datagrams, stats.bytes, stats.lost(), stats.ring_failures), (200, 800, 1, 1));
        assert_eq!(sender.backend(), Backend::Mmsg);
        queue(&mut sender, 0..200);
        sender.flush();
        receive(0..200);
        assert_eq!((sender.stats().datagrams, sender.stats().ring_failures), (400, 1));
    }
}
