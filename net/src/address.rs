//! Addresses: in the kernel's own layout, and of both ends.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU16;

/// Bytes of the largest address kept: `sockaddr_in6`.
pub(crate) const ADDRESS_BYTES_MAX: usize = 28;

const FAMILY_V4: u16 = libc::AF_INET as u16;
const FAMILY_V6: u16 = libc::AF_INET6 as u16;
const BYTES_V4: u16 = 16;
const BYTES_V6: u16 = 28;

/// One of this host's addresses, by its place among those that a socket on a wildcard address has been reached by.
/// The default is none of them: the kernel chooses, which is what a socket on a single address needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Local(Option<NonZeroU16>);

impl Local {
    /// The address at `place`; the kernel's choice where a place is beyond any table.
    pub(crate) fn at(place: usize) -> Self {
        Local(u16::try_from(place).ok().and_then(|place| NonZeroU16::MIN.checked_add(place)))
    }

    /// Its place, unless it is the kernel's choice.
    #[inline]
    pub(crate) fn place(self) -> Option<usize> {
        self.0.map(|number| usize::from(number.get()) - 1)
    }
}

/// Who a datagram is from, and which of this host's addresses it came to: what answers it must leave from there, or the
/// sender, and every router that translates addresses for it, takes them for somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub address: SocketAddr,
    /// This end.
    pub local: Local,
}

impl From<SocketAddr> for Peer {
    /// A peer whose answers leave from where the kernel likes.
    fn from(address: SocketAddr) -> Self {
        Peer { address, local: Local::default() }
    }
}

/// Where datagrams go, laid out as the kernel wants it (`sockaddr_in` or `sockaddr_in6`), and where they leave from; made
/// once per session so that nothing is converted per datagram.
///
/// IPv4 stays IPv4, also on a dual-stack socket: Linux takes both kinds there.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Address {
    bytes: [u8; ADDRESS_BYTES_MAX],
    len: u16,
    local: Local,
}

const _: () = assert!(size_of::<Address>() == 32);

impl Address {
    /// No address at all: what a table slot without a session holds.
    pub(crate) const NONE: Address = Address { bytes: [0; ADDRESS_BYTES_MAX], len: 0, local: Local(None) };

    /// The kernel's bytes: 16 for IPv4, 28 for IPv6.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether this is `other`, without building a [`SocketAddr`]: asked once per received datagram.
    pub fn is(&self, other: &SocketAddr) -> bool {
        match other {
            SocketAddr::V4(v4) => {
                self.len == BYTES_V4
                    && self.bytes[2..4] == v4.port().to_be_bytes()
                    && self.bytes[4..8] == v4.ip().octets()
            }
            SocketAddr::V6(_) => self.as_bytes() == Address::from(*other).as_bytes(),
        }
    }

    /// Which of this host's addresses datagrams leave from.
    #[inline]
    pub(crate) fn local(&self) -> Local {
        self.local
    }

    #[inline]
    pub(crate) fn leave_from(&mut self, local: Local) {
        self.local = local;
    }

    /// Both ends.
    pub fn peer(&self) -> Peer {
        Peer { address: self.socket_addr(), local: self.local }
    }

    /// The other end, as the standard library has it.
    pub fn socket_addr(&self) -> SocketAddr {
        Self::decode(self.as_bytes()).unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
    }

    /// Reads what the kernel wrote: an IPv4 or IPv6 address, or `None` for any other family or too few bytes.
    /// IPv4 addresses that come mapped into IPv6 (dual-stack sockets) are given back as IPv4.
    pub(crate) fn decode(bytes: &[u8]) -> Option<SocketAddr> {
        let family = u16::from_ne_bytes(*bytes.first_chunk()?);
        let port = u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?);
        match family {
            FAMILY_V4 => {
                let ip: [u8; 4] = *bytes.get(4..8)?.first_chunk()?;
                Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(ip), port)))
            }
            FAMILY_V6 => {
                let ip = Ipv6Addr::from(*bytes.get(8..24)?.first_chunk::<16>()?);
                let scope_id = u32::from_ne_bytes(*bytes.get(24..28)?.first_chunk()?);
                Some(match ip.to_ipv4_mapped() {
                    Some(v4) => SocketAddr::V4(SocketAddrV4::new(v4, port)),
                    // The flow label is left out: it says nothing about who the peer is.
                    None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope_id)),
                })
            }
            _ => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut bytes = [0; ADDRESS_BYTES_MAX];
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        let len = match address {
            SocketAddr::V4(v4) => {
                bytes[..2].copy_from_slice(&FAMILY_V4.to_ne_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                BYTES_V4
            }
            SocketAddr::V6(v6) => {
                bytes[..2].copy_from_slice(&FAMILY_V6.to_ne_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                BYTES_V6
            }
        };
        Address { bytes, len, local: Local::default() }
    }
}

impl From<Peer> for Address {
    fn from(peer: Peer) -> Self {
        Address { local: peer.local, ..Address::from(peer.address) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len {
            0 => f.write_str("none"),
            _ => fmt::Display::fmt(&self.socket_addr(), f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_layout() {
        for text in ["1.2.3.4:5", "127.0.0.1:65535", "[::1]:9", "[fe80::1%3]:40000", "[2001:db8::7]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let encoded = Address::from(address);
            assert_eq!(Address::decode(encoded.as_bytes()), Some(address), "{text}");
            assert_eq!(encoded.socket_addr(), address);
            assert!(encoded.is(&address));
            let mut other = address;
            other.set_port(address.port() ^ 1);
            assert!(!encoded.is(&other));
            let from_second = Address::from(Peer { address, local: Local::at(1) });
            assert!(from_second.is(&address), "where answers leave from says nothing about who the peer is");
            assert_eq!(from_second.peer(), Peer { address, local: Local::at(1) });
        }
        assert!(!Address::NONE.is(&"0.0.0.0:0".parse().unwrap()));
    }

    #[test]
    fn a_place_beyond_any_table_is_the_kernels_choice() {
        for place in [0, 1, 65_534] {
            assert_eq!(Local::at(place).place(), Some(place));
        }
        assert_eq!(Local::at(65_535), Local::default());
        assert_eq!(Local::default().place(), None);
    }

    #[test]
    fn a_mapped_address_comes_back_as_ipv4() {
        let mapped = Address::from("[::ffff:10.0.0.1]:7".parse::<SocketAddr>().unwrap());
        assert_eq!(mapped.as_bytes().len(), 28);
        assert_eq!(Address::decode(mapped.as_bytes()), Some("10.0.0.1:7".parse().unwrap()));
    }

    #[test]
    fn cut_or_foreign_addresses_are_refused() {
        for text in ["1.2.3.4:5", "[::1]:9"] {
            let encoded = Address::from(text.parse::<SocketAddr>().unwrap());
            let used = if encoded.len == BYTES_V4 { 8 } else { 28 };
            for len in 0..used {
                assert_eq!(Address::decode(&encoded.as_bytes()[..len]), None, "{text} cut to {len}");
            }
        }
        assert_eq!(Address::decode(&[1; 28]), None);
    }
}
