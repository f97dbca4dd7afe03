//! Fixed limits of the client, each with its unit and its derivation.

use throng_net::limits::{CHANNEL_BYTES, FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX, MESSAGE_HEAD_BYTES};
use throng_net::protocol::channel::KIND_FRAMED;
use throng_schema::limits::{FAR_BYTES, PAYLOAD_BYTES_MAX, SPEED_USUAL, TICK_HZ_MAX, VIEW_HISTORY_TICKS};
use throng_schema::{INPUT_BYTES, INTENTS_SENT, KIND_INPUT, KIND_SNAPSHOT};

/// Near lists kept as possible baselines: what the wire contract asks for.
pub const BASELINES_MAX: usize = VIEW_HISTORY_TICKS as usize;

/// Far entities remembered at once. A datagram carries fewer than 97, so only a server that keeps
/// naming new ids reaches this; further new ones are then left out and counted. 1 MiB.
pub const FAR_MAX: usize = 65_536;

/// A snapshot without baseline that is older than the newest one by more than this is not late:
/// the server's tick went back (or ours was led astray), so the view starts over from it.
pub const LATE_TICKS_MAX: u32 = VIEW_HISTORY_TICKS;

/// Consecutive unusable snapshots after which the view stops hoping and asks for a fresh start.
pub const UNUSABLE_RUN_MAX: u32 = 8;

/// Samples that the interpolator keeps of one entity: the render delay spans at most all but two of them.
pub const SAMPLES_MAX: usize = 16;

/// Inputs a second before the world has told its tick rate.
pub const TICK_HZ_ASSUMED: u16 = 20;

/// Inputs that prediction can take again: more than the server's queue holds and are on their way within a second.
pub const INPUTS_KEPT_MAX: usize = 64;

/// Slowest pace that is followed, 1/1000: below it inputs would become too rare to keep the session.
pub const SPEED_MIN: u16 = 50;

/// Quickest pace that is followed, 1/1000.
pub const SPEED_MAX: u16 = 2000;

/// Time over which the inputs waiting at the server are watched before the beat is changed, microseconds: longer than
/// a usual way there and back, so that a change is seen before the next.
pub const PACE_WINDOW_US: u64 = 1_000_000;

/// Fewest snapshots from which to judge that.
pub const PACE_TELLS_MIN: u32 = 5;

/// As many inputs waiting are too many: each is a tick's delay.
pub const QUEUED_LONG: u32 = 3;

/// Inputs that leave together after a pause of the program: half of what waits at a server at most. Each datagram
/// repeats the three before it, so even then one may be lost.
pub const BEATS_AT_ONCE: u64 = 4;

/// An early beat is early by this part of a beat. One a second makes up for clocks 6,000 ppm apart at 20 Hz; crystals
/// are within 100.
pub const EARLY_SHARE: u64 = 8;

/// Early beats in a row that make no input wait: 16 beats, twice what a server lets a player save up.
pub const EARLY_BEATS_MAX: u32 = 16 * EARLY_SHARE as u32;

/// Bytes of messages, with their lengths, that wait to be asked for: twice what a server has on its way.
/// Those that do not fit are not acknowledged, so the server sends them again.
pub const INBOX_BYTES: usize = 2 * CHANNEL_BYTES;

/// Bytes of an input's datagram that a frame of messages may take: a quarter. A longer message goes alone.
pub const FRAME_BYTES_SHARE: usize = PAYLOAD_BYTES_MAX / 4;

const _: () = {
    // Bit 7 of a kind tells of the frame alone.
    assert!((KIND_INPUT | KIND_SNAPSHOT) & KIND_FRAMED == 0);
    assert!(INBOX_BYTES >= 2 * (MESSAGE_HEAD_BYTES + MESSAGE_BYTES_MAX));
    // The longest frame and an input are one datagram.
    assert!(FRAME_BYTES_SHARE <= FRAME_BYTES_ALONE_MAX);
    assert!(FRAME_BYTES_ALONE_MAX + 2 * INPUT_BYTES <= PAYLOAD_BYTES_MAX);
    assert!(PAYLOAD_BYTES_MAX / FAR_BYTES < 97);
    assert!(FAR_MAX <= u32::MAX as usize);
    assert!(INPUTS_KEPT_MAX > TICK_HZ_MAX as usize && INPUTS_KEPT_MAX.is_power_of_two());
    assert!(BEATS_AT_ONCE as usize <= INTENTS_SENT);
    assert!(0 < SPEED_MIN && SPEED_MIN <= SPEED_USUAL && SPEED_USUAL <= SPEED_MAX);
    // The default render delay of 100 ms fits the samples at every tick rate.
    assert!(TICK_HZ_MAX as usize / 10 <= SAMPLES_MAX - 2);
};
