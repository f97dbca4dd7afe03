//! Noticing that a file was replaced, without asking the tick's thread to look.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A file whose replacement matters.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    seen: Option<Stamp>,
}

/// What changes with a file: when it was written, how long it is, and which one it is. Two changes within one step of
/// the file system's clock still differ in the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl FileWatch {
    /// Watches a file from how it is now; it need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let seen = stamp(&path);
        Self { path, seen }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is another than at the last look. A file that is gone is no change: what was read of it stays.
    pub fn has_changed(&mut self) -> bool {
        let now = stamp(&self.path);
        let has_changed = now.is_some() && now != self.seen;
        if has_changed {
            self.seen = now;
        }
        has_changed
    }

    /// Makes the next look find a change again: what was there could not be read.
    pub fn look_again(&mut self) {
        self.seen = None;
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    Some(Stamp { modified, bytes: metadata.len(), inode: metadata.ino() })
}

/// A thread that does something every so often until it is dropped: for a realm, which has no chores of its own.
#[derive(Debug)]
pub struct Watcher {
    end: Arc<End>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct End {
    is_over: Mutex<bool>,
    told: Condvar,
}

impl Watcher {
    /// Calls `look` once every `every`, beginning after the first, on a thread called `name`. A look that panics is told of,
    /// and the next one comes as ever: were it given up, new keys would be missed, or the gateway would hear no more of the
    /// realm, without a word.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        name: &'static str,
        every: Duration,
        mut look: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let end = Arc::new(End::default());
        let ending = end.clone();
        let watch = move || {
            let mut is_over = ending.is_over.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let waited = ending.told.wait_timeout_while(is_over, every, |is_over| !*is_over);
                let timeout;
                (is_over, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                if !timeout.timed_out() {
                    return;
                }
                // Not while holding the lock: a slow disk must not hold up whoever wants this to end.
                drop(is_over);
                if catch_unwind(AssertUnwindSafe(&mut look)).is_err() {
                    tracing::error!(
                        "the thread {name} panicked (what, is said on standard error); it tries again in {} s",
                        every.as_secs()
                    );
                }
                is_over = ending.is_over.lock().unwrap_or_else(PoisonError::into_inner);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(watch)?;
        Ok(Self { end, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        *self.end.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.told.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
