//! The gateway: who may enter, and where they then go.
//!
//! ```text
//!            TLS, HTTP/1.1, JSON                                       ┌► passwords (bounded Argon2)
//!   player ──► listen ──► connection ──► api ──► routes ──► gateway ───┼► throttle, queue
//!              sockets     deadlines      16 KiB   one file             └► store (accounts, sessions, characters)
//!              per address  per phase     bodies   per subject
//!                                                    │ play
//!                                                    ▼
//!   player ◄── connect token, secret, the realm's UDP address          realm ──► board (population, load, signed)
//! ```
//!
//! * [`listen`] owns sockets and deadlines and knows nothing of accounts; [`tls`] owns the certificate.
//! * [`api`] turns bytes into typed requests and refusals into one form of error; [`routes`] says what each does.
//! * [`state`] holds what all routes share: the store, the keys, the clock. Its clock and entropy are arguments.
//! * [`keys`] keeps what tokens are made with, and whose files may be read by whom.
//! * [`open`](mod@open) puts a gateway together from settings and a data directory; [`run`] keeps it: threads, chores, end.
//! * [`herald`] is the other end of a realm that runs elsewhere: it posts the numbers of the realm in this process.
//! * [`board`] is all that crosses between a realm and the gateway: five numbers, in atomics or signed over HTTP, and from
//!   a realm elsewhere who has arrived and which token keys it holds.
//! * [`standing`] tells the log when a realm elsewhere comes, drains or goes silent.
//! * [`kicks`] sees to it that operators' commands reach all realms.
//!
//! The gateway knows no world, no session of datagrams and no tick. A realm knows nothing of accounts' passwords and
//! has no way to the store; what it trusts is the connect token, sealed under a key that only the two hold.

pub mod alone;
pub mod api;
pub mod board;
pub mod census;
pub mod connection;
pub mod counters;
pub mod fuzzing;
pub mod herald;
pub mod keys;
pub mod kicks;
pub mod limits;
pub mod listen;
pub mod open;
pub mod passwords;
pub mod phase;
pub mod queue;
pub mod redact;
pub mod refusal;
pub mod routes;
pub mod run;
pub mod secrets;
pub mod standing;
pub mod state;
pub mod throttle;
pub mod tls;
mod unread;
