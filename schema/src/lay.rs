//! A table without tables in it, laid front to back: what a builder makes, without its buffers and its two passes.
//!
//! ```text
//!   size prefix, root, padding, vtable, table [ 8-byte fields | 4-byte fields, offsets | bytes ], texts
//! ```
//!
//! Fields that have their default take no bytes, and the vtable ends with the last one that is there.

/// One field of a table; its place in the list is its number in the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// A struct of two 8-byte numbers, the low one first.
    Id(u128),
    Long(i64),
    Word(u32),
    Byte(u8),
    Text(&'a str),
}

impl Value<'_> {
    fn is_default(self) -> bool {
        match self {
            Self::Id(id) => id == 0,
            Self::Long(long) => long == 0,
            Self::Word(word) => word == 0,
            Self::Byte(byte) => byte == 0,
            Self::Text(text) => text.is_empty(),
        }
    }

    /// Multiple of bytes at which the field lies in the table.
    fn align(self) -> usize {
        match self {
            Self::Id(_) | Self::Long(_) => 8,
            Self::Word(_) | Self::Text(_) => 4,
            Self::Byte(_) => 1,
        }
    }
}

const VTABLE_AT: usize = 8;

/// Lays the message into the front of `out`; `None` when it does not fit.
pub(crate) fn lay(out: &mut [u8], fields: &[Value<'_>]) -> Option<usize> {
    let there = |align| {
        fields.iter().enumerate().filter(move |(_, field)| field.align() == align && !field.is_default())
    };
    let slots = fields.iter().rposition(|field| !field.is_default()).map_or(0, |last| last + 1);
    // The vtable is 2-aligned wherever it is, so the padding goes behind it: its distance says where it is.
    let mut table = (VTABLE_AT + 4 + 2 * slots).next_multiple_of(4);
    if there(8).next().is_some() {
        // The first field lies 4 behind the table's start.
        table += (table + 4) % 8;
    }
    let mut writer = Writer { out, at: table + 4 };
    writer.out.get_mut(..table + 4)?.fill(0);
    for align in [8, 4, 1] {
        for (number, field) in there(align) {
            let entry = (writer.at - table) as u16;
            writer.patch(VTABLE_AT + 4 + 2 * number, &entry.to_le_bytes())?;
            match *field {
                Value::Id(id) => writer.put(&id.to_le_bytes())?,
                Value::Long(long) => writer.put(&long.to_le_bytes())?,
                Value::Word(word) => writer.put(&word.to_le_bytes())?,
                Value::Byte(byte) => writer.put(&[byte])?,
                Value::Text(_) => writer.put(&[0; 4])?,
            }
        }
    }
    writer.pad()?;
    let table_bytes = (writer.at - table) as u16;
    for (number, field) in there(4) {
        let Value::Text(text) = *field else { continue };
        let entry = VTABLE_AT + 4 + 2 * number;
        let offset_at = table + usize::from(u16::from_le_bytes([writer.out[entry], writer.out[entry + 1]]));
        writer.patch(offset_at, &((writer.at - offset_at) as u32).to_le_bytes())?;
        writer.put(&(text.len() as u32).to_le_bytes())?;
        writer.put(text.as_bytes())?;
        writer.put(&[0])?;
        writer.pad()?;
    }
    let bytes = writer.at;
    writer.patch(0, &(bytes as u32 - 4).to_le_bytes())?;
    writer.patch(4, &(table as u32 - 4).to_le_bytes())?;
    writer.patch(VTABLE_AT, &(4 + 2 * slots as u16).to_le_bytes())?;
    writer.patch(VTABLE_AT + 2, &table_bytes.to_le_bytes())?;
    writer.patch(table, &((table - VTABLE_AT) as u32).to_le_bytes())?;
    Some(bytes)
}

/// Writes front to back, as far as there is room.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.patch(self.at, bytes)?;
        self.at += bytes.len();
        Some(())
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    fn pad(&mut self) -> Option<()> {
        let padding = self.at.next_multiple_of(4) - self.at;
        self.put(&[0; 3][..padding])
    }
}
