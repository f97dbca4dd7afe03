//! One line of printable text that people wrote for people: reasons, labels, notes.

use std::fmt;

use crate::limits::{DEVICE_BYTES_MAX, NOTE_BYTES_MAX, REASON_BYTES_MAX};

/// At most `BYTES` bytes of printable text without line breaks, so that it can go into a log or a terminal as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line<const BYTES: usize>(String);

/// Why somebody is banned.
pub type Reason = Line<REASON_BYTES_MAX>;
/// What a player calls the device of a login.
pub type DeviceLabel = Line<DEVICE_BYTES_MAX>;
/// What an operator wrote on an invitation.
pub type Note = Line<NOTE_BYTES_MAX>;

/// Why a text is no [`Line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Too many bytes.
    #[error("the text has {bytes} bytes, but may have at most {bytes_max}: shorten it")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// A character that moves a cursor, breaks a line, hides or turns around what is next to it.
    #[error("the text has the character U+{:04X}, but may have only printable ones: remove it", *.0 as u32)]
    NotPrintable(char),
}

impl<const BYTES: usize> Line<BYTES> {
    /// Takes a text, without the spaces around it.
    pub fn new(text: &str) -> Result<Self, LineError> {
        let text = text.trim_matches(' ');
        if text.len() > BYTES {
            return Err(LineError::TooLong { bytes: text.len(), bytes_max: BYTES });
        }
        match text.chars().find(|&c| !is_printable(c)) {
            Some(c) => Err(LineError::NotPrintable(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the store itself wrote before.
    pub(crate) fn kept(text: String) -> Self {
        Self(text)
    }
}

impl<const BYTES: usize> fmt::Display for Line<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_printable(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_a_terminal_would_obey() {
        for bad in ["\x1b[2J", "two\nlines", "\u{9b}31m", "a\u{202e}b", "zero\u{200b}width", "\0"] {
            assert!(matches!(Reason::new(bad), Err(LineError::NotPrintable(_))), "{bad:?}");
        }
        assert_eq!(Reason::new("  spam, twice – ügly ").unwrap().as_str(), "spam, twice – ügly");
    }

    #[test]
    fn is_bounded_in_bytes() {
        assert!(DeviceLabel::new(&"x".repeat(DEVICE_BYTES_MAX)).is_ok());
        let long = "ü".repeat(DEVICE_BYTES_MAX / 2 + 1);
        assert_eq!(DeviceLabel::new(&long), Err(LineError::TooLong { bytes: 66, bytes_max: 64 }));
    }
}
