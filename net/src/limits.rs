//! Limits of the datagram layer: each with its unit, where it comes from, and the assertions that tie them together.

/// Bytes of the largest datagram, headers of UDP and IP not counted. 1,200 passes every path that IPv6 allows
/// (1,280 less 48), so nothing is ever fragmented.
pub const DATAGRAM_BYTES_MAX: usize = 1200;

/// Bytes of the header before every payload.
pub const HEADER_BYTES: usize = 16;

/// Bytes kept free at the end of a datagram for sealing: a 16-byte tag and up to 8 bytes more.
pub const SEAL_RESERVE_BYTES: usize = 24;

/// Bytes of the largest payload that a sender may put behind a header.
pub const PAYLOAD_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - HEADER_BYTES - SEAL_RESERVE_BYTES;

/// Bytes of every hello, no more and no less: a request this large makes any answer a bad amplifier.
pub const HELLO_BYTES: usize = DATAGRAM_BYTES_MAX;

/// Bytes of a hello before its payload.
pub const HELLO_HEADER_BYTES: usize = 34;

/// Bytes of the largest application payload in a hello.
pub const HELLO_PAYLOAD_BYTES_MAX: usize = 256;

/// Bytes of a challenge.
pub const CHALLENGE_BYTES: usize = 32;

/// Bytes of a welcome.
pub const WELCOME_BYTES: usize = 16;

/// Bytes of a refusal.
pub const REFUSED_BYTES: usize = 16;

/// Bytes of the largest answer to an address that has not proven itself.
pub const ANSWER_BYTES_MAX: usize = 64;

/// Bytes of a cookie's authentication code: half of SHA-256, 2^128 guesses.
pub const COOKIE_MAC_BYTES: usize = 16;

/// Seconds for which a cookie is good: several hello retries, but a stolen one is soon useless.
pub const COOKIE_LIFE_S: u32 = 10;

/// Bits of a connection id that are the session's place in the table.
pub const SESSION_INDEX_BITS: u32 = 20;

/// Most sessions that one server can hold.
pub const SESSIONS_MAX: u32 = 1 << SESSION_INDEX_BITS;

/// Packets behind the newest within which a late one is still told from a replayed one: 17 s at 60 Hz.
pub const WINDOW_PACKETS: u32 = 1024;

/// Packets that the ack bits of one header cover besides the newest.
pub const ACK_BITS: u32 = 16;

/// Copies of a disconnect that the leaving side sends, since nobody answers it.
pub const DISCONNECT_COPIES: u8 = 3;

/// Sessions that one sweep for timeouts looks at: 20 us of work, and 20 sweeps a second see 80,000 sessions.
pub const SWEEP_SESSIONS: usize = 4096;

/// Microseconds without a datagram after which either side gives the other up.
pub const TIMEOUT_US: u64 = 10_000_000;

/// Microseconds for which a session cannot be replaced by a new handshake of its own address: a client that keeps
/// starting over makes the application work at most once a second.
pub const REPLACE_AGE_US: u64 = 1_000_000;

/// Microseconds before a client repeats a hello that was not answered; doubled each time.
pub const HELLO_RETRY_US: u64 = 250_000;

/// Microseconds that the doubling of [`HELLO_RETRY_US`] stops at.
pub const HELLO_RETRY_US_MAX: u64 = 1_000_000;

const _: () = assert!(HELLO_BYTES <= DATAGRAM_BYTES_MAX);
const _: () = assert!(HELLO_HEADER_BYTES + HELLO_PAYLOAD_BYTES_MAX <= HELLO_BYTES);
const _: () = assert!(CHALLENGE_BYTES <= ANSWER_BYTES_MAX);
const _: () = assert!(WELCOME_BYTES <= ANSWER_BYTES_MAX && REFUSED_BYTES <= ANSWER_BYTES_MAX);
const _: () = assert!(ANSWER_BYTES_MAX * 18 <= HELLO_BYTES);
const _: () = assert!(WINDOW_PACKETS.is_power_of_two() && WINDOW_PACKETS > ACK_BITS);
