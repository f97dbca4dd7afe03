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
use throng_net::limits::SEAL_BYTES;
use throng_net::protocol::packet::DISCONNECT_LEFT;
use throng_net::protocol::token::Grant;
use throng_net::protocol::{Client, ClientEvent, ClientState, CloseCause, HelloTooLong, Reject};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};
use throng_schema::{
    INPUT_BYTES, INTENTS_SENT, IntentFields, KIND_INPUT, KIND_SNAPSHOT, NameError, SCHEMA_VERSION,
    check_name, write_hello, write_input,
};

use crate::interpolation::{InterpolationConfig, Interpolator, Pose};
use crate::limits::TICK_HZ_ASSUMED;
use crate::view::{Applied, View, ViewError};

/// Bytes of an input datagram, sealed.
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
    /// Something between the two ends of the connection; [`Session::poll`] may have something to send.
    Handled,
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
    view: View,
    interpolator: Interpolator,
    intent: IntentFields,
    /// Those of the last inputs sent, the newest first.
    past: [IntentFields; INTENTS_SENT - 1],
    /// Sequence of the last input sent.
    input_sent: u32,
    input_due_us: u64,
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
            view: View::new(),
            interpolator: Interpolator::new(config.interpolation),
            intent: IntentFields::default(),
            past: Default::default(),
            input_sent: 0,
            input_due_us: 0,
        })
    }

    /// Takes in one datagram from the server's address. It is decrypted where it lies.
    pub fn handle<'d>(&mut self, now_us: u64, datagram: &'d mut [u8]) -> SessionEvent<'d> {
        match self.link.handle(now_us, datagram) {
            ClientEvent::Dropped(reason) => SessionEvent::Dropped(reason),
            ClientEvent::Challenged => SessionEvent::Challenged,
            ClientEvent::Handled => SessionEvent::Handled,
            ClientEvent::Connected => {
                self.input_due_us = now_us;
                SessionEvent::Connected
            }
            ClientEvent::Data { kind: KIND_SNAPSHOT, payload } => {
                let result = self.view.apply_bytes(payload);
                if let Ok(Applied::Reconstructed { .. }) = result {
                    self.interpolator.observe(now_us, &self.view);
                }
                SessionEvent::Snapshot(result)
            }
            ClientEvent::Data { kind, payload } => SessionEvent::Message { kind, payload },
            ClientEvent::Closed(cause) => SessionEvent::Closed(cause),
        }
    }

    /// Writes the next datagram that is due into `out` and gives its length; call it until it gives `None`.
    /// Also notices a server that fell silent: look at [`Self::state`] afterwards.
    pub fn poll(&mut self, now_us: u64, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> Option<usize> {
        if let Some(bytes) = self.link.poll(now_us, out) {
            return Some(bytes);
        }
        if now_us < self.input_due_us {
            return None;
        }
        let sequence = self.input_sent.saturating_add(1);
        let mut input = [0; INPUT_BYTES];
        let [first, second, third] = self.past;
        let intents = [self.intent, first, second, third];
        write_input(&mut input, sequence, self.view.ack_tick(), 0, &intents);
        out[DATAGRAM_HEADER_BYTES..DATAGRAM_HEADER_BYTES + INPUT_BYTES].copy_from_slice(&input);
        let bytes = self.link.finish(now_us, KIND_INPUT, out, INPUT_BYTES)?;
        self.input_sent = sequence;
        self.past = [self.intent, first, second];

        let tick_hz = self.view.world().map_or(TICK_HZ_ASSUMED, |world| world.tick_hz);
        let tick_us = 1_000_000 / u64::from(tick_hz);
        // On a steady beat, except after a stall: inputs that were not sent are not made up for, as only
        // the newest counts.
        let next_us = self.input_due_us.saturating_add(tick_us);
        self.input_due_us = if next_us > now_us { next_us } else { now_us.saturating_add(tick_us) };
        Some(bytes)
    }

    /// When [`Self::poll`] has something to do next, at the latest; `u64::MAX` for never.
    pub fn due_us(&self) -> u64 {
        match self.link.state() {
            ClientState::Connected => self.link.due_us().min(self.input_due_us),
            _ => self.link.due_us(),
        }
    }

    /// What the avatar is to do from the next input on. A server drops an input that is not finite, so a
    /// component that is not becomes 0.
    pub fn set_intent(&mut self, intent: IntentFields) {
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        self.intent = IntentFields { move_x: finite(intent.move_x), move_y: finite(intent.move_y), ..intent };
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

    /// Sequence of the last input sent. Those after [`View::input_applied`] are still to take effect in the view.
    pub fn input_sent(&self) -> u32 {
        self.input_sent
    }

    /// Smoothed round-trip time, microseconds, the server's wait for its own tick included.
    pub fn rtt_us(&self) -> Option<u32> {
        self.link.rtt_us()
    }
}
