//! Clients that turn up at another address: a home router that forgot its table, a phone that left the house.
//!
//! ```text
//!   authentic datagram from a new address ──► its payload counts; a path challenge (40 B) goes there
//!   the same 8 bytes, sealed, from there   ──► the session's output, and its count, move there
//! ```
//!
//! Whoever merely writes an address into copies of a client's datagrams moves nothing: the challenge goes to that
//! address, sealed, and snapshots go on to the old one.

use std::net::SocketAddr;

use super::super::counters::Reject;
use super::super::packet::{CONTROL_PATH_CHALLENGE, TYPE_CONTROL};
use super::super::table::{Live, Path, SessionIndex};
use super::{Answer, Received, Server};
use crate::limits::{HEADER_BYTES, PATH_BYTES, PATH_CHALLENGE_US, PATH_LIFE_US};
use crate::{Address, Peer};

impl Server {
    /// An authentic datagram came from elsewhere: the challenge for that address, if one is due.
    #[cold]
    pub(super) fn strayed(&mut self, now_us: u64, from: Peer, index: SessionIndex) -> Option<Answer> {
        self.counters.strayed += 1;
        let Live { session, transmit, .. } = self.table.live_mut(index)?;
        let open = session.origin.path.filter(|path| now_us.saturating_sub(path.since_us) < PATH_LIFE_US);
        if open.is_some_and(|path| now_us.saturating_sub(path.asked_us) < PATH_CHALLENGE_US) {
            return None;
        }
        let home = transmit.address().socket_addr();
        if !self.may_move(home, from.address) {
            self.counters.path_prefix_full += 1;
            return None;
        }
        // Asked again, an address is asked the same: its answer may be on its way for longer than between two questions.
        let path = match open.filter(|path| path.to == from.address) {
            Some(path) => Path { asked_us: now_us, ..path },
            None => {
                Path { to: from.address, challenge: *self.entropy.draw(), since_us: now_us, asked_us: now_us }
            }
        };
        let Live { session, transmit, sealer } = self.table.live_mut(index)?;
        session.origin.path = Some(path);
        let mut datagram = [0; PATH_BYTES];
        datagram[HEADER_BYTES..HEADER_BYTES + path.challenge.len()].copy_from_slice(&path.challenge);
        transmit.seal(
            sealer.as_ref()?,
            TYPE_CONTROL,
            CONTROL_PATH_CHALLENGE,
            &mut datagram,
            path.challenge.len(),
        )?;
        self.counters.path_challenges += 1;
        Some(Answer::new(datagram))
    }

    /// An authentic path response: moves the session if it is the one waited for, from where it is waited for.
    #[cold]
    pub(super) fn path_response(
        &mut self,
        now_us: u64,
        from: Peer,
        index: SessionIndex,
        response: &[u8],
    ) -> Result<Received<'static>, Reject> {
        let Live { session, transmit, .. } = self.table.live_mut(index).ok_or(Reject::UnknownConnection)?;
        let is_awaited = session.origin.path.is_some_and(|path| {
            path.to == from.address
                && path.challenge == *response
                && now_us.saturating_sub(path.since_us) < PATH_LIFE_US
        });
        if !is_awaited {
            return Err(Reject::Control);
        }
        session.origin.path = None;
        let home = transmit.address().socket_addr();
        self.prefixes.release(home.ip());
        if !self.prefixes.take(from.address.ip()) {
            // Filled up since the challenge. Its old place is still there: it was free a moment ago.
            let _ = self.prefixes.take(home.ip());
            self.counters.path_prefix_full += 1;
            return Err(Reject::PrefixFull);
        }
        let Live { transmit, .. } = self.table.live_mut(index).ok_or(Reject::UnknownConnection)?;
        transmit.move_to(Address::from(from));
        self.counters.control += 1;
        self.counters.sessions_moved += 1;
        Ok(Received::Moved { session: index })
    }

    /// Whether the network of `to` has room for a session that leaves `home`.
    fn may_move(&mut self, home: SocketAddr, to: SocketAddr) -> bool {
        self.prefixes.release(home.ip());
        let has_room = self.prefixes.has_room(to.ip());
        let _ = self.prefixes.take(home.ip());
        has_room
    }
}
