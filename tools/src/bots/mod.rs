//! The load generator: one process, one thread and one socket that are thousands of clients.
//!
//! ```text
//!              ┌──────────────────────────── Run: connect, settle, measure, leave ─────────────────────────┐
//!  socket ───► │ Wires (loss, delay, reorder) ──► Client (protocol) ──► Light: what to acknowledge         │
//!  127.x.y.z   │                                                   └──► Full: the whole view, checked       │
//!  socket ◄─── │ Wires ◄── inputs, spread evenly over the tick ◄───────────────────────────────────────────┘
//! ```
//!
//! * Every client has its own source address in 127/8, so the server sees as many peers as there are clients.
//!   That is why **only servers on 127.0.0.0/8 can be tested**: elsewhere the addresses are not ours to use.
//! * *Light* clients shake hands, send an input every tick and acknowledge what a real client could have
//!   reconstructed. They look at a few fields of a snapshot and nothing else, for a fraction of a microsecond.
//! * *Full* clients, a sample, are real: they rebuild their view, check its digest, and watch that everything in
//!   view is refreshed as often as the server promises.
//! * Receiving is polled. A thread that sleeps in `recv` makes the kernel wake it for nearly every datagram, at the
//!   *server's* expense on one machine: it would halve the very speed that is being measured.
//!
//! [`Swarm`] and [`Run`] own no socket and no clock, so tests play them in virtual time.

mod behaviour;
mod books;
mod config;
mod door;
mod full;
mod glance;
mod light;
mod pace;
mod report;
mod run;
mod socket;
mod swarm;
mod totals;
mod walker;
mod wires;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use behaviour::Behaviour;
pub use config::{BotsConfig, BotsError};
pub use door::{Door, GatewayDoor};
pub use report::{BotsReport, Phase, Progress, Second};
pub use run::{Run, Step};
pub use socket::{Arrive, LoopbackSocket, SwarmSocket};
pub use swarm::{Swarm, address_of};
pub use totals::Totals;

/// Datagrams below which a step counts as idle: a batch of this size costs the socket calls next to nothing.
const STEP_BUSY_MIN: usize = 256;
/// Sleep of an idle step. Half of the pace at which inputs fall due.
const IDLE: Duration = Duration::from_micros(500);

/// Plays `config.clients` clients against a server on this machine, each let in by a grant from `door`, and reports
/// what they met.
///
/// `progress` is called about once a second. Setting `stop` ends the run in order: what was measured so far is
/// reported and the clients take their leave.
///
/// # Errors
/// When the settings cannot work, the socket cannot be had, or nobody gets connected.
pub fn run(
    config: &BotsConfig,
    door: &mut impl Door,
    mut progress: impl FnMut(&Progress),
    stop: &AtomicBool,
) -> Result<BotsReport, BotsError> {
    let mut run = Run::new(config, throng_net::io::cpu::process_cpu_us)?;
    let mut socket = LoopbackSocket::bind(config)?;
    let start = Instant::now();
    loop {
        if stop.load(Ordering::Relaxed) {
            run.stop();
        }
        let now_us = start.elapsed().as_micros() as u64;
        let step = run.step(now_us, &mut socket, door).map_err(BotsError::Socket)?;
        if let Some(news) = &step.progress {
            progress(news);
        }
        if step.done {
            break;
        }
        if step.datagrams < STEP_BUSY_MIN {
            std::thread::sleep(IDLE);
        }
    }
    run.report()
}
