//! UDP as bare as it gets: `sendmmsg` and `recvmmsg`, 256 datagrams a call, on sockets with the options that matter.
//!
//! These loops are the floor that the network layer is measured against. They count nothing, answer nothing and keep
//! no promise but to be fast.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::SockRef;

/// Datagrams a system call.
const BATCH: usize = 256;
const SLOT_BYTES: usize = 2048;

fn bind(receive_buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for (level, name, value) in [
        // No made-up IP id per datagram: a tenth of a send.
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
        (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 32 << 20),
        (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, receive_buffer_bytes as libc::c_int),
    ] {
        let bytes = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the kernel reads one `int` from a pointer to one `int`. Without the privilege for a large buffer the
        // small one stays, which loopback can live with.
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), bytes) };
    }
    Ok(socket)
}

/// A socket that nobody reads, with the smallest buffer there is: the kernel drops what arrives, at the very end of
/// its way. Any address of 127.0.0.0/8 leads here.
#[derive(Debug)]
pub struct Sink(UdpSocket);

impl Sink {
    /// Opens one.
    ///
    /// # Errors
    /// When the system has no socket.
    pub fn open() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        SockRef::from(&socket).set_recv_buffer_size(1)?;
        Ok(Self(socket))
    }

    /// `count` different addresses that all lead here.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn addresses(&self, count: usize) -> io::Result<Vec<SocketAddrV4>> {
        let port = self.0.local_addr()?.port();
        Ok((0..count).map(|number| SocketAddrV4::new(local(number), port)).collect())
    }
}

/// Address number `number` of 127.0.0.0/8, from 127.1.0.1 on.
pub fn local(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x7f01_0001 + number as u32)
}

fn name_of(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// A datagram to send: where to, and how long. What it says is left to the slots.
#[derive(Clone, Copy)]
pub struct Parcel {
    name: libc::sockaddr_in,
    bytes: usize,
}

impl Parcel {
    /// One for `to`, of at most 2,048 bytes.
    pub fn new(to: SocketAddrV4, bytes: usize) -> Self {
        assert!(bytes <= SLOT_BYTES);
        Self { name: name_of(to), bytes }
    }
}

/// Slots, names and headers of 256 datagrams; header i points at name i and iovec i, iovec i at slot i, for good.
struct Batch {
    slots: Box<[[u8; SLOT_BYTES]; BATCH]>,
    names: Box<[libc::sockaddr_in; BATCH]>,
    iovecs: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
}

impl Batch {
    fn new() -> Self {
        let nobody = name_of(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        let mut slots: Box<[[u8; SLOT_BYTES]; BATCH]> = Box::new([[0x5a; SLOT_BYTES]; BATCH]);
        let mut names = Box::new([nobody; BATCH]);
        let mut iovecs = Box::new(
            slots
                .each_mut()
                .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: SLOT_BYTES }),
        );
        let headers = Box::new(std::array::from_fn(|index| libc::mmsghdr {
            msg_hdr: libc::msghdr {
                msg_name: (&raw mut names[index]).cast(),
                msg_namelen: size_of::<libc::sockaddr_in>() as libc::socklen_t,
                msg_iov: &raw mut iovecs[index],
                msg_iovlen: 1,
                msg_control: std::ptr::null_mut(),
                msg_controllen: 0,
                msg_flags: 0,
            },
            msg_len: 0,
        }));
        Self { slots, names, iovecs, headers }
    }
}

/// The tuned loop around `sendmmsg`.
pub struct RawSender {
    socket: UdpSocket,
    batch: Batch,
}

impl RawSender {
    /// Opens a socket.
    ///
    /// # Errors
    /// When the system has none.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: bind(4096)?, batch: Batch::new() })
    }

    /// Sends all parcels and returns how many the kernel took.
    pub fn send(&mut self, parcels: &[Parcel]) -> usize {
        self.send_filled(parcels, |_, _| ())
    }

    /// Lets `fill` write each parcel, by its number, into the slot that it is sent from; then as [`send`](Self::send).
    pub fn send_filled(&mut self, parcels: &[Parcel], mut fill: impl FnMut(usize, &mut [u8])) -> usize {
        let Batch { slots, names, iovecs, headers } = &mut self.batch;
        let mut sent = 0;
        for (batch, chunk) in parcels.chunks(BATCH).enumerate() {
            for (number, slot) in slots.iter_mut().enumerate().take(chunk.len()) {
                fill(batch * BATCH + number, slot);
            }
            for ((name, iovec), parcel) in names.iter_mut().zip(iovecs.iter_mut()).zip(chunk) {
                (*name, iovec.iov_len) = (parcel.name, parcel.bytes);
            }
            // SAFETY: the first `chunk.len()` headers point at names, iovecs and slots of this batch, which live in
            // boxes that never move; lengths are at most a slot's. The kernel has copied them when the call returns.
            let count = unsafe {
                let count = chunk.len() as libc::c_uint;
                libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT)
            };
            sent += usize::try_from(count).unwrap_or(0);
        }
        sent
    }
}

/// The tuned loop around `recvmmsg`.
pub struct RawReceiver {
    socket: UdpSocket,
    batch: Batch,
}

impl RawReceiver {
    /// Opens a socket.
    ///
    /// # Errors
    /// When the system has none.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: bind(32 << 20)?, batch: Batch::new() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn port(&self) -> io::Result<u16> {
        self.socket.local_addr().map(|address: SocketAddr| address.port())
    }

    /// Takes all that has arrived and hands on each datagram with its sender's address and port, in network order.
    pub fn drain(&mut self, mut each: impl FnMut((u32, u16), &[u8])) -> usize {
        let Batch { slots, names, headers, .. } = &mut self.batch;
        let mut taken = 0;
        loop {
            for header in headers.iter_mut() {
                header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            // SAFETY: all headers point at names, iovecs and slots of this batch, which live in boxes that never move,
            // with their true lengths; nobody else refers to them, and the kernel is done when the call returns.
            let received = unsafe {
                let (fd, headers) = (self.socket.as_raw_fd(), headers.as_mut_ptr());
                libc::recvmmsg(fd, headers, BATCH as libc::c_uint, libc::MSG_DONTWAIT, std::ptr::null_mut())
            };
            let received = usize::try_from(received).unwrap_or(0);
            for ((header, name), slot) in headers.iter().zip(names.iter()).zip(slots.iter()).take(received) {
                each((name.sin_addr.s_addr, name.sin_port), &slot[..header.msg_len as usize]);
            }
            taken += received;
            if received < BATCH {
                return taken;
            }
        }
    }
}
