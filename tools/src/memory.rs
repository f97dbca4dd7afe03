//! What a server's process takes while it is attacked, as Linux tells it.

use std::fs;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often to look.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a process took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// The process.
    pub pid: u32,
    /// Whether it ended meanwhile: nothing is known of after.
    pub has_ended: bool,
    /// Resident KiB before.
    pub before_kib: u64,
    /// The most that was seen.
    pub most_kib: u64,
    /// Resident KiB after.
    pub after_kib: Option<u64>,
    /// Open files before; none where the process does not let others see them.
    pub files_before: Option<u64>,
    /// The most that were seen.
    pub files_most: Option<u64>,
    /// Open files after.
    pub files_after: Option<u64>,
}

/// Looks at a process.
pub(crate) struct Watch(MemoryReport);

impl Watch {
    /// Takes the figures of before.
    pub fn new(pid: u32) -> io::Result<Self> {
        let Some(kib) = resident_kib(pid)? else { return Err(io::Error::other("it has ended")) };
        let files = open_files(pid);
        Ok(Self(MemoryReport {
            pid,
            has_ended: false,
            before_kib: kib,
            most_kib: kib,
            after_kib: Some(kib),
            files_before: files,
            files_most: files,
            files_after: files,
        }))
    }

    /// Takes the figures of now. One that cannot be had, such as for want of a file to read it from, stays as it was.
    pub fn look(&mut self) {
        let report = &mut self.0;
        match resident_kib(report.pid) {
            Ok(Some(kib)) if !report.has_ended => {
                report.after_kib = Some(kib);
                report.most_kib = report.most_kib.max(kib);
            }
            // Whoever has its id after it is another process.
            Ok(_) => return self.end(),
            Err(_) => return,
        }
        if let Some(files) = open_files(report.pid) {
            report.files_after = Some(files);
            report.files_most = report.files_most.max(Some(files));
        }
    }

    fn end(&mut self) {
        (self.0.has_ended, self.0.after_kib, self.0.files_after) = (true, None, None);
    }

    /// What was seen so far.
    pub fn report(&self) -> MemoryReport {
        self.0
    }
}

/// None of a process that has ended.
fn resident_kib(pid: u32) -> io::Result<Option<u64>> {
    match fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => Ok(resident_kib_in(&status)),
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// None of a process that has ended and waits for its parent: it is listed, and has no memory.
fn resident_kib_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether that is why its file could not be read: it was gone before, or went while it was read.
fn has_ended(error: &io::Error) -> bool {
    const NO_SUCH_PROCESS: i32 = 3;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_PROCESS)
}

fn open_files(pid: u32) -> Option<u64> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|files| files.count() as u64)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_ends_has_no_figures_of_after() {
        // It waits for input that never comes.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("there is a cat");
        let mut watch = Watch::new(child.id()).expect("it runs");
        watch.look();
        let before = watch.report();
        assert!(!before.has_ended && before.after_kib.is_some(), "{before:?}");
        child.kill().expect("a child");
        child.wait().expect("a child");
        watch.look();
        let after = watch.report();
        assert!(after.has_ended && after.pid == child.id(), "{after:?}");
        assert_eq!((after.after_kib, after.files_after), (None, None));
        assert_eq!((after.before_kib, after.most_kib), (before.before_kib, before.most_kib));
        assert!(Watch::new(child.id()).is_err(), "there is nothing to look at");
    }

    #[test]
    fn a_process_without_memory_has_ended() {
        assert_eq!(resident_kib_in("Name:\tcat\nState:\tS (sleeping)\nVmRSS:\t    1820 kB\n"), Some(1820));
        assert_eq!(resident_kib_in("Name:\tcat\nState:\tZ (zombie)\nThreads:\t1\n"), None);
        assert!(has_ended(&io::Error::from_raw_os_error(2)) && has_ended(&io::Error::from_raw_os_error(3)));
        assert!(!has_ended(&io::Error::from_raw_os_error(24)), "this process may open no more files");
    }
}
