//! Which of this host's addresses a datagram came to, and leaves from.
//!
//! ```text
//!   [::]:4000 ◄── datagram to 203.0.113.7 ──► control message: 203.0.113.7 ──► place 0 ──► Peer { .., local: 0 }
//!   203.0.113.7 ──► answer    control message of place 0 ◄── Address { .., local: 0 } ◄────── session
//! ```
//!
//! A socket on a wildcard address would answer from the address that the kernel likes best for the way there. On a host with
//! several, a client that was told another one drops the answer, or its router does. A session has 2 bytes of room for its
//! place here, not 40 for a control message; a host has few addresses, so all of its sessions share few messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::{io, ptr};

use super::memory::Zeroable;
use super::socket;
use crate::Local;

/// How many of a host's addresses can be told apart. What comes to one more is answered as the kernel likes, and counted:
/// whoever has routed a whole network to itself has more than anybody can keep, or look through for each datagram.
const LOCALS_MAX: usize = 64;

/// The number of linux/in6.h.
const IPV6_FREEBIND: libc::c_int = 78;

/// The control message of one datagram: which local address it came to or leaves from (`IP_PKTINFO`, `IPV6_PKTINFO`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct PacketInfo {
    bytes: usize,
    level: libc::c_int,
    kind: libc::c_int,
    /// An `in_pktinfo` (interface, local address, address in the header) or an `in6_pktinfo` (address, interface).
    info: [u8; 24],
}

/// Room for one of either kind.
pub(super) const INFO_SPACE: usize = size_of::<PacketInfo>();

// SAFETY: these only compute; they are unsafe because libc declares all such macros so.
pub(super) const INFO_V4_LEN: usize =
    unsafe { libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) } as usize;
// SAFETY: as above.
const INFO_V6_LEN: usize = unsafe { libc::CMSG_LEN(size_of::<libc::in6_pktinfo>() as u32) } as usize;
// SAFETY: as above.
const _: () =
    assert!(INFO_SPACE == unsafe { libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as u32) } as usize);

// SAFETY: plain integers.
unsafe impl Zeroable for PacketInfo {}

impl PacketInfo {
    /// Leave from `local`, an address of this machine.
    pub fn from_local(local: IpAddr) -> Self {
        let mut info = [0; 24];
        let (bytes, level, kind) = match local {
            IpAddr::V4(v4) => {
                info[4..8].copy_from_slice(&v4.octets());
                (INFO_V4_LEN, libc::IPPROTO_IP, libc::IP_PKTINFO)
            }
            IpAddr::V6(v6) => {
                info[..16].copy_from_slice(&v6.octets());
                (INFO_V6_LEN, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
            }
        };
        PacketInfo { bytes, level, kind, info }
    }

    /// The local address that a datagram came to, if answers may leave from it: none of a group or of everybody.
    /// IPv4 in IPv6, as dual-stack sockets have it, is given back as IPv4.
    pub fn local(&self) -> Option<IpAddr> {
        let address = match (self.bytes, self.level, self.kind) {
            (INFO_V4_LEN, libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let octets: [u8; 4] = *self.info[4..].first_chunk()?;
                IpAddr::from(Ipv4Addr::from(octets))
            }
            (INFO_V6_LEN, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let octets: [u8; 16] = *self.info.first_chunk()?;
                Ipv6Addr::from(octets).to_canonical()
            }
            _ => return None,
        };
        let is_nobodys = address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST;
        (!is_nobodys).then_some(address)
    }
}

/// Has the kernel say with each datagram of a socket which local address it came to.
pub(super) fn learn(fd: RawFd, is_ipv6: bool) -> io::Result<()> {
    // For IPv4 on a dual-stack socket the kernel fills in the message of IPv6 as well.
    if is_ipv6 {
        // An address that is ours by a route alone is good to receive at; this makes it good to answer from. Kernels that
        // do not know it refuse such answers, as they would have anyway.
        let _ = socket::set_option(fd, libc::IPPROTO_IPV6, IPV6_FREEBIND, 1);
        socket::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        socket::set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// The local addresses that a socket has been reached by, each with the control message for what leaves from it.
/// Grows at the receiver, is read by every sender, and never changes a place once it is taken.
#[derive(Debug)]
pub(super) struct Locals {
    messages: [OnceLock<PacketInfo>; LOCALS_MAX],
}

impl Locals {
    pub fn new() -> Self {
        Locals { messages: [const { OnceLock::new() }; LOCALS_MAX] }
    }

    /// The control message for what leaves from `local`, for the kernel to read, and its length; null for what leaves from
    /// where the kernel likes. Without the padding at its end: what is longer than 36 bytes the kernel copies to memory that
    /// it allocates for that, once a datagram.
    #[inline]
    pub fn message(&self, local: Local) -> (*const PacketInfo, usize) {
        let message = local.place().and_then(|place| self.messages.get(place)?.get());
        message.map_or((ptr::null(), 0), |message| (ptr::from_ref(message), message.bytes))
    }

    /// The place of `address`, its own if it is new; the kernel's choice when all places are taken.
    fn place_of(&self, address: IpAddr) -> Local {
        let is_at = |message: &OnceLock<PacketInfo>| {
            message.get_or_init(|| PacketInfo::from_local(address)).local() == Some(address)
        };
        self.messages.iter().position(is_at).map_or(Local::default(), Local::at)
    }
}

/// Finds the places of what is received, most of which comes to the address of the one before.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    last: Option<(IpAddr, Local)>,
}

impl Lookup {
    #[inline]
    pub fn local(&mut self, locals: &Locals, address: IpAddr) -> Local {
        match self.last {
            Some((last, local)) if last == address => local,
            _ => {
                let local = locals.place_of(address);
                self.last = Some((address, local));
                local
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_its_address() {
        for text in ["203.0.113.7", "127.0.0.1", "2001:db8::7", "fe80::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(PacketInfo::from_local(address).local(), Some(address));
        }
        let mapped = PacketInfo::from_local("::ffff:203.0.113.7".parse().unwrap());
        assert_eq!(mapped.local(), Some("203.0.113.7".parse().unwrap()));
        for text in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "::ffff:224.0.0.1"] {
            assert_eq!(PacketInfo::from_local(text.parse().unwrap()).local(), None, "{text}");
        }
        let other =
            PacketInfo { kind: libc::IP_TTL, ..PacketInfo::from_local("203.0.113.7".parse().unwrap()) };
        assert_eq!(other.local(), None);
    }

    #[test]
    fn each_address_keeps_its_place_and_those_beyond_the_last_are_the_kernels_choice() {
        let (locals, mut lookup) = (Locals::new(), Lookup::default());
        let address = |i: usize| IpAddr::from(Ipv4Addr::from(10 << 24 | i as u32));
        for _ in 0..2 {
            for i in 0..LOCALS_MAX + 10 {
                let local = lookup.local(&locals, address(i));
                assert_eq!(lookup.local(&locals, address(i)), local);
                assert_eq!(local.place(), Some(i).filter(|place| *place < LOCALS_MAX));
                assert_eq!(locals.message(local).0.is_null(), i >= LOCALS_MAX);
            }
        }
        let third = locals.messages[2].get().and_then(PacketInfo::local);
        assert_eq!(third, Some(address(2)));
        assert_eq!(locals.message(Local::default()), (ptr::null(), 0));
        assert_eq!(locals.message(Local::at(LOCALS_MAX)), (ptr::null(), 0));
    }
}
