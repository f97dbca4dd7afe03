//! What the standard library does not have of the processor: CPU time used, for reports, and asking for memory ahead.

/// Bytes of a line of cache.
const LINE_BYTES: usize = 64;

/// Asks for the lines of cache that `what` lies in: it will be read soon.
#[inline(always)]
pub fn soon<T>(what: &T) {
    front_soon(what, size_of::<T>());
}

/// Asks for the lines of cache that the first `bytes` of `what` lie in.
#[inline(always)]
pub fn front_soon<T>(what: &T, bytes: usize) {
    let bytes = bytes.min(size_of::<T>());
    for at in (0..bytes).step_by(LINE_BYTES).chain([bytes.saturating_sub(1)]) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing that the program could see and faults at no address; every x86-64 has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *what).cast::<i8>().wrapping_add(at)) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (what, at);
    }
}

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
