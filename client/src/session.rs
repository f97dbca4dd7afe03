//! One player's connection: the datagram protocol, the view, the inputs and the poses, tied together.
//!
//! There is no socket and no clock in here. Feed [`Session::handle`] what arrives from the server's address,
//! send what [`Session::poll`] yields, and tell both the time:
//!
//! ```
//! use throng_client::{Session, SessionConfig};
//! use throng_schema::limits::DATAGRAM_BYTES_MAX;
//!
//! # fn random_salt() -> u64 { 7 }
//! # fn granted_by_the_gateway() -> throng_net::protocol::token::Grant {
//! #     throng_net::testing::Gateway::default().grant(0)
//! # }
//! // What the gateway answered, and the private key whose public half it was asked with.
//! let grant = granted_by_the_gateway();
//! let mut session = Session::new(0, SessionConfig::new(random_salt(), grant, "Ada"))?;
//! let mut out = [0; DATAGRAM_BYTES_MAX];
//! while let Some(bytes) = session.poll(0, &mut out) {
//!     // send out[..bytes] to the server
//! #   assert_eq!(bytes, 1200);
//! }
//! // for each datagram that arrives: session.handle(now_us, &mut datagram)
//! # Ok::<(), throng_client::session::SessionError>(())
//! ```

use std::sync::Arc;

use thiserror::Error;
use throng_net::limits::{FRAME_BYTES_ALONE_MAX, SEAL_BYTES};
use throng_net::protocol::channel::frame::FrameError;
use throng_net::protocol::channel::{Channel, ChannelCounters, KIND_FRAMED, PushError};
use throng_net::protocol::packet::DISCONNECT_LEFT;
use throng_net::protocol::token::Grant;
use throng_net::protocol::{Client, ClientEvent, ClientState, CloseCause, HelloTooLong, Reject};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};
use throng_schema::{
    INPUT_BYTES, INTENTS_SENT, IntentFields, KIND_INPUT, KIND_SNAPSHOT, NameError, SCHEMA_VERSION,
    check_name, write_hello, write_input,
};

use crate::inbox::Inbox;
use crate::interpolation::{InterpolationConfig, Interpolator, Pose};
use crate::limits::FRAME_BYTES_SHARE;
use crate::pacing::{Beat, Pacer};
use crate::view::{Applied, View, ViewError};

/// Bytes of an input datagram without a frame, sealed.
pub const INPUT_DATAGRAM_BYTES: usize = DATAGRAM_HEADER_BYTES + INPUT_BYTES + SEAL_BYTES;

/// Who plays, and how others are shown.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Must be random: it tells the answers to this session's hellos from those to others.
    pub salt: u64,
    /// What the gateway gave to enter with, good for half a minute and one session.
    pub grant: Grant,
    /// A name to show, 1 to 32 bytes of printable UTF-8.
    pub name: String,
    /// How others are smoothed.
    pub interpolation: InterpolationConfig,
}

impl SessionConfig {
    /// A session with default smoothing.
    pub fn new(salt: u64, grant: Grant, name: &str) -> Self {
        Self { salt, grant, name: name.to_owned(), interpolation: InterpolationConfig::default() }
    }
}

/// Why a session cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The name cannot be shown.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The hello does not fit its datagram.
    #[error(transparent)]
    Hello(#[from] HelloTooLong),
}

/// What a datagram meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEvent<'d> {
    /// Nothing, for this reason.
    Dropped(Reject),
    /// The handshake goes on; [`Session::poll`] has something to send.
    Challenged,
    /// The session stands; inputs go out from now on.
    Connected,
    /// Something between the two ends of the connection, or messages alone; [`Session::poll`] may have something to
    /// send.
    Handled,
    /// Nothing: it came with a frame that no honest server writes.
    Refused(FrameError),
    /// A snapshot, and what the view made of it.
    Snapshot(Result<Applied, ViewError>),
    /// A message of another kind, not looked into.
    Message {
        /// Its kind.
        kind: u8,
        /// Its bytes.
        payload: &'d [u8],
    },
    /// The session is over.
    Closed(CloseCause),
}

/// One player's connection.
#[derive(Debug)]
pub struct Session {
    link: Client,
    channel: Channel,
    channel_counters: ChannelCounters,
    inbox: Inbox,
    view: View,
    interpolator: Interpolator,
    pacer: Pacer,
    intent: IntentFields,
    /// Sequence of the last input sent.
    input_sent: u32,
    /// Of that input.
    beat: Beat,
    /// The intents of the last inputs, the newest first.
    sent: [IntentFields; INTENTS_SENT],
}

impl Session {
    /// A session about to say hello.
    ///
    /// # Errors
    /// When the name is not one that a server accepts.
    pub fn new(now_us: u64, config: SessionConfig) -> Result<Self, SessionError> {
        check_name(&config.name)?;
        let hello: Arc<[u8]> = write_hello(SCHEMA_VERSION, &config.name).into();
        Ok(Self {
            link: Client::new(now_us, config.salt, config.grant, hello)?,
            channel: Channel::new(),
            channel_counters: ChannelCounters::default(),
            inbox: Inbox::new(),
            view: View::new(),
            interpolator: Interpolator::new(config.interpolation),
            pacer: Pacer::new(now_us),
            intent: IntentFields::default(),
            input_sent: 0,
            beat: Beat::default(),
            sent: Default::default(),
        })
    }

    /// Takes in one datagram from the server's address. It is decrypted where it lies. Whatever it was, messages may
    /// have come along: ask for them with [`Self::next_message`].
    pub fn handle<'d>(&mut self, now_us: u64, datagram: &'d mut [u8]) -> SessionEvent<'d> {
        match self.link.handle(now_us, datagram) {
            ClientEvent::Dropped(reason) => SessionEvent::Dropped(reason),
            ClientEvent::Challenged => SessionEvent::Challenged,
            ClientEvent::Handled => SessionEvent::Handled,
            ClientEvent::Connected => {
                self.pacer = Pacer::new(now_us);
                SessionEvent::Connected
            }
            ClientEvent::Data { kind, payload } if kind & KIND_FRAMED != 0 => {
                match self.channel.read(payload, &mut self.channel_counters) {
                    Ok((mut messages, behind)) => {
                        // Without room they stay where they are, and are sent again.
                        while self.inbox.has_room()
                            && let Some(message) = messages.next()
                        {
                            self.inbox.push(message);
                        }
                        self.data(now_us, kind & !KIND_FRAMED, behind)
                    }
                    Err(error) => SessionEvent::Refused(error),
                }
            }
            ClientEvent::Data { kind, payload } => self.data(now_us, kind, payload),
            ClientEvent::Closed(cause) => SessionEvent::Closed(cause),
        }
    }

    fn data<'d>(&mut self, now_us: u64, kind: u8, payload: &'d [u8]) -> SessionEvent<'d> {
        match kind {
            0 if payload.is_empty() => SessionEvent::Handled,
            KIND_SNAPSHOT => {
                let result = self.view.apply_bytes(payload);
                if let Ok(Applied::Reconstructed { .. }) = result {
                    self.interpolator.observe(now_us, &self.view);
                    if let Some(world) = self.view.world() {
                        let (speed, queued) = (self.view.pace().speed, self.view.own().queued);
                        self.pacer.observe(now_us, world.tick_hz, speed, queued.into());
                    }
                }
                SessionEvent::Snapshot(result)
            }
            _ => SessionEvent::Message { kind, payload },
        }
    }

    /// Writes the next datagram that is due into `out` and gives its length; call it until it gives `None`.
    /// Also notices a server that fell silent: look at [`Self::state`] afterwards.
    pub fn poll(&mut self, now_us: u64, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> Option<usize> {
        if let Some(bytes) = self.link.poll(now_us, out) {
            return Some(bytes);
        }
        if now_us < self.pacer.due_us() || self.link.state() != ClientState::Connected {
            return None;
        }
        let sequence = self.input_sent.saturating_add(1);
        let mut intents = self.sent;
        intents.rotate_right(1);
        intents[0] = self.intent;
        let mut input = [0; INPUT_BYTES];
        let shown_tick = self.interpolator.shown_tick(now_us);
        write_input(&mut input, sequence, self.view.ack_tick(), shown_tick, &intents);
        let payload = &mut out[DATAGRAM_HEADER_BYTES..];
        // Messages ride in front. An input leaves every tick, so none waits for longer than that.
        let (frame, rtt_us) = (&mut payload[..FRAME_BYTES_ALONE_MAX], self.link.rtt_us());
        let frame_bytes = self.channel.write(now_us, rtt_us, FRAME_BYTES_SHARE, frame);
        payload[frame_bytes..frame_bytes + INPUT_BYTES].copy_from_slice(&input);
        let kind = if frame_bytes == 0 { KIND_INPUT } else { KIND_INPUT | KIND_FRAMED };
        let bytes = self.link.finish(now_us, kind, out, frame_bytes + INPUT_BYTES)?;
        (self.input_sent, self.sent) = (sequence, intents);
        self.beat = self.pacer.beat();
        self.pacer.sent(now_us);
        Some(bytes)
    }

    /// When [`Self::poll`] has something to do next, at the latest; `u64::MAX` for never.
    pub fn due_us(&self) -> u64 {
        match self.link.state() {
            ClientState::Connected => self.link.due_us().min(self.pacer.due_us()),
            _ => self.link.due_us(),
        }
    }

    /// What the avatar is to do from the next input on: each input is one tick's step. A server drops an input that is
    /// not finite, so a component that is not becomes 0.
    pub fn set_intent(&mut self, intent: IntentFields) {
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        self.intent = IntentFields { move_x: finite(intent.move_x), move_y: finite(intent.move_y), ..intent };
    }

    /// Sends a message of 1 to [`MESSAGE_BYTES_MAX`](throng_net::limits::MESSAGE_BYTES_MAX) bytes, which arrives once
    /// and in order for as long as the session lives. It goes with the next input. Before the session stands it waits.
    ///
    /// # Errors
    /// When too much is on its way already, or the message has no such length.
    pub fn send(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.channel.push(message)
    }

    /// The oldest message that has come and was not asked for yet; `None` when there is none. Ask after each
    /// [`Self::handle`], or each time a picture is drawn: who never asks gets no more of them.
    pub fn next_message(&mut self) -> Option<&[u8]> {
        self.inbox.next()
    }

    /// What the frames that brought messages did.
    pub fn channel_counters(&self) -> &ChannelCounters {
        &self.channel_counters
    }

    /// Leaves; [`Self::poll`] then yields the farewell.
    pub fn disconnect(&mut self) {
        self.link.disconnect(DISCONNECT_LEFT);
    }

    /// Where the connection stands.
    pub fn state(&self) -> ClientState {
        self.link.state()
    }

    /// The world around the avatar, exactly as the server has it.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Fills `poses` with where to draw the others at `now_us`.
    pub fn poses(&self, now_us: u64, poses: &mut Vec<Pose>) {
        self.interpolator.sample(now_us, poses);
    }

    /// Sequence of the last input sent. Those after [`View::input_applied`] are still to take effect in the view:
    /// a [`Predictor`](crate::Predictor) shows them already.
    pub fn input_sent(&self) -> u32 {
        self.input_sent
    }

    /// What the input of this sequence said, while it is among the last four sent.
    pub fn intent_of(&self, sequence: u32) -> Option<IntentFields> {
        let back = self.input_sent.checked_sub(sequence)? as usize;
        if sequence == 0 { None } else { self.sent.get(back).copied() }
    }

    /// The beat of the last input sent.
    pub fn input_beat(&self) -> Beat {
        self.beat
    }

    /// When the next input leaves, and why then.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// The tick at which [`Self::poses`] shows the others at `now_us`; 0 before the first snapshot.
    pub fn shown_tick(&self, now_us: u64) -> u32 {
        self.interpolator.shown_tick(now_us)
    }

    /// Smoothed round-trip time, microseconds, the server's wait for its own tick included.
    pub fn rtt_us(&self) -> Option<u32> {
        self.link.rtt_us()
    }
}
