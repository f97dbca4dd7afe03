//! Memory that the kernel reads and writes: it never moves, and starts as zeros.

use std::io;
use std::ptr::{self, NonNull};

/// Types of which all-zero bytes are a valid value.
///
/// # Safety
/// The implementor vouches for exactly that, and that the type needs no drop.
pub(super) unsafe trait Zeroable: Sized {}

// SAFETY: integers and arrays of them are valid as zeros.
unsafe impl Zeroable for u32 {}
// SAFETY: as above.
unsafe impl<const N: usize> Zeroable for [u8; N] {}
// SAFETY: plain data of the kernel's interface; null pointers and zero lengths are what its documentation starts from.
unsafe impl Zeroable for libc::iovec {}
// SAFETY: as above.
unsafe impl Zeroable for libc::msghdr {}
// SAFETY: as above.
unsafe impl Zeroable for libc::mmsghdr {}

/// An array in a mapping of its own: page-aligned, zeroed, at one address for as long as it lives.
///
/// It is held by raw pointer on purpose. The kernel gets pointers into it, and a `Box` would promise the compiler that
/// nobody else looks at its contents.
pub(super) struct Fixed<T: Zeroable> {
    start: NonNull<T>,
    count: usize,
}

// SAFETY: a `Fixed` owns its mapping and hands out references under the usual borrow rules. `T` may hold raw pointers
// (headers that point at slots); they point into other `Fixed`s of the same owner, which move threads with this one.
unsafe impl<T: Zeroable> Send for Fixed<T> {}

impl<T: Zeroable> Fixed<T> {
    /// Maps room for `count` elements, at least one.
    pub fn new(count: usize) -> io::Result<Self> {
        const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096) };
        let bytes = count
            .checked_mul(size_of::<T>())
            .filter(|bytes| *bytes > 0 && *bytes <= isize::MAX as usize)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: a fresh private anonymous mapping touches no memory of anybody else.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Fixed { start, count })
    }

    /// Where element `index` lives, for the kernel.
    ///
    /// # Panics
    /// When there is no such element.
    #[inline]
    pub fn at(&self, index: usize) -> *mut T {
        assert!(index < self.count);
        // SAFETY: `index` is below `count`, so the result is inside the mapping.
        unsafe { self.start.as_ptr().add(index) }
    }

    #[inline]
    pub fn get(&self, index: usize) -> &T {
        // SAFETY: inside the mapping, aligned (pages are), initialised (zeros are a `T`, and so is what was written
        // since). The kernel writes an element only between our handing it over and its completion, and no reference
        // is asked for in that time: the owners of these arrays keep that order.
        unsafe { &*self.at(index) }
    }

    #[inline]
    pub fn get_mut(&mut self, index: usize) -> &mut T {
        // SAFETY: as in `get`; `&mut self` keeps other references away.
        unsafe { &mut *self.at(index) }
    }
}

impl<T: Zeroable> Drop for Fixed<T> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`, which nobody refers to any more: references are bound to `self`,
        // and owners drop this only when the kernel has given its pointers up.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}

/// Asks for pages of 2 MiB for the room that a table has reserved and not touched yet. What is read of the sessions lies all
/// over: with pages of 4 KiB the processor looks up nearly each time where its page is, about 30 ns of a snapshot.
///
/// It only asks. Where the kernel refuses (transparent_hugepage is `never`), the table is the same and slower.
pub fn prefer_large_pages<T>(table: &Vec<T>) {
    const SMALL_BYTES: usize = 4096;
    let start = table.as_ptr().cast::<u8>();
    let skipped = start.align_offset(SMALL_BYTES);
    let bytes = (table.capacity() * size_of::<T>()).saturating_sub(skipped) / SMALL_BYTES * SMALL_BYTES;
    if bytes < LARGE_BYTES {
        return;
    }
    // SAFETY: the pages are the table's own, and the advice changes nothing of what is in them.
    unsafe { libc::madvise(start.wrapping_add(skipped).cast_mut().cast(), bytes, libc::MADV_HUGEPAGE) };
}

/// Less than one large page is not worth one.
const LARGE_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_same_on_large_pages() {
        for count in [0, 1, 1000, LARGE_BYTES, 5 * LARGE_BYTES + 3] {
            let mut table = Vec::<u8>::with_capacity(count);
            (0..count / 2).for_each(|number| table.push(number as u8));
            prefer_large_pages(&table);
            (count / 2..count).for_each(|number| table.push(number as u8));
            assert!(table.iter().enumerate().all(|(number, byte)| *byte == number as u8));
        }
    }

    #[test]
    fn starts_zeroed_and_keeps_what_is_written() {
        let mut fixed = Fixed::<[u8; 1280]>::new(300).unwrap();
        assert!(fixed.get(299).iter().all(|byte| *byte == 0));
        fixed.get_mut(299)[1279] = 7;
        let at = fixed.at(299);
        let moved = fixed;
        assert_eq!(moved.at(299), at);
        assert_eq!(moved.get(299)[1279], 7);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        assert!(Fixed::<u32>::new(0).is_err());
        assert!(Fixed::<u32>::new(usize::MAX).is_err());
        assert!(Fixed::<[u8; 1280]>::new(usize::MAX / 1280).is_err());
    }
}
