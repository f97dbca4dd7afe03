//! What arrives: handshakes, inputs, commands and farewells, turned into what the game takes.
//!
//! Nothing from the network is believed. The protocol has already dropped what is not of a session; here a message is
//! verified, checked for meaning, and either handed on or counted.
//!
//! **The order of arrival is the order in which the game takes things**, from one tick to the next: datagrams as the
//! socket gives them; within a datagram first the commands of its frame, then its intents, the oldest first. Whose
//! command was first decides who gets the last of a thing, and nothing else does.

use std::ops::Range;

use throng_game::{COMMANDS_MAX, CommandId, Game, Input, Intent, Notice, Outcome, Taken};
use throng_net::io::Sender;
use throng_net::limits::HEADER_BYTES;
use throng_net::protocol::channel::KIND_FRAMED;
use throng_net::protocol::packet::{DISCONNECT_APPLICATION, DISCONNECT_REPLACED, REFUSED_APPLICATION};
use throng_net::protocol::{Admission, Asking, Received, Server, SessionIndex, Ticket};
use throng_net::{Address, Peer};
use throng_schema::limits::NOTICE_BYTES_MAX;
use throng_schema::{
    CommandError, HelloError, InputError, InputRefusal, KIND_INPUT, SCHEMA_VERSION, WireError, check_command,
    command_id, read_command, write_notice,
};

use super::channels::{Channels, Told};
use super::counters::Counters;
use super::messages;
use super::residents::Residents;
use super::seat::Ack;
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
/// Disconnect reason: the client does not acknowledge what it is told. Coming back, it is told anew how it stands.
pub const DISCONNECT_UNACKNOWLEDGED: u8 = DISCONNECT_APPLICATION + 2;

/// Commands without sense for which there is room from the start.
const MALFORMED_CAPACITY: usize = 1024;

/// No session steers this player.
const NO_SESSION: u32 = u32::MAX;

/// Sessions, seats and the world: all that a datagram can touch.
pub(super) struct Inbox {
    pub protocol: Server,
    pub game: Game,
    pub seats: Seats,
    pub residents: Residents,
    pub channels: Channels,
    /// Place of each player's session.
    sessions: Vec<u32>,
    /// Commands that made no sense, to be answered with the tick's notices: the session's place and the command's id.
    malformed: Vec<(u32, u128)>,
    /// Sessions that do not acknowledge what they are told. Empty but for a moment.
    unacknowledged: Vec<u32>,
    /// Accounts that have entered since the gateway was told.
    pub arrived: Vec<u64>,
    pub counters: Counters,
}

impl Inbox {
    /// Nobody yet, and room for so many.
    pub fn new(protocol: Server, game: Game, players_max: usize) -> Self {
        Self {
            protocol,
            game,
            seats: Seats::with_capacity(players_max),
            residents: Residents::with_capacity(players_max),
            channels: Channels::with_capacity(players_max),
            sessions: Vec::with_capacity(players_max),
            malformed: Vec::with_capacity(MALFORMED_CAPACITY),
            unacknowledged: Vec::new(),
            arrived: Vec::with_capacity(players_max),
            counters: Counters::default(),
        }
    }

    /// Asks for what a datagram that begins so will read.
    pub fn prefetch(&self, head: &[u8; HEADER_BYTES]) {
        self.protocol.prefetch(head);
    }

    /// Takes one datagram in; what is to be answered goes out through `sender`.
    pub fn datagram(&mut self, now_us: u64, from: Peer, datagram: &mut [u8], sender: &mut dyn Sender) {
        match self.protocol.handle(now_us, from, datagram) {
            Received::Dropped(_) | Received::Handled => {}
            Received::Reply(answer) => send(sender, from, &answer),
            Received::Asking(asking) => self.answer(now_us, from, asking, sender),
            Received::Connected { session, ticket, first } => {
                self.join(now_us, session, &ticket, sender);
                self.data(session, first);
            }
            Received::Data { session, kind, payload } => self.data(session, Some((kind, payload))),
            Received::Strayed { session, challenge, data } => {
                send(sender, from, &challenge);
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
    fn answer(&mut self, now_us: u64, from: Peer, asking: Asking<'_>, sender: &mut dyn Sender) {
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
        send(sender, from, &answer);
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
        let enter = Input::Enter { character: ticket.character, name: ticket.name.as_str() };
        let Taken::Entered(player) = self.game.take(enter) else {
            self.counters.refused_full += 1;
            return self.close(now_us, session, DISCONNECT_WORLD_FULL, sender);
        };
        let place = player.0 as usize;
        if self.sessions.len() <= place {
            self.sessions.resize(place + 1, NO_SESSION);
        }
        self.sessions[place] = session.get() as u32;
        self.seats.insert(session.get(), player);
        self.channels.open(session.get());
        self.arrived.push(ticket.account);
        self.counters.joined += 1;
    }

    fn data(&mut self, session: SessionIndex, data: Option<(u8, &[u8])>) {
        let Some((kind, payload)) = data else { return };
        let (kind, payload) = match kind & KIND_FRAMED {
            0 => (kind, payload),
            _ => match self.frame(session, payload) {
                // A frame that comes alone has said all.
                Some(_) if kind == KIND_FRAMED => return,
                Some(rest) => (kind ^ KIND_FRAMED, rest),
                None => return,
            },
        };
        match kind {
            KIND_INPUT => self.input(session, payload),
            _ => self.counters.kind_unknown += 1,
        }
    }

    /// Takes the commands of the frame at the front of a payload, and gives what lies behind it; `None` when it is none.
    fn frame<'p>(&mut self, session: SessionIndex, payload: &'p [u8]) -> Option<&'p [u8]> {
        let Self { game, seats, channels, malformed, counters, .. } = self;
        let said = seats.said(session.get())?;
        let (mut messages, rest) = channels.read(session.get(), payload)?.ok()?;
        let tick = game.current_tick();
        // What is not admitted is not taken from the frame either: it comes again, after the tick.
        while messages.len() > 0 && said.admit_command(tick, COMMANDS_MAX) {
            let Some(message) = messages.next() else { break };
            let command = match read_command(message) {
                Ok(command) => command,
                Err(_) => {
                    counters.command_malformed += 1;
                    continue;
                }
            };
            let asked = check_command(&command).map(|fields| messages::command(&fields));
            match asked {
                Ok(Some((id, command))) => {
                    match game.take(Input::Command { player: said.player, id, command }) {
                        Taken::Queued => counters.command_taken += 1,
                        _ => counters.command_refused += 1,
                    }
                    continue;
                }
                Ok(None) | Err(CommandError::Verb { .. }) => counters.command_verb_unknown += 1,
                Err(CommandError::Negative) => counters.command_negative += 1,
                Err(CommandError::Text(_) | CommandError::Name(_)) => counters.command_text += 1,
            }
            malformed.push((session.get() as u32, command_id(&command)));
        }
        counters.commands_put_off += messages.len() as u64;
        Some(rest)
    }

    /// Puts every session of an account out, and lets nobody in by a token made for it until `until_ms`, Unix time.
    pub fn kick(&mut self, now_us: u64, until_ms: u64, account: u64, sender: &mut dyn Sender) {
        for session in self.residents.kick(account, until_ms, now_us) {
            self.counters.kicked += 1;
            self.close(now_us, session, DISCONNECT_KICKED, sender);
        }
    }

    /// Ends a session and says so to its client.
    fn close(&mut self, now_us: u64, session: SessionIndex, reason: u8, sender: &mut dyn Sender) {
        self.vacate(now_us, session);
        if let Some((goodbye, peer)) = self.protocol.close(session, reason) {
            // Nobody acknowledges a farewell, so it goes out a few times.
            for _ in 0..throng_net::limits::DISCONNECT_COPIES {
                send(sender, peer, &goodbye);
            }
        }
    }

    /// Notes that a session has ended. The rules say how long the body stays.
    fn vacate(&mut self, now_us: u64, session: SessionIndex) {
        let Self { game, seats, residents, channels, sessions, malformed, .. } = self;
        vacate(now_us, session, (game, seats, residents, channels, sessions, malformed));
    }

    /// Hands the intents that are new to the game, the oldest first.
    fn input(&mut self, session: SessionIndex, payload: &[u8]) {
        let Self { game, seats, counters, .. } = self;
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
        let Some(said) = seats.said(session.get()) else { return };
        if said.note(input.sequence, input.ack_tick) {
            counters.input_taken += 1;
        } else {
            counters.input_stale += 1;
        }
        for (sequence, intent) in input.steps() {
            if sequence <= said.taken_sequence {
                continue;
            }
            let intent = Intent {
                direction: [intent.move_x, intent.move_y].into(),
                yaw: intent.yaw,
                buttons: intent.buttons,
            };
            let (player, shown_tick) = (said.player, said.shown(input.shown_tick));
            match game.take(Input::Intent { player, sequence, shown_tick, intent }) {
                Taken::Queued => {
                    said.taken_sequence = sequence;
                    counters.intent_recovered += u64::from(sequence != input.sequence);
                }
                // The rest has no room either; the datagrams to come repeat it.
                _ => break,
            }
        }
    }

    /// Ends sessions that have been silent for too long.
    pub fn expire(&mut self, now_us: u64) {
        let Self { protocol, game, seats, residents, channels, sessions, malformed, counters, .. } = self;
        protocol.expire(now_us, |session| {
            vacate(now_us, session, (game, seats, residents, channels, sessions, malformed));
            counters.timed_out += 1;
        });
        residents.forget(now_us);
    }

    /// Notes what clients have acknowledged of the ticks before the coming one.
    pub fn note_acks(&mut self) {
        let Self { game, seats, counters, .. } = self;
        let current_tick = game.current_tick();
        for (seat, ack) in seats.take_acks() {
            let Some(ack) = ack else { continue };
            seat.acked_tick = match ack {
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
        }
    }

    /// Tells players what the tick has for them, and writes the frames that are due: of `room_bytes`, or of
    /// `room_bytes_alone` for a long message. Who does not acknowledge what it is told loses its session.
    pub fn tell(&mut self, now_us: u64, room_bytes: [usize; 2], sender: &mut dyn Sender) {
        let Self { protocol, game, seats, channels, sessions, malformed, unacknowledged, counters, .. } =
            self;
        let tick = game.current_tick();
        let mut message = [0; NOTICE_BYTES_MAX];
        // What `message` says. All who hear the same are told one after the other, and it is laid out once.
        let mut laid: Option<(Notice<'_>, usize)> = None;
        let mut say = |place: u32, notice| {
            let bytes = match laid {
                Some((said, bytes)) if said == notice => Some(bytes),
                _ => write_notice(&mut message, &messages::notice(tick, &notice)),
            };
            laid = bytes.map(|bytes| (notice, bytes));
            let Some(bytes) = bytes else {
                counters.notice_too_long += 1;
                return;
            };
            let is_lossy = messages::is_lossy(&notice);
            match channels.tell(place as usize, &message[..bytes], is_lossy) {
                Told::Queued => counters.notice_told += 1,
                Told::Waits => counters.notice_put_off += 1,
                Told::Dropped if is_lossy => counters.talk_dropped += 1,
                Told::Dropped | Told::Nobody => counters.notice_dropped += 1,
            }
        };
        for (place, id) in malformed.drain(..) {
            let (id, outcome) = (CommandId(id), Outcome::Malformed);
            say(place, Notice::Answer { id, outcome });
        }
        for (player, notice) in game.notices() {
            match sessions.get(player.0 as usize) {
                None | Some(&NO_SESSION) => {}
                Some(&place) => say(place, notice),
            }
        }
        let rtt_us = |place| protocol.session(SessionIndex::new(place)).and_then(|session| session.rtt_us);
        let mut written = |place: u32, frame: Range<u32>| {
            if let Some(seat) = seats.seat_mut(place as usize) {
                seat.frame = (frame.start, (frame.end - frame.start) as u16);
            }
        };
        channels.write(now_us, room_bytes, rtt_us, &mut written, |place| unacknowledged.push(place));
        if !unacknowledged.is_empty() {
            for place in std::mem::take(&mut self.unacknowledged) {
                self.counters.unacknowledged += 1;
                self.close(now_us, SessionIndex::new(place), DISCONNECT_UNACKNOWLEDGED, sender);
            }
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

/// All that a session has, beside itself.
type Kept<'k> = (
    &'k mut Game,
    &'k mut Seats,
    &'k mut Residents,
    &'k mut Channels,
    &'k mut Vec<u32>,
    &'k mut Vec<(u32, u128)>,
);

fn vacate(now_us: u64, session: SessionIndex, kept: Kept<'_>) {
    let (game, seats, residents, channels, sessions, malformed) = kept;
    residents.leave(session, now_us);
    channels.close(session.get());
    // The place may have another session before the tick, which asked for nothing.
    malformed.retain(|(place, _)| *place as usize != session.get());
    if let Some(seat) = seats.remove(session.get()) {
        let player = seat.player;
        if let Some(of_player) = sessions.get_mut(player.0 as usize) {
            *of_player = NO_SESSION;
        }
        game.take(Input::Leave { player });
    }
}

/// Puts a small datagram into the sender's next slot.
fn send(sender: &mut dyn Sender, to: Peer, datagram: &[u8]) {
    sender.slot()[..datagram.len()].copy_from_slice(datagram);
    sender.commit(datagram.len(), &Address::from(to));
}

#[cfg(test)]
mod tests {
    use throng_game::{GameConfig, LandSource, Rules, Spawn, WorldConfig};
    use throng_net::testing::Gateway;

    use super::*;

    #[test]
    fn who_comes_in_anothers_place_is_not_answered_for_it() {
        let world = WorldConfig {
            width_m: 100.0,
            height_m: 100.0,
            view_radius_m: 20.0,
            entities_max: 100,
            tick_hz: 20,
            seed: 1,
            refresh_ticks: 40,
        };
        let (land, rules) = (LandSource::Flat, Rules::default());
        let game = Game::new(GameConfig { world, creatures: 0, spawn: Spawn::Everywhere, land, rules });
        let gateway = Gateway::default();
        let protocol = gateway.server(gateway.config());
        let mut inbox = Inbox::new(protocol, game.expect("a small world"), 4);
        // Two commands without sense from one session and one from another, before the same tick.
        inbox.malformed.extend([(0, 7), (1, 8), (0, 9)]);
        inbox.vacate(0, SessionIndex::new(0));
        assert_eq!(inbox.malformed, [(1, 8)]);
    }
}
