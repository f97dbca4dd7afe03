//! Named counters of everything that the realm refused, ignored or repaired.
//!
//! What the datagram layer drops before it (bad cookies, replays, floods) is in the protocol's own counters; a report
//! shows both.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of one realm since its start. Each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Every counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Players that were let in.
    joined,
    /// Players that left of their own will.
    left,
    /// Players that were not heard for the session timeout.
    timed_out,
    /// Players whose character entered anew elsewhere; the new session counts as joined again.
    replaced,
    /// Players put out at the gateway's word.
    kicked,
    /// Players whose client took up a new address.
    moved,
    /// Refused: hello that is not a well-formed message.
    refused_hello_malformed,
    /// Refused: client of another schema version.
    refused_version,
    /// Refused: name that cannot be shown.
    refused_name,
    /// Refused: the world has no room for another avatar.
    refused_full,
    /// Refused: a later token of the character has been used.
    refused_stale,
    /// Refused: the token was made before its account was put out.
    refused_kicked,
    /// Datagram of a kind that clients do not send.
    kind_unknown,
    /// Input too short to hold a size prefix and a root offset.
    input_truncated,
    /// Input whose size prefix does not say how many bytes follow.
    input_prefix,
    /// Input that the verifier refused.
    input_malformed,
    /// Input without a sequence number.
    input_no_sequence,
    /// Input without an intent.
    input_no_intent,
    /// Input whose movement is NaN or infinite.
    input_not_finite,
    /// Input numbered at or below one that has come before. Intents in it that are new count all the same.
    input_stale,
    /// Inputs that were newer than all before them.
    input_taken,
    /// Intents that came with a later input than their own, which was lost or is late.
    intent_recovered,
    /// Acknowledged tick that is yet to come; treated as no acknowledgement.
    ack_future,
    /// Acknowledged tick that this client was never sent; treated as no acknowledgement.
    ack_not_sent,
    /// Acknowledged tick that is no longer remembered; treated as no acknowledgement.
    ack_too_old,
    /// Commands that the game took.
    command_taken,
    /// Commands that the game did not take; its own counters say why.
    command_refused,
    /// Command that the verifier refused; nobody is answered.
    command_malformed,
    /// Command with a verb that there is not.
    command_verb_unknown,
    /// Command with a negative amount of money.
    command_negative,
    /// Command whose text or name is too long or cannot be shown.
    command_text,
    /// Commands beyond what a tick takes of one player: they were left unacknowledged, to come again.
    commands_put_off,
    /// Notices that went on their way.
    notice_told,
    /// Notices that wait because their client has not acknowledged what it was told before.
    notice_put_off,
    /// Notices lost with the session that was owed too many of them, or had just ended.
    notice_dropped,
    /// Notices that are too long for a message. Anything but 0 is a bug.
    notice_too_long,
    /// Talk and requests to trade that were dropped because the client of whom they are for does not keep up.
    talk_dropped,
    /// Players put out because their client did not acknowledge what it was told.
    unacknowledged,
    /// Ticks at whose start the socket held more than `net.receive_batch_max` datagrams: the rest waited a tick.
    receive_batch_full,
    /// Ticks before which as many strangers were heard as may be: the others waited, or the kernel dropped them.
    strangers_full,
    /// Failed looks at the socket; the next look tries again.
    receive_error,
    /// Steps of the overload ladder taken.
    overload_engaged,
    /// Steps of the overload ladder taken back.
    overload_released,
    /// Ticks with the far ring's refresh held back and nothing else.
    ticks_far_refresh_held,
    /// Ticks with creatures' thinking held back too.
    ticks_thinking_held,
    /// Ticks with the world's time slowed down too.
    ticks_world_time_held,
}

impl Counters {
    /// Inputs and hellos that failed to decode, of any kind.
    pub fn decode_errors(&self) -> u64 {
        self.refused_hello_malformed + self.input_truncated + self.input_prefix + self.input_malformed
    }
}
