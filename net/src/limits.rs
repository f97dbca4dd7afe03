//! Limits of the datagram layer: each with its unit, where it comes from, and the assertions that tie them together.

/// Parts of a second by which handshakes are rationed: no more than one part's share is completed at once, between two
/// looks at the clock, so that who is let in does not hold up who plays: 100 of [`ACCEPTS_PER_S`], 5 ms.
pub const ACCEPT_BURSTS_PER_S: u32 = 20;

/// Bytes of the largest datagram, headers of UDP and IP not counted. 1,200 passes every path that IPv6 allows
/// (1,280 less 48), so nothing is ever fragmented.
pub const DATAGRAM_BYTES_MAX: usize = 1200;

/// Bytes of the header before every payload.
pub const HEADER_BYTES: usize = 16;

/// Bytes of the tag at the end of every sealed datagram: that of AES-256-GCM, not shortened.
pub const SEAL_BYTES: usize = 16;

/// Bytes of a sealed datagram without a payload, the smallest there is.
pub const SEALED_BYTES_MIN: usize = HEADER_BYTES + SEAL_BYTES;

/// Bytes of the largest payload that a sender may put behind a header.
pub const PAYLOAD_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - HEADER_BYTES - SEAL_BYTES;

/// Bytes of every hello, no more and no less: a request this large makes any answer a bad amplifier.
pub const HELLO_BYTES: usize = DATAGRAM_BYTES_MAX;

/// Bytes of a connect token as it crosses the wire.
pub const TOKEN_BYTES: usize = 328;

/// Bytes of a hello before its token: type, salt and cookie.
pub const HELLO_TOKEN_AT: usize = 32;

/// Bytes of a hello before its payload.
pub const HELLO_HEADER_BYTES: usize = HELLO_TOKEN_AT + TOKEN_BYTES + 2;

/// Bytes of the largest application payload in a hello.
pub const HELLO_PAYLOAD_BYTES_MAX: usize = 256;

/// Bytes of a challenge.
pub const CHALLENGE_BYTES: usize = 32;

/// Bytes of an accept: the server's half of the key exchange, the connection id and a tag.
pub const ACCEPT_BYTES: usize = 64;

/// Bytes of a refusal.
pub const REFUSED_BYTES: usize = 32;

/// Bytes of a path challenge and of its response: a sealed datagram around 8 random bytes.
pub const PATH_BYTES: usize = SEALED_BYTES_MIN + 8;

/// Bytes of the largest answer that the protocol makes by itself. Only the [`CHALLENGE_BYTES`] go to an address that
/// has not proven itself.
pub const ANSWER_BYTES_MAX: usize = 64;

/// Bytes of a cookie's authentication code: 2^128 guesses.
pub const COOKIE_MAC_BYTES: usize = 16;

/// Seconds for which a cookie is good: several hello retries, but a stolen one is soon useless.
pub const COOKIE_LIFE_S: u32 = 10;

/// Bits of a connection id that are the session's place in the table.
pub const SESSION_INDEX_BITS: u32 = 20;

/// Most sessions that one server can hold.
pub const SESSIONS_MAX: u32 = 1 << SESSION_INDEX_BITS;

/// Packets behind the newest within which a late one is still told from a replayed one: 17 s at 60 Hz.
pub const WINDOW_PACKETS: u32 = 1024;

/// Packets ahead of the newest beyond which a sequence is not believed: 54 minutes at 20 Hz, and no more than one
/// generation of keys away, so that a forged number never makes anybody derive.
pub const SEQUENCE_AHEAD_MAX: u32 = 1 << 16;

/// Bits of a sequence below its generation: keys last for 2^20 datagrams, an eighth of what RFC 9001 (section 6.6)
/// allows AES-GCM.
pub const GENERATION_BITS: u32 = 20;

/// Packets before the end of a generation from which on a sender has the next key ready: 54 minutes at 20 Hz, and no
/// session is silent for so long.
pub const PREPARE_PACKETS: u32 = 1 << 16;

/// Packets that the ack bits of one header cover besides the newest.
pub const ACK_BITS: u32 = 16;

/// Copies of a disconnect that the leaving side sends, since nobody answers it.
pub const DISCONNECT_COPIES: u8 = 3;

/// Sessions that one sweep for timeouts looks at: 20 us of work, and 20 sweeps a second see 80,000 sessions.
pub const SWEEP_SESSIONS: usize = 4096;

/// Microseconds without a datagram after which either side gives the other up.
pub const TIMEOUT_US: u64 = 10_000_000;

/// Microseconds within which an accepted client must send its first sealed datagram, or its place is free again.
pub const CONFIRM_US: u64 = 5_000_000;

/// Most accepted clients that have not confirmed yet. Their places are as good as taken.
pub const UNCONFIRMED_MAX: usize = 8192;

/// The share of all places that unconfirmed clients may take: one in this many, and at least one.
pub const UNCONFIRMED_SHARE: usize = 4;

/// Handshakes that a server completes in a second unless told otherwise: at 53 us each (Zen 5) 11 % of a core. Fewer where
/// looks at the clock are further apart than one part in [`ACCEPT_BURSTS_PER_S`]: what no look claims is lost. A realm
/// whose ticks are late looks once a tick, so five times a second lets 500 in.
pub const ACCEPTS_PER_S: u32 = 2000;

/// Microseconds between two path challenges of one session: a quarter of a second, so that a rebound client is found
/// again within a few of its inputs and nobody can make a session send 40 bytes more often.
pub const PATH_CHALLENGE_US: u64 = 250_000;

/// Microseconds for which the response to a path challenge is waited for.
pub const PATH_LIFE_US: u64 = 5_000_000;

/// Microseconds before a client repeats a hello that was not answered; doubled each time.
pub const HELLO_RETRY_US: u64 = 250_000;

/// Microseconds that the doubling of [`HELLO_RETRY_US`] stops at.
pub const HELLO_RETRY_US_MAX: u64 = 1_000_000;

/// Bytes of an accept that its code covers.
pub const ACCEPT_HEAD_BYTES: usize = 48;

/// Bytes of a refusal that its code covers.
pub const REFUSED_HEAD_BYTES: usize = 16;

/// Bytes of a token that anyone can read.
pub const TOKEN_HEADER_BYTES: usize = 56;

/// Bytes of a token that only its realm can read.
pub const TOKEN_BODY_BYTES: usize = 256;

/// Milliseconds for which the gateway makes a token good: a client needs one for two round trips.
pub const TOKEN_LIFE_MS: u64 = 30_000;

/// Milliseconds for which a token may be good at most.
pub const TOKEN_LIFE_MS_MAX: u64 = 45_000;

/// Milliseconds before its end from which a realm takes a token: the longest life and 5 s that clocks may differ.
/// It bounds how long a used token must be remembered.
pub const TOKEN_AHEAD_MS_MAX: u64 = TOKEN_LIFE_MS_MAX + 5_000;

/// Bytes of the longest character name that a token carries.
pub const TOKEN_NAME_BYTES_MAX: usize = 47;

/// Token keys that a realm accepts at a time: the current one, the previous one, and room for haste.
pub const REALM_KEYS_MAX: usize = 8;

/// Used tokens remembered at a time: 20,000 entering a second, each for 50 s.
pub const USED_TOKENS_MAX: usize = 1 << 20;

/// Entries for which the memory of a past second is kept for the next one; 64 such sets are 64 MiB at most.
pub const USED_KEPT_ENTRIES: usize = 1 << 15;

/// Sessions from one IPv4 address: a household, or a small internet cafe.
pub const SESSIONS_PER_IPV4: u32 = 8;

/// Sessions from one IPv4 /24.
pub const SESSIONS_PER_IPV4_24: u32 = 64;

/// Sessions from one IPv6 /64, which is what one host usually has.
pub const SESSIONS_PER_IPV6_64: u32 = 8;

/// Sessions from one IPv6 /56, which is what one home usually has.
pub const SESSIONS_PER_IPV6_56: u32 = 64;

/// Sessions from one IPv6 /48, which is what one company usually has.
pub const SESSIONS_PER_IPV6_48: u32 = 256;

/// Datagrams a second that an address may have looked into outside its sessions: eight clients that do not yet know
/// that the server began anew still send 20 inputs a second each, and hello 4 times.
pub const STRANGER_HZ: u32 = 256;

/// Such datagrams at once.
pub const STRANGER_BURST: u32 = 256;

/// Hellos a second with one token: a client sends five at its most hasty. Whoever records a token on its way and sends
/// it from invented addresses gets no more challenges out of the server than that.
pub const TOKEN_HELLO_HZ: u32 = 10;

/// Such hellos at once.
pub const TOKEN_HELLO_BURST: u32 = 10;

/// Sets of 8 addresses that the limits above are kept for, if not set otherwise: 512 KiB each.
pub const STRANGER_SETS: u32 = 8192;

/// Such sets at most: 1 GiB each.
pub const STRANGER_SETS_MAX: u32 = 1 << 24;

/// Bytes of the longest message of a channel: a line of chat with its sender's name, twice over.
pub const MESSAGE_BYTES_MAX: usize = 512;

/// Bytes before each message, in a frame and in a queue: its length.
pub const MESSAGE_HEAD_BYTES: usize = 2;

/// Bytes of a frame without messages.
pub const FRAME_ACK_BYTES: usize = 8;

/// Bytes of a frame before its messages, when it has any.
pub const FRAME_HEAD_BYTES: usize = FRAME_ACK_BYTES + 4;

/// Bytes that every frame is a multiple of, so that the message behind it lies as it would without.
pub const FRAME_ALIGN_BYTES: usize = 4;

/// Bytes of the frame around one message of the greatest length: the room that a frame must have at times, or that
/// message and all behind it would wait for ever.
pub const FRAME_BYTES_ALONE_MAX: usize =
    (FRAME_HEAD_BYTES + MESSAGE_HEAD_BYTES + MESSAGE_BYTES_MAX).next_multiple_of(FRAME_ALIGN_BYTES);

/// Bytes of messages, their lengths included, that one end of a channel holds until they are acknowledged. Also the
/// most that a channel has on its way: 40 kB/s at a round trip of 100 ms. One page for each session.
pub const CHANNEL_BYTES: usize = 4096;

/// Microseconds after which unacknowledged messages are sent again while the round-trip time is not known.
pub const MESSAGE_RETRY_US: u64 = 250_000;

/// The same, at the least: two ticks at 20 Hz, since neither end answers between its ticks.
pub const MESSAGE_RETRY_US_MIN: u64 = 100_000;

/// The same, at the most: where the doubling stops. A session that hears nothing at all is over ten of these later.
pub const MESSAGE_RETRY_US_MAX: u64 = 1_000_000;

/// Milliseconds that the clock may be set back without being followed. Tokens then end as much earlier; clocks are
/// allowed to differ by as much anyway.
pub const CLOCK_BACK_MS_MAX: u64 = 5_000;

const _: () =
    assert!(TOKEN_LIFE_MS > 2 * CLOCK_BACK_MS_MAX, "tokens are good by a clock that is not followed");
const _: () = assert!(TOKEN_BYTES == TOKEN_HEADER_BYTES + TOKEN_BODY_BYTES + SEAL_BYTES);
const _: () = assert!(TOKEN_LIFE_MS <= TOKEN_LIFE_MS_MAX);
const _: () = assert!(HELLO_BYTES <= DATAGRAM_BYTES_MAX);
const _: () = assert!(HELLO_HEADER_BYTES + HELLO_PAYLOAD_BYTES_MAX <= HELLO_BYTES);
const _: () = assert!(CHALLENGE_BYTES <= ANSWER_BYTES_MAX && PATH_BYTES <= ANSWER_BYTES_MAX);
const _: () = assert!(ACCEPT_BYTES <= ANSWER_BYTES_MAX && REFUSED_BYTES <= ANSWER_BYTES_MAX);
const _: () = assert!(CHALLENGE_BYTES * 37 <= HELLO_BYTES && ANSWER_BYTES_MAX * 18 <= HELLO_BYTES);
const _: () = assert!(WINDOW_PACKETS.is_power_of_two() && WINDOW_PACKETS > ACK_BITS);
const _: () = assert!(SEQUENCE_AHEAD_MAX > WINDOW_PACKETS);
const _: () =
    assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize && FRAME_ACK_BYTES.is_multiple_of(FRAME_ALIGN_BYTES));
const _: () =
    assert!(FRAME_BYTES_ALONE_MAX * 2 <= PAYLOAD_BYTES_MAX, "half a datagram stays free for the rest");
const _: () = assert!(CHANNEL_BYTES.is_power_of_two() && CHANNEL_BYTES <= 1 << 15, "offsets fit 16 bits");
const _: () = assert!(CHANNEL_BYTES >= 4 * (MESSAGE_HEAD_BYTES + MESSAGE_BYTES_MAX));
const _: () = assert!(MESSAGE_RETRY_US_MIN <= MESSAGE_RETRY_US && MESSAGE_RETRY_US <= MESSAGE_RETRY_US_MAX);
const _: () = assert!(MESSAGE_RETRY_US_MAX * 4 <= TIMEOUT_US);
