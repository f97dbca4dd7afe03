//! A first look at a message's form, so that bad ones are refused without the library's verifier.
//!
//! The library records where an error lies in a `Vec`: 60 ns and an allocation for each bad message of a flood.
//! This pass makes the same checks in the same order and yields a one-byte reason in about 12 ns. What it lets
//! through the library verifies again before its accessors, which rely on that, see it; a test holds the two
//! verdicts equal over mutated messages. What is read without those accessors needs this pass only.

use crate::error::Fault;
use crate::limits::VERIFY_APPARENT_BYTES_MAX;

/// What a field of a root table looks like. `slot` is its place in the vtable, bytes.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    slot: u16,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    /// Inline, of so many bytes at a multiple of `align`.
    Inline { bytes: usize, align: usize },
    /// Behind an offset: a count, then elements.
    Vector { element_bytes: usize, align: usize },
    /// Behind an offset: a count, UTF-8, a zero byte.
    String,
}

impl Field {
    pub(crate) const fn word(slot: u16) -> Self {
        Self::inline::<u32>(slot)
    }

    /// A number, or a struct: those are byte arrays in Rust and may lie anywhere.
    pub(crate) const fn inline<T>(slot: u16) -> Self {
        Self { slot, shape: Shape::Inline { bytes: size_of::<T>(), align: align_of::<T>() } }
    }

    pub(crate) const fn vector<T>(slot: u16) -> Self {
        Self { slot, shape: Shape::Vector { element_bytes: size_of::<T>(), align: align_of::<T>() } }
    }

    pub(crate) const fn string(slot: u16) -> Self {
        Self { slot, shape: Shape::String }
    }
}

/// Checks the root table of a size-prefixed message and the fields named. Returns where each field lies:
/// an inline one itself, a vector's or string's count word; 0 for an absent one.
#[inline]
pub(crate) fn check<const N: usize>(message: &[u8], fields: &[Field; N]) -> Result<[usize; N], Fault> {
    let mut places = [0; N];
    let table = target(message, 4)?;
    let vtable = vtable(message, table)?;
    let vtable_bytes = usize::from(u16::from_le_bytes(bytes(message, vtable)?));
    if !vtable_bytes.is_multiple_of(2) {
        return Err(Fault::Unaligned);
    }
    let slots = message.get(vtable..vtable + vtable_bytes).ok_or(Fault::OutOfBounds)?;
    let mut visited = 0;
    for (field, place) in fields.iter().zip(&mut places) {
        let at = match slots.get(usize::from(field.slot)..).and_then(<[u8]>::first_chunk) {
            None | Some([0, 0]) => continue, // absent
            Some(offset) => table + usize::from(u16::from_le_bytes(*offset)),
        };
        *place = match field.shape {
            Shape::Inline { bytes, align } => {
                aligned(at, align)?;
                if at + bytes > message.len() {
                    return Err(Fault::OutOfBounds);
                }
                at
            }
            Shape::Vector { element_bytes, align } => {
                let (start, end) = vector(message, at, element_bytes, align)?;
                visited += end - start;
                start - 4
            }
            Shape::String => {
                let (start, end) = vector(message, at, 1, 1)?;
                visited += end - start;
                std::str::from_utf8(&message[start..end]).map_err(|_| Fault::NotUtf8)?;
                if message.get(end) != Some(&0) {
                    return Err(Fault::Unterminated);
                }
                start - 4
            }
        };
    }
    // Only vectors can share bytes often enough to matter. The library also counts the few words around them;
    // in a message of a datagram's size neither count can reach the limit.
    if visited > VERIFY_APPARENT_BYTES_MAX { Err(Fault::TooLarge) } else { Ok(places) }
}

/// The word at a place that [`check`] returned; 0, every field's default, for an absent one.
#[inline]
pub(crate) fn word_at(message: &[u8], place: usize) -> u32 {
    match message.get(place..).and_then(<[u8]>::first_chunk) {
        Some(bytes) if place != 0 => u32::from_le_bytes(*bytes),
        _ => 0,
    }
}

/// `N` bytes at a multiple of `N`.
#[inline]
fn bytes<const N: usize>(message: &[u8], at: usize) -> Result<[u8; N], Fault> {
    aligned(at, N)?;
    message.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(Fault::OutOfBounds)
}

/// Where the offset at `at` points to. May lie outside the message.
#[inline]
fn target(message: &[u8], at: usize) -> Result<usize, Fault> {
    Ok(at.saturating_add(u32::from_le_bytes(bytes(message, at)?) as usize))
}

/// A table starts with how far back (or, negative, ahead) its vtable lies.
#[inline]
fn vtable(message: &[u8], table: usize) -> Result<usize, Fault> {
    let back = i32::from_le_bytes(bytes(message, table)?);
    let distance = back.unsigned_abs() as usize;
    let vtable = if back > 0 { table.checked_sub(distance) } else { table.checked_add(distance) };
    vtable.filter(|at| *at < message.len()).ok_or(Fault::OutOfBounds)
}

/// Start and end of a vector's elements, inside the message.
#[inline]
fn vector(message: &[u8], at: usize, element_bytes: usize, align: usize) -> Result<(usize, usize), Fault> {
    let count_at = target(message, at)?;
    let count = u32::from_le_bytes(bytes(message, count_at)?) as usize;
    let start = count_at + 4;
    aligned(start, align)?;
    let end = start.saturating_add(count.saturating_mul(element_bytes));
    if end > message.len() { Err(Fault::OutOfBounds) } else { Ok((start, end)) }
}

#[inline]
fn aligned(at: usize, align: usize) -> Result<(), Fault> {
    if at.is_multiple_of(align) { Ok(()) } else { Err(Fault::Unaligned) }
}
