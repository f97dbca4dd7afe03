//! Sealed datagrams: data, disconnects and controls of live sessions.
//!
//! ```text
//!   length ► connection ► horizon ► replay ► open ──► mark ► acks ► bucket ► data, goodbye, control
//!                                              │
//!                     nothing has changed yet ─┘
//! ```
//!
//! A datagram that does not open is counted and forgotten, however many there are: ending a session for forged ones
//! would let a forger end it. AES-GCM bears 2^52 of them (RFC 9001, section 6.6).

use super::super::counters::Reject;
use super::super::keys::Sealer;
use super::super::packet::{
    CONTROL_CONFIRM, CONTROL_PATH_RESPONSE, Header, TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT,
};
use super::super::table::{Live, Table};
use super::super::window::Freshness;
use super::{Received, Server};
use crate::Peer;
use crate::limits::{HEADER_BYTES, SEAL_BYTES};

impl Server {
    #[inline]
    pub(super) fn sealed<'d>(
        &mut self,
        now_us: u64,
        from: Peer,
        datagram: &'d mut [u8],
    ) -> Result<Received<'d>, Reject> {
        let (head, sealed) = datagram.split_first_chunk_mut::<HEADER_BYTES>().ok_or(Reject::Length)?;
        let header = Header::of(head);
        let body_bytes = sealed.len().checked_sub(SEAL_BYTES).ok_or(Reject::Length)?;
        if header.packet_type == TYPE_DISCONNECT && body_bytes != 0 {
            return Err(Reject::Length);
        }
        let index = Table::place_of(header.connection_id);
        let live = self.table.live_mut(index);
        let Some(live) = live.filter(|live| live.transmit.connection_id() == header.connection_id) else {
            // Copies of a goodbye are no trouble.
            if header.packet_type == TYPE_DISCONNECT {
                return Err(Reject::LateDisconnect);
            }
            let _ = self.strays.take(now_us, from.address.ip());
            return Err(Reject::UnknownConnection);
        };
        let Live { session, transmit, sealer } = live;
        let is_home = transmit.address().is(&from.address);
        if !is_home {
            if !session.is_confirmed {
                return Err(Reject::WrongAddress);
            }
            // From its own address a datagram is always opened, so that nobody who writes that address into
            // datagrams can shut its client out. From elsewhere it has to stand in line.
            if !self.strays.has_token(now_us, from.address.ip()) {
                return Err(Reject::StrangerLimited);
            }
        }
        match session.window.check(header.sequence) {
            Freshness::Fresh => {}
            Freshness::Duplicate => return Err(Reject::Duplicate),
            Freshness::TooOld => return Err(Reject::TooOld),
            Freshness::TooFarAhead => return Err(Reject::TooFarAhead),
        }
        let Ok(body) = session.opener.open(head, header.sequence, sealed) else {
            let _ = self.strays.take(now_us, from.address.ip());
            return Err(Reject::Forged);
        };
        let body: &'d [u8] = body;

        // Authentic and new from here on.
        session.window.mark(header.sequence);
        session.last_heard_us = now_us;
        transmit.note_received(header.sequence);
        if is_home {
            // It may have asked at several of our addresses, and somebody may have sent copies to others. What it uses now is
            // what it listens to.
            transmit.leave_from(from.local);
        }
        if header.ack > transmit.sent() {
            self.counters.ack_unsent += 1;
        } else {
            session.acked = session.acked.max(header.ack);
            if let Some(sample_us) = transmit.note_ack(now_us, header.ack, header.ack_bits) {
                session.round_trip.add(sample_us);
            }
        }
        // Here, because the workers that seal only have it by shared reference.
        if Sealer::may_change(transmit.sent())
            && let Some(sealer) = sealer
        {
            sealer.keep_up(transmit.sent());
        }
        if header.packet_type == TYPE_DISCONNECT {
            return Ok(self.left(index, header.kind));
        }
        // It came and is acknowledged like any other: what is cut is the use of its payload.
        if !session.bucket.take(now_us, self.rate) {
            return Err(Reject::RateLimited);
        }
        let data = match (header.packet_type, header.kind) {
            (TYPE_DATA, kind) => {
                self.counters.data += 1;
                Some((kind, body))
            }
            (TYPE_CONTROL, CONTROL_CONFIRM) if body.is_empty() => {
                self.counters.control += 1;
                None
            }
            (TYPE_CONTROL, CONTROL_PATH_RESPONSE) => return self.path_response(now_us, from, index, body),
            _ => return Err(Reject::Control),
        };
        if !session.is_confirmed {
            let Some(ticket) = self.table.confirm(index) else { return Ok(Received::Handled) };
            self.counters.sessions_opened += 1;
            return Ok(Received::Connected { session: index, ticket, first: data });
        }
        if !is_home && let Some(challenge) = self.strayed(now_us, from, index) {
            return Ok(Received::Strayed { session: index, challenge, data });
        }
        Ok(match data {
            Some((kind, payload)) => Received::Data { session: index, kind, payload },
            None => Received::Handled,
        })
    }

    fn left(&mut self, session: super::SessionIndex, reason: u8) -> Received<'static> {
        self.counters.disconnect += 1;
        match self.vacate(session) {
            Some((_, true)) => {
                self.counters.sessions_left += 1;
                Received::Disconnected { session, reason }
            }
            // Whoever takes back what nobody has heard of.
            _ => {
                self.counters.accepted_unconfirmed += 1;
                Received::Handled
            }
        }
    }
}
