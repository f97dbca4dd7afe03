//! What can be wrong with bytes from a peer. All of it is small, `Copy`, and made without allocating:
//! a flood of bad messages must not become a flood of allocations.

use flatbuffers::InvalidFlatbuffer;
use thiserror::Error;

/// A message that is not a well-formed FlatBuffer of the expected table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Too short to hold a size prefix and a root offset.
    #[error("message of {found} bytes cannot hold a size prefix and a root offset (8 bytes)")]
    Truncated {
        /// Bytes received.
        found: usize,
    },
    /// The size prefix does not say how many bytes follow it.
    #[error("size prefix claims {claimed} bytes but {found} follow it")]
    Prefix {
        /// What the prefix says.
        claimed: u32,
        /// Bytes that follow the prefix.
        found: usize,
    },
    /// The verifier refused the message.
    #[error("malformed message: {0}")]
    Invalid(#[from] Fault),
}

/// Why the verifier refused a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[repr(u8)]
pub enum Fault {
    /// An offset, a vector or a vtable reaches outside the message.
    #[error("an offset points outside the message")]
    OutOfBounds,
    /// A number does not lie at a multiple of its size.
    #[error("a field is not aligned")]
    Unaligned,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// A string lacks its terminating zero byte.
    #[error("a string lacks its terminating zero")]
    Unterminated,
    /// A field that the schema requires is absent, or a union is inconsistent.
    #[error("a required field is absent")]
    Missing,
    /// More tables than [`VERIFY_TABLES_MAX`](crate::limits::VERIFY_TABLES_MAX).
    #[error("too many tables")]
    TooManyTables,
    /// Deeper than [`VERIFY_DEPTH_MAX`](crate::limits::VERIFY_DEPTH_MAX).
    #[error("tables nest too deeply")]
    TooDeep,
    /// More to visit than [`VERIFY_APPARENT_BYTES_MAX`](crate::limits::VERIFY_APPARENT_BYTES_MAX).
    #[error("shared parts make the message too large to verify")]
    TooLarge,
}

impl From<InvalidFlatbuffer> for Fault {
    fn from(error: InvalidFlatbuffer) -> Self {
        match error {
            InvalidFlatbuffer::RangeOutOfBounds { .. }
            | InvalidFlatbuffer::SignedOffsetOutOfBounds { .. } => Self::OutOfBounds,
            InvalidFlatbuffer::Unaligned { .. } => Self::Unaligned,
            InvalidFlatbuffer::Utf8Error { .. } => Self::NotUtf8,
            InvalidFlatbuffer::MissingNullTerminator { .. } => Self::Unterminated,
            InvalidFlatbuffer::MissingRequiredField { .. } | InvalidFlatbuffer::InconsistentUnion { .. } => {
                Self::Missing
            }
            InvalidFlatbuffer::TooManyTables => Self::TooManyTables,
            InvalidFlatbuffer::DepthLimitReached => Self::TooDeep,
            InvalidFlatbuffer::ApparentSizeTooLarge => Self::TooLarge,
        }
    }
}

impl From<InvalidFlatbuffer> for WireError {
    fn from(error: InvalidFlatbuffer) -> Self {
        Self::Invalid(error.into())
    }
}

/// A well-formed hello that cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HelloError {
    /// The client speaks another schema.
    #[error("client speaks schema {found}, this server speaks {needed}: update the older of the two")]
    Version {
        /// The client's.
        found: u32,
        /// Ours, [`SCHEMA_VERSION`](crate::SCHEMA_VERSION).
        needed: u32,
    },
    /// The name cannot be shown.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// A name that cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Absent or of no bytes.
    #[error("a name is needed: 1 to 32 bytes of UTF-8")]
    Empty,
    /// Longer than [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX).
    #[error("the name has {found} bytes, at most 32 are allowed")]
    TooLong {
        /// Bytes of the name.
        found: usize,
    },
    /// Holds a control, format, separator, private-use or non-character, or begins or ends with a space.
    #[error("the name holds U+{:04X} at byte {at}, which cannot be shown there", u32::from(*found))]
    Unprintable {
        /// The first character at fault.
        found: char,
        /// Its byte position in the name.
        at: usize,
    },
}

/// A text that cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Longer than allowed.
    #[error("the text has {found} bytes, at most {most} are allowed")]
    TooLong {
        /// Bytes of the text.
        found: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// Holds a character that no name may hold.
    #[error("the text holds U+{:04X} at byte {at}, which cannot be shown there", u32::from(*found))]
    Unprintable {
        /// The first character at fault.
        found: char,
        /// Its byte position in the text.
        at: usize,
    },
}

/// A well-formed command that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// Absent, or not of this schema.
    #[error("there is no verb {found}")]
    Verb {
        /// Its number.
        found: u8,
    },
    /// Less than no money.
    #[error("a negative amount of money")]
    Negative,
    /// What is to be said cannot be shown.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The name of another cannot be one.
    #[error("in a name: {0}")]
    Name(TextError),
}

/// A well-formed input that must be dropped whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InputError {
    /// Inputs are numbered from 1.
    #[error("input without a sequence number")]
    NoSequence,
    /// The intent is absent.
    #[error("input without an intent")]
    NoIntent,
    /// A movement component of the intent, or of a past one, is NaN or infinite.
    #[error("intent with a movement that is not a finite number")]
    NotFinite,
}

/// Why [`decode_input`](crate::decode_input) yields no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InputRefusal {
    /// Its form is wrong.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Its meaning is wrong.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// A world description that a client cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WorldError {
    /// Width, height or view radius is not a positive finite number, or the radius is beyond
    /// [`VIEW_RADIUS_M_MAX`](crate::limits::VIEW_RADIUS_M_MAX).
    #[error("the world's size or view radius is out of range")]
    Size,
    /// The tick rate lies outside 10 to 60.
    #[error("the tick rate of {found} Hz lies outside 10 to 60")]
    TickRate {
        /// Ticks per second.
        found: u16,
    },
    /// Another number of position units per metre than this schema's.
    #[error("{found} position units per metre, this schema has 32")]
    Units {
        /// Units per metre.
        found: u16,
    },
}
