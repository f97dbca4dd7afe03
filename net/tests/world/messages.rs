//! What the tests of channels share.

use throng_net::limits::{FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use throng_net::protocol::channel::frame::FrameError;
use throng_net::protocol::channel::{Channel, ChannelCounters};

use super::Random;

/// The frame that is due with a quarter of a datagram as its share.
pub fn written(channel: &mut Channel, now_us: u64) -> Vec<u8> {
    written_in(channel, now_us, Some(80_000), PAYLOAD_BYTES_MAX / 4, FRAME_BYTES_ALONE_MAX)
}

pub fn written_in(
    channel: &mut Channel,
    now_us: u64,
    rtt_us: Option<u32>,
    room: usize,
    out: usize,
) -> Vec<u8> {
    let mut slot = vec![0xee; out];
    let bytes = channel.write(now_us, rtt_us, room, &mut slot);
    assert!(slot[bytes..].iter().all(|byte| *byte == 0xee), "bytes behind the frame are its reader's");
    slot.truncate(bytes);
    slot
}

/// What a payload delivers to an end.
pub fn delivered(channel: &mut Channel, payload: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut counters = ChannelCounters::default();
    let (messages, rest) = channel.read(payload, &mut counters)?;
    assert!(rest.is_empty());
    Ok(messages.map(<[u8]>::to_vec).collect())
}

/// A message that says which one it is, of a length that follows from that.
pub fn message(number: u32) -> Vec<u8> {
    let mut random = Random::new(u64::from(number) | 1 << 40);
    let longest = if random.chance(10) { MESSAGE_BYTES_MAX as u32 } else { 60 };
    let length = 4 + random.below(longest - 3) as usize;
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}
