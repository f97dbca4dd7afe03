//! Fixed limits of the client, each with its unit and its derivation.

use throng_net::limits::{CHANNEL_BYTES, FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX, MESSAGE_HEAD_BYTES};
use throng_net::protocol::channel::KIND_FRAMED;
use throng_schema::limits::{FAR_BYTES, PAYLOAD_BYTES_MAX, TICK_HZ_MAX, VIEW_HISTORY_TICKS};
use throng_schema::{INPUT_BYTES, KIND_INPUT, KIND_SNAPSHOT};

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
    // The default render delay of 100 ms fits the samples at every tick rate.
    assert!(TICK_HZ_MAX as usize / 10 <= SAMPLES_MAX - 2);
};
