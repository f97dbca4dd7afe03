//! What this process has used, as Linux tells it, and who may look into it.

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
    #[cfg(target_os = "linux")]
    fn this_process_has_used_something() {
        assert!(cpu_us() > 0);
        assert!(resident_kib().is_some_and(|(now, peak)| now > 0 && peak >= now));
    }
}
