//! What this process has used, as Linux tells it, who may look into it, and why it failed.

use std::fs;

pub use throng_net::io::cpu::process_cpu_us as cpu_us;

/// Resident memory of this process in KiB, now and at its peak. `None` where there is no `/proc`.
pub fn resident_kib() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some((parse_status(&status, "VmRSS:")?, parse_status(&status, "VmHWM:")?))
}

/// Leaves no core dump, and lets no other process of the same user look into this one's memory: there are keys,
/// tokens and, for a moment, passwords in it. Where the system refuses, operators have `ulimit -c 0`.
pub fn keep_memory_private() {
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// An error and what caused it, each told once: some say their cause themselves, together with what to do.
pub fn with_causes(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if told.is_empty() {
            told = cause;
        } else if !told.contains(cause.trim_end()) {
            told = format!("{told}: {}", cause.trim_end());
        }
    }
    told
}

fn parse_status(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_by_its_key() {
        let status = "Name:\tthrong\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(parse_status(status, "VmRSS:"), Some(1024));
        assert_eq!(parse_status(status, "VmPeak:"), None);
    }

    #[test]
    fn each_cause_is_told_once() {
        let denied = || std::io::Error::from_raw_os_error(13);
        let once = crate::land::NoLand::Read { path: "a.world".into(), source: denied() };
        let told = with_causes(&anyhow::Error::from(once));
        assert_eq!(told.matches("Permission denied").count(), 1, "{told}");
        assert!(told.ends_with("leave it empty"), "{told}");
        let told = with_causes(&anyhow::Error::from(denied()).context("cannot start a thread"));
        assert_eq!(told, "cannot start a thread: Permission denied (os error 13)");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_used_something() {
        assert!(cpu_us() > 0);
        assert!(resident_kib().is_some_and(|(now, peak)| now > 0 && peak >= now));
    }
}
