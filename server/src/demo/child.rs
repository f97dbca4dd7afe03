//! A child process of the demo: started from this very program, spoken to in lines, never left behind.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::de::DeserializeOwned;

/// Lines of a child's standard error that are kept to explain a failure.
const COMPLAINTS_MAX: usize = 20;
/// How often a child that should end is looked at.
const END_POLL: Duration = Duration::from_millis(20);

/// A running child. Dropping it ends it at once.
pub(super) struct Child {
    name: &'static str,
    process: Process,
    /// Its end asks the child to stop.
    stdin: Option<ChildStdin>,
    complaints: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    /// Starts this program again with `arguments`. Each line that it says goes to `messages` as `wrap` makes it,
    /// and the end of them as `None`; lines that are no `T` are kept with its complaints.
    pub fn start<T: DeserializeOwned + 'static, M: Send + 'static>(
        name: &'static str,
        arguments: &[String],
        messages: Sender<M>,
        wrap: fn(Option<T>) -> M,
    ) -> anyhow::Result<Self> {
        let program =
            std::env::current_exe().context("cannot find this program's own file to start it again")?;
        let mut process = Command::new(&program)
            .args(arguments)
            // Ctrl-C in a terminal goes to the whole process group; the children are to hear it from the demo alone,
            // in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the {name}: {}", program.display()))?;
        let complaints = Arc::new(Mutex::new(VecDeque::new()));
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let child = Self { name, process, stdin, complaints: complaints.clone() };
        let kept = complaints.clone();
        lines_of(stderr, move |line| keep(&kept, line), || {})?;
        let ending = messages.clone();
        lines_of(
            stdout,
            move |line| match serde_json::from_str(&line) {
                Ok(message) => drop(messages.send(wrap(Some(message)))),
                Err(_) => keep(&complaints, line),
            },
            move || drop(ending.send(wrap(None))),
        )?;
        Ok(child)
    }

    /// Says one line to the child. A child that no longer listens is found out by its end.
    pub fn say(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// Asks the child to stop in order.
    pub fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end, at most until `deadline`; then ends the child at once.
    pub fn wait(&mut self, deadline: Instant) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.process.try_wait().context("cannot wait for a child process")? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.end();
                anyhow::bail!("the {} did not stop in time and was ended", self.name);
            }
            thread::sleep(END_POLL);
        }
    }

    /// What the child wrote to standard error last, for a person who wants to know why it failed.
    pub fn complaints(&self) -> String {
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<String> = complaints.iter().map(|line| format!("\n  {}: {line}", self.name)).collect();
        lines.concat()
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            self.end();
        }
    }
}

fn keep(complaints: &Mutex<VecDeque<String>>, line: String) {
    let mut complaints = complaints.lock().unwrap_or_else(PoisonError::into_inner);
    if complaints.len() == COMPLAINTS_MAX {
        complaints.pop_front();
    }
    complaints.push_back(line);
}

/// Reads lines on a thread of its own until the other end closes.
fn lines_of(
    source: Option<impl Read + Send + 'static>,
    mut each: impl FnMut(String) + Send + 'static,
    at_end: impl FnOnce() + Send + 'static,
) -> anyhow::Result<()> {
    let source = source.context("a child process has no pipe")?;
    let read = move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            each(line);
        }
        at_end();
    };
    thread::Builder::new().name("pipe".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(())
}
