//! The io_uring backend: may it be used, and a ring for each thread that sends.

mod send;

use std::fs;
use std::io;

use io_uring::{IoUring, Probe, opcode};

use super::SEND_SLOTS;
pub(super) use send::UringSender;

/// The socket's place in the table of registered files.
const SOCKET: io_uring::types::Fixed = io_uring::types::Fixed(0);

/// The oldest kernel that has all that we use: deferred task work, and `SEND` with an address.
const KERNEL_NEEDED: &str = "6.1";

/// A ring for one thread, whose completions are only worked on when that thread enters.
fn ring() -> io::Result<IoUring> {
    const ENTRIES: u32 = SEND_SLOTS as u32;
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all().setup_cqsize(2 * ENTRIES);
    builder.build(ENTRIES)
}

/// Finds out whether this process may use io_uring, by using a ring as large as a sender's.
pub(super) fn probe() -> io::Result<()> {
    let mut ring = ring()?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    if !probe.is_supported(opcode::Send::CODE) || !probe.is_supported(opcode::SendMsg::CODE) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: a no-op refers to no memory.
    unsafe { ring.submission().push(&opcode::Nop::new().build()) }
        .map_err(|_| io::Error::from_raw_os_error(libc::EBUSY))?;
    ring.submit_and_wait(1)?;
    match ring.completion().next().map(|completion| completion.result()) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

/// Says what refuses io_uring and what would let it be used.
pub(super) fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!(
            "io_uring is refused ({error}; kernel.io_uring_disabled is {}): a container's seccomp profile or a hardened \
             host forbids it. To use it, allow io_uring_setup, io_uring_enter and io_uring_register in the profile and \
             set kernel.io_uring_disabled=0",
            setting("io_uring_disabled")
        ),
        Some(libc::ENOSYS | libc::EINVAL) => format!(
            "io_uring is missing or too old ({error}; the kernel is {}): {KERNEL_NEEDED} or newer is needed, and no \
             seccomp profile that hides it",
            setting("osrelease")
        ),
        Some(libc::ENOMEM) => format!(
            "io_uring found no memory for its rings ({error}; the limit of locked memory is {}): each sending thread \
             needs 64 KiB. Raise it with `ulimit -l` or LimitMEMLOCK= in the service file",
            memlock_limit()
        ),
        _ => format!("io_uring failed ({error})"),
    }
}

/// Says what an accepted io_uring does.
pub(super) fn description() -> String {
    format!("io_uring of kernel {} sends, recvmmsg receives", setting("osrelease"))
}

fn setting(name: &str) -> String {
    match fs::read_to_string(format!("/proc/sys/kernel/{name}")) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

fn memlock_limit() -> String {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit` to a pointer to one.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    match (result, limit.rlim_cur) {
        (0, libc::RLIM_INFINITY) => "unlimited".to_owned(),
        (0, bytes) => format!("{} KiB", bytes / 1024),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_was_found_and_what_to_do() {
        for (errno, parts) in [
            (libc::EPERM, ["kernel.io_uring_disabled", "seccomp"]),
            (libc::ENOSYS, ["6.1", "the kernel is"]),
            (libc::ENOMEM, ["ulimit -l", "LimitMEMLOCK="]),
            (libc::EMFILE, ["io_uring failed", "os error 24"]),
        ] {
            let text = refusal(&io::Error::from_raw_os_error(errno));
            for part in parts {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
