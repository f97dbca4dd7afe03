//! Lines of JSON between a demo and its two child processes.
//!
//! ```text
//!   demo ── settings, "measure begin", "measure end" ──► stdin  realm
//!        ◄── listening, progress ..., report ─────────── stdout
//!        ── (nothing) ─────────────────────────────────► stdin  bots
//!        ◄── progress ..., report ────────────────────── stdout
//! ```
//!
//! The end of standard input asks a child to stop. That needs no signal, and it also happens when the demo dies without
//! a word, so no child outlives its parent.

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::stop::{EXIT_INTERRUPTED, StopFlag};

/// Command to a realm: what a load generator measures begins now.
pub const MEASURE_BEGIN: &str = "measure begin";
/// Command to a realm: what a load generator measures has ended.
pub const MEASURE_END: &str = "measure end";

/// How long a child may take to stop in order after its standard input has ended. Then it ends anyway, because nobody
/// is left to end it.
const ORDERLY_END: Duration = Duration::from_secs(20);

/// Reads standard input on a thread of its own: calls `command` for each line, and at the end raises `stop`.
///
/// # Errors
/// When the thread cannot be started.
pub fn follow_stdin(stop: StopFlag, mut command: impl FnMut(&str) + Send + 'static) -> anyhow::Result<()> {
    let follow = move || {
        for line in io::stdin().lock().lines() {
            match line {
                Ok(line) => command(line.trim()),
                Err(_) => break,
            }
        }
        stop.raise();
        thread::sleep(ORDERLY_END);
        std::process::exit(i32::from(EXIT_INTERRUPTED));
    };
    thread::Builder::new().name("stdin".to_owned()).spawn(follow).context("cannot start a thread")?;
    Ok(())
}

/// Writes `value` as one line to standard output at once. `false` when nobody reads it any more.
pub fn say(value: &impl Serialize) -> bool {
    serde_json::to_string(value).is_ok_and(|line| print_line(&line))
}

/// Prints `text` and a line's end to standard output at once. `false` when nobody reads it any more, which is no reason
/// to stop (`println!` would panic).
pub fn print_line(text: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}
