//! CPU time used, for reports: the standard library does not have it.

/// Microseconds of CPU, user and system, that this process has used.
pub fn process_cpu_us() -> u64 {
    clock_us(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Microseconds of CPU, user and system, that the calling thread has used.
pub fn thread_cpu_us() -> u64 {
    clock_us(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock_us(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec` to a pointer to one.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    if result == 0 { time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let (process, thread) = (process_cpu_us(), thread_cpu_us());
        let mut state = 1u64;
        while thread_cpu_us() == thread {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        assert!(thread_cpu_us() > thread);
        assert!(process_cpu_us() > process);
    }
}
