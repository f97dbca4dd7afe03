//! Limits of the gateway: each with its unit and where it comes from.

use std::time::Duration;

/// Bytes of a request's body. The longest honest one, a registration with the longest name, password and invitation,
/// is under 1 KiB; the rest is room for clients that escape every character.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a refused body that are still read, and thrown away, so that its sender gets an answer.
pub const BODY_DISCARD_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a request's head: the line and all headers. Hyper's own minimum is 8 KiB.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Headers of one request.
pub const HEADERS_MAX: usize = 64;

/// Time for the TLS handshake. Two round trips at the slowest satellite link are 1.5 s.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time from the first byte of a request to the end of its head; for the first one, from the end of the handshake.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time from the first byte of a request to the last byte of the answer. Longer than the password pool's deadline
/// of 3 s and the store's busy timeout together.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that a connection may wait for its next request. Longer than the pause between two of a player who looks around;
/// who waits in line asks less often, and connects anew.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that the kernel holds of what a connection is to be sent: the list of as many realms as there can be, nearly.
/// Left to itself it takes 4 MiB of one who asks and does not read.
pub const SEND_BUFFER_BYTES: u32 = 128 * 1024;

/// Time that requests in progress get when the gateway stops, and the last player of a realm that drains beside it.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Sockets at once. Each costs about 40 KiB with TLS: 160 MiB when all are taken.
pub const SOCKETS_MAX: u32 = 4096;

/// Sockets at once of one address: an IPv4 address, or an IPv6 /64, which is what one household gets.
pub const SOCKETS_PER_ADDRESS_MAX: u32 = 32;

/// Connections that the kernel holds before they are accepted.
pub const BACKLOG: i32 = 1024;

/// Pause after a failed accept. The usual reason, no file descriptors left, does not pass by asking at once.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often certificate and key files are looked at.
pub const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// Seconds between two rounds of removing what is past its time.
pub const PURGE_EVERY_S: u64 = 60;

/// Pieces of one such round: 100,000 rows of each kind, more than a round adds at 1,000 logins a second.
pub const PURGE_ROUNDS_MAX: u32 = 100;

/// Bytes of a certificate or key file. A chain of four certificates is about 8 KiB.
pub const PEM_BYTES_MAX: u64 = 256 * 1024;

/// Years that a self-signed certificate is valid. Players pin it, so it should not end while a server lives.
pub const SELF_SIGNED_YEARS: i32 = 10;

/// Milliseconds of a year: 365.2425 days.
pub const YEAR_MS: u64 = 31_556_952_000;

/// Threads of the gateway's runtime. Handlers only wait for the store and for the password pool, so two are there
/// for the one that is in a TLS handshake.
pub const RUNTIME_THREADS: usize = 2;

/// What the gateway's threads add to their nice value: a login must never delay a tick.
pub const NICE: i32 = 5;

/// Milliseconds that an access token lives.
pub const ACCESS_MS: u64 = 15 * 60 * 1000;

/// Milliseconds that a refresh token lives.
pub const REFRESH_MS: u64 = 30 * 24 * 3600 * 1000;

/// Bytes of an invitation's code as it comes in.
pub const INVITE_INPUT_BYTES_MAX: usize = 128;

/// Bytes of a queue ticket as it comes in.
pub const TICKET_INPUT_BYTES_MAX: usize = 512;

/// Seconds after which to ask again for a realm that is not there or lets nobody in.
pub const REALM_RETRY_S: u32 = 5;

/// Milliseconds after which a pushed status is old: ten pushes of one a second may be lost.
pub const STATUS_MAX_AGE_MS: u64 = 10_000;

/// Milliseconds that the clocks of a realm and the gateway may differ: as much as the realm allows for when it compares a
/// token's time with that of its start, or with that of a kick.
pub const STATUS_SKEW_MS: u64 = crate::limits::CLOCK_SKEW_MS as u64;

/// Accounts that wait to be put out of one realm elsewhere.
pub const KICKS_MAX: usize = 1024;

/// Accounts that have arrived, in one push: 23 bytes each, in a body of [`BODY_BYTES_MAX`].
pub const ARRIVED_MAX: usize = 500;

/// Bytes of a realm's name.
pub const REALM_NAME_BYTES_MAX: usize = 64;

/// Bytes of a realm's address: a host name of 253 and a port.
pub const REALM_ADDRESS_BYTES_MAX: usize = 260;

/// Realms of one gateway.
pub const REALMS_MAX: usize = 256;

const _: () = {
    assert!(HEAD_BYTES_MAX >= 8192, "hyper refuses a smaller buffer");
    assert!(SOCKETS_PER_ADDRESS_MAX <= SOCKETS_MAX, "one address must not be allowed more than all");
    assert!(REQUEST_TIMEOUT.as_millis() > HEAD_TIMEOUT.as_millis(), "a request includes its head");
    assert!(ARRIVED_MAX * 23 + 2048 < BODY_BYTES_MAX, "a push is a body like any other");
    assert!(ACCESS_MS < REFRESH_MS, "an access token is the short-lived one");
};
