//! The kernel boundary: one UDP port with a socket or two, one pair of traits, two backends.
//!
//! | | [`Backend::Uring`] | [`Backend::Mmsg`] |
//! |---|---|---|
//! | send | `SEND` with address (`SENDMSG` on a wildcard), 128 a submit, success not reported | `sendmmsg`, 128 a call |
//! | receive | `recvmmsg`, 256 a call | `recvmmsg`, 256 a call |
//! | needs | Linux 6.1, and nobody forbidding io_uring | any Linux |
//!
//! They cost the same; io_uring leaves room to grow, `mmsg` runs everywhere. [`bind`] chooses and says why. On a wildcard
//! address each datagram says where it leaves from, for which io_uring takes 5 % longer: there `mmsg` is chosen.
//! Both receive alike: a multishot receive of io_uring was no faster (in a whole server 7 % slower, for its many slots
//! do not stay in a cache), and while it was armed every send on the same socket woke it in vain: 3 to 4 % of a send.
//! All threads send through the first socket, which has no lock for that; each has its own [`Sender`].
//! A faster way below the socket (AF_XDP) would be a third implementation of [`Sender`].
//!
//! Every call returns at once. Waiting for a datagram costs receiver and sender eight times what polling does.

mod apart;
mod batch;
pub mod cpu;
mod error;
pub mod impersonate;
mod local;
mod memory;
mod mmsg;
mod socket;
mod stats;
mod uring;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::str::FromStr;
use std::sync::Arc;

pub use apart::Apart;
pub use error::BindError;
pub use memory::prefer_large_pages;
pub use socket::BufferGrant;
pub use stats::{ReceiveStats, SendStats};

use crate::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES};
use crate::{Address, Peer};
use batch::Source;
use local::Locals;

/// Bytes of one send slot: more than any datagram, and an odd number of cache lines. Slots 2,048 bytes apart would all
/// begin in two sets of the first-level cache.
pub const SEND_SLOT_BYTES: usize = 1472;

const _: () = assert!(SEND_SLOT_BYTES >= DATAGRAM_BYTES_MAX && SEND_SLOT_BYTES % 128 == 64);

/// Datagrams that a sender collects before it flushes by itself: 64 have all the gain of batching, 128 stay in L2.
pub const SEND_SLOTS: usize = 128;

/// Bytes of buffer asked for in each direction unless told otherwise: one tick of 10,000 clients, kernel overhead included.
pub const BUFFER_BYTES_DEFAULT: usize = 32 << 20;

/// Which backend to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// io_uring where the kernel allows it and the address is not a wildcard, `mmsg` elsewhere.
    #[default]
    Auto,
    /// io_uring or fail.
    Uring,
    /// `sendmmsg`.
    Mmsg,
}

impl FromStr for BackendChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(BackendChoice::Auto),
            "uring" => Ok(BackendChoice::Uring),
            "mmsg" => Ok(BackendChoice::Mmsg),
            _ => Err(format!("`{text}` is not an I/O backend; `auto`, `uring` and `mmsg` are")),
        }
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackendChoice::Auto => "auto",
            BackendChoice::Uring => "uring",
            BackendChoice::Mmsg => "mmsg",
        })
    }
}

/// Which backend sends; both receive by `recvmmsg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// io_uring.
    Uring,
    /// `sendmmsg`.
    Mmsg,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Uring => "uring",
            Backend::Mmsg => "mmsg",
        })
    }
}

/// What to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketConfig {
    /// Where to listen. `0.0.0.0` is all of IPv4, `[::]` is IPv4 and IPv6: answers leave from the address that was reached.
    pub listen: SocketAddr,
    /// Bytes of kernel buffer for what has arrived and not been drained.
    pub receive_buffer_bytes: usize,
    /// Which datagrams have a queue of their own, apart from all others. None: there is one queue.
    pub apart: Option<Apart>,
    /// Bytes of kernel buffer for what is sent and not yet on the wire.
    pub send_buffer_bytes: usize,
    /// Which backend.
    pub backend: BackendChoice,
    /// For tests: act as on a host that refuses io_uring.
    pub simulate_uring_refused: bool,
}

impl SocketConfig {
    /// The default configuration for an address.
    pub fn new(listen: SocketAddr) -> Self {
        SocketConfig {
            listen,
            receive_buffer_bytes: BUFFER_BYTES_DEFAULT,
            apart: None,
            send_buffer_bytes: BUFFER_BYTES_DEFAULT,
            backend: BackendChoice::Auto,
            simulate_uring_refused: false,
        }
    }
}

/// What was opened and how, for the operator. It displays as a few lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindReport {
    /// Where it listens, the port filled in.
    pub local_addr: SocketAddr,
    /// What was chosen.
    pub backend: Backend,
    /// Why.
    pub reason: String,
    /// Kernel buffer for receiving.
    pub receive_buffer: BufferGrant,
    /// Kernel buffer of the queue for what is [apart](SocketConfig::apart); `None` where there is one queue for all.
    pub apart_buffer: Option<BufferGrant>,
    /// Kernel buffer for sending.
    pub send_buffer: BufferGrant,
    /// What falls short, each with its remedy.
    pub warnings: Vec<String>,
}

impl fmt::Display for BindReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listening on {}, I/O by {} ({})", self.local_addr, self.backend, self.reason)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

/// Takes one datagram: its sender and which local address it came to, its bytes, and how one to come begins.
pub type TakeAhead<'a> = dyn FnMut(Peer, &mut [u8], &[u8; HEADER_BYTES]) + 'a;

/// Takes datagrams from the socket.
pub trait Receive: Send {
    /// Takes what has arrived from the socket, at most `limit`, hands each datagram to `each`, and returns how many were
    /// taken: as many as `limit` mean that more may be waiting. Never waits.
    /// The bytes are the kernel's slot itself, for `each` to decrypt in place or overwrite as it likes.
    ///
    /// Datagrams of more than 1,200 bytes are taken, dropped and counted; so are errors that the network caused.
    ///
    /// # Errors
    /// When the socket can no longer be read.
    fn drain(&mut self, limit: usize, each: &mut dyn FnMut(Peer, &mut [u8])) -> io::Result<usize> {
        self.drain_ahead(limit, &mut |from, datagram, _| each(from, datagram))
    }

    /// As [`drain`](Self::drain), and tells with each datagram how one that is handed on a few calls later begins, so
    /// that what it will need can be asked for. Where none comes, or a shorter one, those bytes mean nothing.
    ///
    /// # Errors
    /// When the socket can no longer be read.
    fn drain_ahead(&mut self, limit: usize, each: &mut TakeAhead<'_>) -> io::Result<usize>;

    /// As [`drain`](Self::drain), from the queue of what is [apart](SocketConfig::apart); 0 where there is none.
    ///
    /// # Errors
    /// When that queue can no longer be read.
    fn drain_apart(&mut self, limit: usize, each: &mut dyn FnMut(Peer, &mut [u8])) -> io::Result<usize>;

    /// What has been counted so far, of both queues.
    fn stats(&self) -> ReceiveStats;
}

/// Sends datagrams, many at a time. Each thread makes its own with [`SenderFactory::make`] and keeps it.
///
/// Write a datagram into [`slot`](Self::slot), [`commit`](Self::commit) it, and [`flush`](Self::flush) at the end.
/// A datagram that the kernel does not take at once is counted and dropped, never waited for.
pub trait Sender {
    /// Where the next datagram goes. Holds what some earlier datagram left there.
    fn slot(&mut self) -> &mut [u8; SEND_SLOT_BYTES];

    /// Takes the first `bytes` of the slot as a datagram for `to`; flushes when all slots are taken.
    ///
    /// # Panics
    /// When `bytes` is more than the slot has.
    fn commit(&mut self, bytes: usize, to: &Address);

    /// Hands all committed datagrams to the kernel.
    fn flush(&mut self);

    /// What has been counted so far.
    fn stats(&self) -> SendStats;

    /// By which backend this sender sends.
    fn backend(&self) -> Backend;

    /// Commits a copy of `datagram`.
    ///
    /// # Panics
    /// When it is larger than a slot.
    fn send(&mut self, datagram: &[u8], to: &Address) {
        self.slot()[..datagram.len()].copy_from_slice(datagram);
        self.commit(datagram.len(), to);
    }
}

/// Makes senders for one socket, each on the thread that will use it.
#[derive(Clone, Debug)]
pub struct SenderFactory {
    socket: Arc<OwnedFd>,
    /// Where the socket answers each from the address that it was reached by.
    locals: Option<Arc<Locals>>,
    backend: Backend,
    is_forced: bool,
}

impl SenderFactory {
    /// Makes a sender for the calling thread.
    ///
    /// When the backend was chosen by [`BackendChoice::Auto`] and the kernel gives this thread no ring, it sends by
    /// `mmsg`; [`Sender::backend`] tells.
    ///
    /// # Errors
    /// When there is no memory, or io_uring was demanded and is refused.
    pub fn make(&self) -> io::Result<Box<dyn Sender>> {
        if self.backend == Backend::Uring {
            match uring::UringSender::new(self.socket.clone(), self.source()) {
                Ok(sender) => return Ok(Box::new(sender)),
                Err(error) if self.is_forced => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Box::new(mmsg::MmsgSender::new(self.socket.clone(), self.source())?))
    }

    fn source(&self) -> Source {
        self.locals.clone().map_or(Source::Bound, Source::Places)
    }
}

/// An open socket.
pub struct Bound {
    /// The one receiver.
    pub receiver: Box<dyn Receive>,
    /// Makes as many senders as there are threads.
    pub senders: SenderFactory,
    /// What was opened and how.
    pub report: BindReport,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("report", &self.report).finish_non_exhaustive()
    }
}

/// Opens a socket and chooses its backend.
///
/// # Errors
/// When the address cannot be had, or io_uring is demanded and refused. Limits that are merely too small are
/// [`warnings`](BindReport::warnings).
pub fn bind(config: &SocketConfig) -> Result<Bound, BindError> {
    let apart_bytes = config.apart.map_or(0, |apart| apart.buffer_bytes);
    let rmem_bytes = config.receive_buffer_bytes.max(apart_bytes);
    let mut opened =
        socket::open(config.listen, config.receive_buffer_bytes, rmem_bytes, config.send_buffer_bytes)?;
    let mut apart_buffer = None;
    let mut second = None;
    match config.apart.as_ref().map(|apart| apart::open(&opened.socket, opened.local_addr, apart, rmem_bytes)) {
        None => {}
        Some(Ok(opened_second)) => {
            apart_buffer = Some(opened_second.buffer);
            // The remedy for the other one cures both.
            if opened.receive_buffer.granted_bytes >= opened.receive_buffer.asked_bytes {
                opened.warnings.extend(opened_second.warnings);
            }
            second = Some(opened_second.socket);
        }
        Some(Err(error)) => opened.warnings.push(format!(
            "hellos cannot have a queue of their own ({error}): beside a flood of them players' input may be dropped. \
             Needed: Linux 4.5 or newer, and a sandbox that allows SO_REUSEPORT and SO_ATTACH_REUSEPORT_CBPF"
        )),
    }
    let locals = learn_locals(config.listen, &opened.socket, second.as_ref(), &mut opened.warnings);
    let socket = Arc::new(opened.socket);
    let uring = match config.backend {
        BackendChoice::Mmsg => Err("asked for".to_owned()),
        BackendChoice::Auto if locals.is_some() => {
            Err("on a wildcard address, where a send by io_uring takes 5 % longer".to_owned())
        }
        _ if config.simulate_uring_refused => Err(uring::refusal(&io::Error::from_raw_os_error(libc::EPERM))),
        _ => uring::probe().map_err(|error| uring::refusal(&error)),
    };
    let (backend, reason) = match uring {
        Ok(()) => (Backend::Uring, uring::description()),
        Err(reason) if config.backend == BackendChoice::Uring => {
            return Err(BindError::UringRefused { reason });
        }
        Err(reason) => (Backend::Mmsg, reason),
    };
    // On a wildcard the address can be one that is no longer the host's, or was never one that answers may leave from.
    let checks_source = locals.is_none() && socket::skip_source_check(socket.as_raw_fd()).is_err();
    let reason = if checks_source { format!("{reason}; faster with CAP_NET_RAW") } else { reason };
    let receiver = mmsg::MmsgReceiver::new(socket.clone(), second, locals.clone())
        .map_err(|error| BindError::new("allocate receive slots", config.listen, error))?;
    Ok(Bound {
        receiver: Box::new(receiver),
        senders: SenderFactory { socket, locals, backend, is_forced: config.backend == BackendChoice::Uring },
        report: BindReport {
            local_addr: opened.local_addr,
            backend,
            reason,
            receive_buffer: opened.receive_buffer,
            apart_buffer,
            send_buffer: opened.send_buffer,
            warnings: opened.warnings,
        },
    })
}

/// Has answers leave from the address that their sender reached, where that can be one of several.
fn learn_locals(
    listen: SocketAddr,
    socket: &OwnedFd,
    second: Option<&OwnedFd>,
    warnings: &mut Vec<String>,
) -> Option<Arc<Locals>> {
    if !listen.ip().to_canonical().is_unspecified() {
        return None;
    }
    let learn = |socket: &OwnedFd| local::learn(socket.as_raw_fd(), listen.is_ipv6());
    match learn(socket).and_then(|()| second.map_or(Ok(()), learn)) {
        Ok(()) => Some(Arc::new(Locals::new())),
        Err(error) => {
            warnings.push(format!(
                "the kernel does not say by which address of this host it was reached ({error}): clients get answers from \
                 the one that it likes best, and drop them if they were told another. Needed: IP_PKTINFO, or the one \
                 address that clients are told in place of {}",
                listen.ip()
            ));
            None
        }
    }
}
