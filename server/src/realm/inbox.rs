//! What arrives: handshakes, inputs and farewells, turned into joins, pending intents and leaves.
//!
//! Nothing from the network is believed. The protocol has already dropped what is not of a session; here a message is
//! verified, checked for meaning, and either kept or counted.

use std::net::SocketAddr;

use throng_game::{Game, Intent};
use throng_net::Address;
use throng_net::io::Sender;
use throng_net::protocol::packet::{DISCONNECT_APPLICATION, DISCONNECT_REPLACED, REFUSED_APPLICATION};
use throng_net::protocol::{Admission, Asking, Received, Server, SessionIndex, Ticket};
use throng_schema::{HelloError, InputError, InputRefusal, KIND_INPUT, SCHEMA_VERSION, WireError};

use super::counters::Counters;
use super::residents::Residents;
use super::seat::{Ack, Offer};
use super::seats::Seats;

/// Refusal reason: the hello is not a well-formed message.
pub const REFUSED_HELLO: u8 = REFUSED_APPLICATION;
/// Refusal reason: the client speaks another schema. The detail is the server's version.
pub const REFUSED_SCHEMA: u8 = REFUSED_APPLICATION + 1;
/// Refusal reason: the name cannot be shown.
pub const REFUSED_NAME: u8 = REFUSED_APPLICATION + 2;
/// Refusal reason: a later token of the same character has been used.
pub const REFUSED_STALE: u8 = REFUSED_APPLICATION + 3;
/// Refusal reason: the account may not play (any more).
pub const REFUSED_KICKED: u8 = REFUSED_APPLICATION + 4;
/// Disconnect reason: the world has no room for another avatar.
pub const DISCONNECT_WORLD_FULL: u8 = DISCONNECT_APPLICATION;
/// Disconnect reason: the account may not play (any more).
pub const DISCONNECT_KICKED: u8 = DISCONNECT_APPLICATION + 1;

/// Sessions, seats and the world: all that a datagram can touch.
pub(super) struct Inbox {
    pub protocol: Server,
    pub game: Game,
    pub seats: Seats,
    pub residents: Residents,
    /// Accounts that have entered since the gateway was told.
    pub arrived: Vec<u64>,
    pub counters: Counters,
    pub intent_hold_ticks: u32,
}

impl Inbox {
    /// Takes one datagram in; what is to be answered goes out through `sender`.
    pub fn datagram(&mut self, now_us: u64, from: SocketAddr, datagram: &mut [u8], sender: &mut dyn Sender) {
        match self.protocol.handle(now_us, from, datagram) {
            Received::Dropped(_) | Received::Handled => {}
            Received::Reply(answer) => send(sender, &from, &answer),
            Received::Asking(asking) => self.answer(now_us, from, asking, sender),
            Received::Connected { session, ticket, first } => {
                self.join(now_us, session, &ticket, sender);
                self.data(session, first);
            }
            Received::Data { session, kind, payload } => self.data(session, Some((kind, payload))),
            Received::Strayed { session, challenge, data } => {
                send(sender, &from, &challenge);
                self.data(session, data);
            }
            Received::Moved { .. } => self.counters.moved += 1,
            Received::Disconnected { session, .. } => {
                self.vacate(now_us, session);
                self.counters.left += 1;
            }
        }
    }

    /// Lets somebody with a good token in, or says why not.
    fn answer(&mut self, now_us: u64, from: SocketAddr, asking: Asking<'_>, sender: &mut dyn Sender) {
        let answer = match self.may_enter(&asking) {
            Ok(()) => match self.protocol.admit(now_us, asking) {
                Admission::Opened { reply, .. } => reply,
                Admission::Refused { reply } => {
                    self.counters.refused_full += 1;
                    reply
                }
                Admission::Dropped(_) => return,
            },
            Err((reason, detail)) => self.protocol.refuse(now_us, asking, reason, detail),
        };
        send(sender, &from, &answer);
    }

    fn may_enter(&mut self, asking: &Asking<'_>) -> Result<(), (u8, u32)> {
        let counters = &mut self.counters;
        let hello = throng_schema::read_hello(asking.payload).map_err(|_| {
            counters.refused_hello_malformed += 1;
            (REFUSED_HELLO, 0)
        })?;
        throng_schema::check_hello(&hello).map_err(|error| match error {
            HelloError::Version { .. } => {
                counters.refused_version += 1;
                (REFUSED_SCHEMA, SCHEMA_VERSION)
            }
            HelloError::Name(_) => {
                counters.refused_name += 1;
                (REFUSED_NAME, 0)
            }
        })?;
        if self.residents.is_kicked(&asking.ticket) {
            counters.refused_kicked += 1;
            return Err((REFUSED_KICKED, 0));
        }
        self.residents.check(&asking.ticket).map_err(|_| {
            counters.refused_stale += 1;
            (REFUSED_STALE, 0)
        })
    }

    /// Gives a session that now stands its avatar and its seat, and ends the one that its character had before.
    fn join(&mut self, now_us: u64, session: SessionIndex, ticket: &Ticket, sender: &mut dyn Sender) {
        if self.residents.is_kicked(ticket) {
            self.counters.refused_kicked += 1;
            return self.close(now_us, session, DISCONNECT_KICKED, sender);
        }
        match self.residents.enter(session, ticket) {
            Ok(None) => {}
            Ok(Some(before)) => {
                self.counters.replaced += 1;
                self.close(now_us, before, DISCONNECT_REPLACED, sender);
            }
            Err(_) => {
                // Two of its tokens were admitted, and the later one was confirmed first.
                self.counters.refused_stale += 1;
                return self.close(now_us, session, DISCONNECT_REPLACED, sender);
            }
        }
        let Ok(entity) = self.game.join() else {
            self.counters.refused_full += 1;
            return self.close(now_us, session, DISCONNECT_WORLD_FULL, sender);
        };
        self.seats.insert(session.get(), entity);
        self.arrived.push(ticket.account);
        self.counters.joined += 1;
    }

    fn data(&mut self, session: SessionIndex, data: Option<(u8, &[u8])>) {
        match data {
            Some((KIND_INPUT, payload)) => self.input(session, payload),
            Some(_) => self.counters.kind_unknown += 1,
            None => {}
        }
    }

    /// Puts every session of an account out, and lets nobody in by a token made for it until now.
    pub fn kick(&mut self, now_us: u64, unix_ms: u64, account: u64, sender: &mut dyn Sender) {
        for session in self.residents.kick(account, unix_ms, now_us) {
            self.counters.kicked += 1;
            self.close(now_us, session, DISCONNECT_KICKED, sender);
        }
    }

    /// Ends a session and says so to its client.
    fn close(&mut self, now_us: u64, session: SessionIndex, reason: u8, sender: &mut dyn Sender) {
        self.vacate(now_us, session);
        if let Some((goodbye, address)) = self.protocol.close(session, reason) {
            // Nobody acknowledges a farewell, so it goes out a few times.
            for _ in 0..throng_net::limits::DISCONNECT_COPIES {
                send(sender, &address, &goodbye);
            }
        }
    }

    /// Takes the avatar of an ended session out of the world.
    fn vacate(&mut self, now_us: u64, session: SessionIndex) {
        self.residents.leave(session, now_us);
        if let Some(seat) = self.seats.remove(session.get()) {
            self.game.leave(seat.entity);
        }
    }

    /// Keeps an input for the next tick when it is sound and the newest.
    fn input(&mut self, session: SessionIndex, payload: &[u8]) {
        let counters = &mut self.counters;
        let input = match throng_schema::decode_input(payload) {
            Ok(input) => input,
            Err(refusal) => {
                *match refusal {
                    InputRefusal::Wire(WireError::Truncated { .. }) => &mut counters.input_truncated,
                    InputRefusal::Wire(WireError::Prefix { .. }) => &mut counters.input_prefix,
                    InputRefusal::Wire(WireError::Invalid(_)) => &mut counters.input_malformed,
                    InputRefusal::Input(InputError::NoSequence) => &mut counters.input_no_sequence,
                    InputRefusal::Input(InputError::NoIntent) => &mut counters.input_no_intent,
                    InputRefusal::Input(InputError::NotFinite) => &mut counters.input_not_finite,
                } += 1;
                return;
            }
        };
        let Some(pending) = self.seats.get_mut(session.get()) else { return };
        match pending.offer(input) {
            Offer::Kept => {}
            Offer::KeptOver | Offer::Overtaken => counters.input_superseded += 1,
            Offer::Stale => counters.input_stale += 1,
        }
    }

    /// Ends sessions that have been silent for too long.
    pub fn expire(&mut self, now_us: u64) {
        let Self { protocol, game, seats, residents, counters, .. } = self;
        protocol.expire(now_us, |session| {
            residents.leave(session, now_us);
            if let Some(seat) = seats.remove(session.get()) {
                game.leave(seat.entity);
            }
            counters.timed_out += 1;
        });
        residents.forget(now_us);
    }

    /// Hands the newest input of every player to the world, in the order of visits: that order, and not the order in which
    /// datagrams happened to arrive, is part of the tick.
    pub fn apply_inputs(&mut self) {
        let Self { game, seats, counters, .. } = self;
        let current_tick = game.current_tick();
        for (seat, input) in seats.take_inputs() {
            if input.sequence == 0 {
                seat.silent_ticks = seat.silent_ticks.saturating_add(1);
                if seat.silent_ticks == self.intent_hold_ticks {
                    let stand_still = Intent { yaw: seat.yaw, ..Intent::default() };
                    counters.intent_expired += u64::from(game.intend(seat.entity, stand_still));
                }
                continue;
            }
            seat.silent_ticks = 0;
            seat.yaw = input.intent().yaw;
            seat.applied_sequence = input.sequence;
            seat.acked_tick = match input.ack_tick {
                0 => 0,
                tick => match seat.sent.look_up(tick, current_tick) {
                    Ack::Sent => tick,
                    unusable => {
                        match unusable {
                            Ack::Future => counters.ack_future += 1,
                            Ack::NotSent => counters.ack_not_sent += 1,
                            Ack::Sent | Ack::TooOld => counters.ack_too_old += 1,
                        }
                        0
                    }
                },
            };
            let intent = Intent {
                direction: [input.intent().move_x, input.intent().move_y].into(),
                yaw: input.intent().yaw,
                buttons: input.intent().buttons,
            };
            counters.input_applied += u64::from(game.intend(seat.entity, intent));
        }
    }

    /// Tells every client that the session is over, and ends it.
    pub fn close_all(&mut self, now_us: u64, reason: u8, sender: &mut dyn Sender) {
        for place in 0..self.protocol.transmit_halves().len() {
            self.close(now_us, SessionIndex::new(place as u32), reason, sender);
        }
        sender.flush();
    }
}

/// Puts a small datagram into the sender's next slot.
fn send(sender: &mut dyn Sender, to: &SocketAddr, datagram: &[u8]) {
    sender.slot()[..datagram.len()].copy_from_slice(datagram);
    sender.commit(datagram.len(), &Address::from(*to));
}
