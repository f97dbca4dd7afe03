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
    /// Resident KiB before.
    pub before_kib: u64,
    /// The most that was seen.
    pub most_kib: u64,
    /// Resident KiB after.
    pub after_kib: u64,
    /// Open files before; none where the process does not let others see them.
    pub files_before: Option<u64>,
    /// The most that were seen.
    pub files_most: Option<u64>,
    /// Open files after.
    pub files_after: Option<u64>,
}

/// Looks at a process.
pub(crate) struct Watch {
    pid: u32,
    report: MemoryReport,
}

impl Watch {
    /// Takes the figures of before.
    pub fn new(pid: u32) -> io::Result<Self> {
        let kib = resident_kib(pid)?;
        let files = open_files(pid);
        let report = MemoryReport {
            before_kib: kib,
            most_kib: kib,
            after_kib: kib,
            files_before: files,
            files_most: files,
            files_after: files,
        };
        Ok(Self { pid, report })
    }

    /// Takes the figures of now. A process that has ended keeps its last ones.
    pub fn look(&mut self) {
        if let Ok(kib) = resident_kib(self.pid) {
            self.report.after_kib = kib;
            self.report.most_kib = self.report.most_kib.max(kib);
        }
        if let Some(files) = open_files(self.pid) {
            self.report.files_after = Some(files);
            self.report.files_most = self.report.files_most.max(Some(files));
        }
    }

    /// What was seen so far.
    pub fn report(&self) -> MemoryReport {
        self.report
    }
}

fn resident_kib(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| io::Error::other("it has no memory: it has ended"))
}

fn open_files(pid: u32) -> Option<u64> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|files| files.count() as u64)
}
