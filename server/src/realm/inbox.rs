//! What arrives: handshakes, inputs and farewells, turned into joins, pending intents and leaves.
//!
//! Nothing from the network is believed. The protocol has already dropped what is not of a session; here a message is
//! verified, checked for meaning, and either kept or counted.

use std::net::SocketAddr;

use throng_game::{Game, Intent};
use throng_net::Address;
use throng_net::io::Sender;
use throng_net::protocol::packet::{DISCONNECT_REPLACED, REFUSED_APPLICATION};
use throng_net::protocol::{Received, Server, SessionIndex};
use throng_schema::{HelloError, InputError, InputRefusal, KIND_INPUT, SCHEMA_VERSION, WireError};

use super::counters::Counters;
use super::seat::{Ack, Offer};
use super::seats::Seats;

/// Refusal reason: the hello is not a well-formed message.
pub const REFUSED_HELLO: u8 = REFUSED_APPLICATION;
/// Refusal reason: the client speaks another schema. The detail is the server's version.
pub const REFUSED_SCHEMA: u8 = REFUSED_APPLICATION + 1;
/// Refusal reason: the name cannot be shown.
pub const REFUSED_NAME: u8 = REFUSED_APPLICATION + 2;
/// Refusal reason: the world has no room for another avatar.
pub const REFUSED_WORLD_FULL: u8 = REFUSED_APPLICATION + 3;

/// Sessions, seats and the world: all that a datagram can touch.
pub(super) struct Inbox {
    pub protocol: Server,
    pub game: Game,
    pub seats: Seats,
    pub counters: Counters,
    pub intent_hold_ticks: u32,
}

impl Inbox {
    /// Takes one datagram in; what is to be answered goes out through `sender`.
    pub fn datagram(&mut self, now_us: u64, from: SocketAddr, datagram: &[u8], sender: &mut dyn Sender) {
        match self.protocol.handle(now_us, from, datagram) {
            Received::Dropped(_) => {}
            Received::Reply(answer) => send(sender, &from, &answer),
            Received::Connected { session, payload, reply } => match self.admit(session, payload) {
                Ok(()) => send(sender, &from, &reply),
                Err((reason, detail)) => {
                    if let Some(refused) = self.protocol.refuse(session, reason, detail) {
                        send(sender, &from, &refused);
                    }
                }
            },
            Received::Data { session, kind: KIND_INPUT, payload } => self.input(session, payload),
            Received::Data { .. } => self.counters.kind_unknown += 1,
            Received::Disconnected { session, reason } => {
                self.vacate(session);
                match reason {
                    DISCONNECT_REPLACED => self.counters.replaced += 1,
                    _ => self.counters.left += 1,
                }
            }
        }
    }

    /// Gives a new session an avatar and a seat, or says why not.
    fn admit(&mut self, session: SessionIndex, payload: &[u8]) -> Result<(), (u8, u32)> {
        let counters = &mut self.counters;
        let hello = throng_schema::read_hello(payload).map_err(|_| {
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
        let entity = self.game.join().map_err(|_| {
            counters.refused_full += 1;
            (REFUSED_WORLD_FULL, 0)
        })?;
        self.seats.insert(session.get(), entity);
        counters.joined += 1;
        Ok(())
    }

    /// Takes the avatar of an ended session out of the world.
    fn vacate(&mut self, session: SessionIndex) {
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
        let Self { protocol, game, seats, counters, .. } = self;
        protocol.expire(now_us, |session| {
            if let Some(seat) = seats.remove(session.get()) {
                game.leave(seat.entity);
            }
            counters.timed_out += 1;
        });
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
            seat.yaw = input.intent.yaw;
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
                direction: [input.intent.move_x, input.intent.move_y].into(),
                yaw: input.intent.yaw,
                buttons: input.intent.buttons,
            };
            counters.input_applied += u64::from(game.intend(seat.entity, intent));
        }
    }

    /// Tells every client that the session is over, and ends it.
    pub fn close_all(&mut self, reason: u8, sender: &mut dyn Sender) {
        for place in 0..self.seats.place_count() {
            let session = SessionIndex::new(place as u32);
            self.vacate(session);
            if let Some((goodbye, address)) = self.protocol.close(session, reason) {
                // Nobody acknowledges a farewell, so it goes out a few times.
                for _ in 0..throng_net::limits::DISCONNECT_COPIES {
                    send(sender, &address, &goodbye);
                }
            }
        }
        sender.flush();
    }
}

/// Puts a small datagram into the sender's next slot.
fn send(sender: &mut dyn Sender, to: &SocketAddr, datagram: &[u8]) {
    sender.slot()[..datagram.len()].copy_from_slice(datagram);
    sender.commit(datagram.len(), &Address::from(*to));
}
