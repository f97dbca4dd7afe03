//! Limits of the program: each with its unit and where it comes from.

use std::ops::RangeInclusive;

use throng_engine::limits as engine;
use throng_engine::view::BUDGET_BYTES_MIN;
use throng_schema::limits as wire;

/// Ticks per second. Below 10 a walk looks jerky whatever the interpolation; above 60 the fork and join of a tick
/// begins to show in its cost.
pub const TICK_HZ: RangeInclusive<u16> = wire::TICK_HZ_MIN..=wire::TICK_HZ_MAX;

/// Number of a realm; 0 would be taken for none.
pub const REALM_ID: RangeInclusive<u32> = 1..=u32::MAX;

/// Sessions of one address or network.
pub const CAP_SESSIONS: RangeInclusive<u32> = 1..=1 << 20;

/// Networks without caps: a list that is walked for each new session.
pub const ALLOW_MAX: usize = 64;

/// Players that a realm takes each second: a handshake is 53 us of the thread that receives, so 10,000 would be more
/// than half of it.
pub const ADMIT_PER_S: RangeInclusive<u32> = 1..=10_000;

/// Threads that hash passwords; each keeps 19 MiB.
pub const PASSWORD_THREADS: RangeInclusive<u32> = 0..=64;

/// Passwords that wait for a thread.
pub const PASSWORD_QUEUE: RangeInclusive<u32> = 1..=4096;

/// Milliseconds that a login waits. One hash takes about 30.
pub const PASSWORD_DEADLINE_MS: RangeInclusive<u32> = 500..=30_000;

/// Sockets of the gateway.
pub const SOCKETS: RangeInclusive<u32> = 16..=65_536;

/// Milliseconds of any deadline of the gateway's.
pub const GATEWAY_TIMEOUT_MS: RangeInclusive<u32> = 100..=120_000;

/// Players of a realm: a connection id keeps 20 bits for the place in the session table.
pub const PLAYERS: RangeInclusive<u32> = 1..=(1 << 20) - 1;

/// Worker threads.
pub const THREADS: RangeInclusive<u32> = 0..=256;

/// Seconds between the wish to stop and the stop.
pub const DRAIN_S: RangeInclusive<u32> = 0..=86_400;

/// Metres along one side of the world. 60 km at 32 units per metre is 21 bits, well inside the 24 bits that an
/// `f32` position keeps exactly.
pub const SIDE_M: RangeInclusive<f32> = 1.0..=60_000.0;

/// Metres along the shorter side of a land that is made: a village must find room.
pub const SIDE_M_MADE_MIN: f32 = 64.0;

/// Copies of each zone beside the main one.
pub const INSTANCES: RangeInclusive<u32> = 0..=1000;

/// Seconds of a rule: from a tick to an hour.
pub const RULE_S: RangeInclusive<f32> = 0.1..=3600.0;

/// Things on the ground at once: each is an entity.
pub const DROPS: RangeInclusive<u32> = 0..=1 << 16;

/// Characters that ever enter: each keeps a few hundred bytes.
pub const CHARACTERS: RangeInclusive<u32> = 1..=1 << 20;

/// Metres of view: what the engine's history can tell apart.
pub const VIEW_RADIUS_M: RangeInclusive<f32> = 1.0..=engine::VIEW_RADIUS_M_MAX;

/// Entities of a realm: what the engine can number.
pub const ENTITIES_MAX: u32 = engine::ENTITIES_MAX;

/// Cells of one view radius squared in a world.
pub const CELLS_MAX: u64 = engine::CELLS_MAX as u64;

/// Ticks of one turn through the far ring.
pub const REFRESH_TICKS: RangeInclusive<u16> = 2..=1000;

/// Share of its interval above which a tick is busy. Above 1 the realm would be late before it does anything.
pub const ENGAGE_SHARE: RangeInclusive<f32> = 0.3..=1.0;

/// Greatest release share for an engage share of 1: the rest is what the load may vary without being followed.
pub const RELEASE_OF_ENGAGE_MAX: f32 = 0.9;

/// Ticks of which some must be busy: a bit each in a word.
pub const WINDOW_TICKS: RangeInclusive<u32> = 1..=64;

/// Milliseconds of calm before something is released.
pub const RELEASE_MS: RangeInclusive<u32> = 100..=600_000;

/// Slowest world time in 1/1000. Below a twentieth the realm sends a snapshot a second, and clients take it for dead.
pub const SPEED_MIN: RangeInclusive<u16> = 50..=1000;

/// Bytes of the largest datagram, headers included.
pub const DATAGRAM_BYTES_MAX: u32 = wire::DATAGRAM_BYTES_MAX as u32;

/// Bytes of the largest datagram to a client. Below 500 a fresh start could hold hardly any neighbour.
pub const SNAPSHOT_BYTES: RangeInclusive<u32> = 500..=DATAGRAM_BYTES_MAX;

/// Bytes of a datagram that are not the snapshot: the header, and what sealing adds.
pub const OVERHEAD_BYTES: u32 = (wire::DATAGRAM_HEADER_BYTES + wire::SEAL_RESERVE_BYTES) as u32;

/// Milliseconds of silence before a disconnect.
pub const SESSION_TIMEOUT_MS: RangeInclusive<u32> = 1000..=120_000;

/// Inputs per second and client; the lower bound is the tick rate.
pub const INPUT_RATE_HZ_MAX: u32 = 1000;

/// Inputs at once.
pub const INPUT_BURST: RangeInclusive<u32> = 1..=1000;

/// Microseconds between two looks at the socket. Above 5 ms the receive buffers grow for nothing saved.
pub const POLL_US: RangeInclusive<u32> = 100..=5000;

/// Datagrams of strangers, hellos above all, that are looked into each second: at 0.6 us each a quarter of a core, so that
/// no flood of them looks like overload. A realm that everybody enters anew hears some thousand.
pub const STRANGERS_PER_S: u32 = 400_000;

/// Such datagrams between two looks at the clock, by which they may hold up a tick: 0.15 ms of hellos that nobody accepts.
/// Among them may be one share of handshakes, 100 at 53 us each (`throng_net::limits::ACCEPTS_PER_S`): 5.3 ms more. Once
/// that is used up, no further token is even opened.
pub const STRANGERS_BATCH: usize = 256;

/// Bytes of the kernel buffer in which they wait while a tick is computed, 2.3 KiB each: 3,600, which in a tick of 10 ms
/// are 360,000 a second.
pub const STRANGERS_BUFFER_BYTES: usize = 4 << 20;

/// Datagrams between two looks at the clock: at 0.6 us each the highest is 40 ms.
pub const RECEIVE_BATCH: RangeInclusive<u32> = 64..=65_536;

/// Bytes of a socket buffer; the kernel doubles the figure in an `int`.
pub const SOCKET_BUFFER_BYTES: RangeInclusive<u32> = 65_536..=1 << 30;

/// Seconds between status lines.
pub const STATUS_EVERY_S_MAX: u32 = 86_400;

/// Clients in one chunk of work: about 96 x 3 us, far above the 2-3 us of a fork and join, and few enough that
/// 1,000 clients still spread over 8 threads.
pub const CHUNK_CLIENTS: usize = 96;

/// A frame takes at most this part of a datagram, unless its one message is longer.
pub const FRAME_SHARE: usize = 4;

/// Bytes of notices that wait for a client whose channel is full. Ten times what a newcomer is told.
pub const BACKLOG_BYTES_MAX: usize = 64 << 10;

/// Microseconds for which a client need not acknowledge what it is told: as long as it may be silent by default. Its player
/// would miss what matters.
pub const UNACKNOWLEDGED_US_MAX: u64 = 10_000_000;

/// Bytes of the datagram header before the snapshot.
pub const HEADER_BYTES: usize = wire::DATAGRAM_HEADER_BYTES;

const _: () = {
    assert!(
        *SNAPSHOT_BYTES.start() as usize >= OVERHEAD_BYTES as usize + BUDGET_BYTES_MIN,
        "the encoder needs room"
    );
    assert!(
        *VIEW_RADIUS_M.end() <= wire::VIEW_RADIUS_M_MAX as f32,
        "clients must be able to unwrap positions"
    );
    assert!(*PLAYERS.end() < ENTITIES_MAX, "every player needs an avatar");
    assert!(*PLAYERS.end() <= throng_net::limits::SESSIONS_MAX, "every player needs a session");
    assert!(wire::NOTICE_BYTES_MAX <= throng_net::limits::MESSAGE_BYTES_MAX, "every notice fits a message");
    assert!(
        throng_net::limits::FRAME_HEAD_BYTES
            + throng_net::limits::MESSAGE_HEAD_BYTES
            + wire::NOTICE_BYTES_MAX
            <= (*SNAPSHOT_BYTES.start() - OVERHEAD_BYTES) as usize,
        "every notice, framed, fits the smallest datagram"
    );
    assert!(
        BACKLOG_BYTES_MAX >= 4 * throng_net::limits::CHANNEL_BYTES,
        "waiting is for more than the queue holds"
    );
    assert!(HEADER_BYTES == throng_net::limits::HEADER_BYTES, "schema and net agree on the header");
};

/// Milliseconds that the clock of a gateway on another machine may be off.
pub const CLOCK_SKEW_MS: u32 = 5000;
