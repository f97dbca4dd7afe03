//! What a name may be, and when two names are the same.
//!
//! ```text
//!   text ─► NFKC ─► bounds, characters, scripts ─► Name { text, key, looks }
//!                                                        │     │     └─ four skeletons: no two names may share one
//!                                                        │     └─ letter case taken away: finds an account at login
//!                                                        └─ as it is shown
//! ```
//!
//! A skeleton ([UTS 39](https://www.unicode.org/reports/tr39/#Confusable_Detection)) maps every character to one that
//! stands for all that look like it. It is about one spelling: `I` looks like `l`, and `i` does not. Taking case away
//! before (as the standard suggests) lets `AIice` stand beside `Alice`; taking it away after lets the Cyrillic `вов`
//! stand beside `bob`, whose capitals are the same. Merging whatever is connected by case or look is worse: Greek nu
//! joins `n` to `v`. So a name claims the looks of all its usual spellings, and two names conflict if they share one.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection, skeleton};

use crate::limits::{NAME_BYTES_MAX, NAME_CHARS_MAX, NAME_CHARS_MIN, NAME_INPUT_BYTES_MAX, NAME_MARKS_MAX};

/// The version of Unicode's tables that keys and looks come from. Kept in the database: when it changes, they are
/// made anew.
pub const UNICODE_VERSION: (u64, u64, u64) = unicode_security::UNICODE_VERSION;

/// The name of an account or of a character.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Fewer characters than [`NAME_CHARS_MIN`].
    #[error("the name has {0} characters, but needs at least {NAME_CHARS_MIN}")]
    TooShort(usize),
    /// More characters than [`NAME_CHARS_MAX`].
    #[error("the name has {0} characters, but may have at most {NAME_CHARS_MAX}: shorten it")]
    TooLong(usize),
    /// More bytes than [`NAME_BYTES_MAX`].
    #[error("the name has {0} bytes in UTF-8, but may have at most {NAME_BYTES_MAX}: shorten it")]
    TooManyBytes(usize),
    /// Neither a letter, a digit, a mark nor a separator of a script in use.
    #[error(
        "the name has the character U+{:04X}, but may have only letters and digits of scripts in use, \
         with single spaces, hyphens, underscores, apostrophes or full stops between them", *.0 as u32
    )]
    Character(char),
    /// A separator at an end, or next to another.
    #[error(
        "the name has `{0}` at an end or next to another separator, but separators stand singly between letters"
    )]
    Separator(char),
    /// A mark without a letter, or too many on one.
    #[error("the name has the mark U+{:04X} without a letter or as one of more than {NAME_MARKS_MAX} on one letter", *.0 as u32)]
    Mark(char),
    /// Letters of scripts that are not written together.
    #[error(
        "the name mixes scripts that are not written together, such as Latin and Cyrillic: use one of them"
    )]
    MixedScripts,
}

impl Name {
    /// Takes a text as a name, in its compatibility-composed form.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_INPUT_BYTES_MAX {
            return Err(NameError::TooManyBytes(text.len()));
        }
        let name: String = text.nfkc().collect();
        let mut marks = 0;
        let mut previous = ' '; // as if a separator stood before the first
        for c in name.chars() {
            if is_combining_mark(c) && GeneralSecurityProfile::identifier_allowed(c) {
                marks += 1;
                if is_separator(previous) || marks > NAME_MARKS_MAX {
                    return Err(NameError::Mark(c));
                }
            } else if is_separator(c) {
                if is_separator(previous) {
                    return Err(NameError::Separator(c));
                }
                marks = 0;
            } else if c.is_alphanumeric() && GeneralSecurityProfile::identifier_allowed(c) {
                marks = 0;
            } else {
                return Err(NameError::Character(c));
            }
            previous = c;
        }
        if !name.is_empty() && is_separator(previous) {
            return Err(NameError::Separator(previous));
        }
        let chars = name.chars().count();
        if chars < NAME_CHARS_MIN {
            return Err(NameError::TooShort(chars));
        }
        if chars > NAME_CHARS_MAX {
            return Err(NameError::TooLong(chars));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooManyBytes(name.len()));
        }
        let letters: String = name.chars().filter(|&c| !is_separator(c)).collect();
        if !letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive) {
            return Err(NameError::MixedScripts);
        }
        Ok(Self(name))
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the store itself wrote before.
    pub(crate) fn kept(text: String) -> Self {
        Self(text)
    }

    /// The same for every spelling in capitals and small letters, and for nothing else: what a login looks up.
    pub fn key(&self) -> String {
        fold(&self.0)
    }

    /// What no other name of its kind may share; between one and four, each once.
    pub fn looks(&self) -> Vec<String> {
        let small = fold(&self.0);
        let capitals: String = self.0.chars().flat_map(char::to_uppercase).collect();
        let mut looks = vec![look(&small)];
        for other in [look(&capitals), look(&self.0), fold(&look(&self.0))] {
            if !looks.contains(&other) {
                looks.push(other);
            }
        }
        looks
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '_' | '\'' | '.')
}

/// Takes case away. Through capitals, so that `ß` and `ss`, `ı` and `i` and both small sigmas meet.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

fn look(text: &str) -> String {
    skeleton(text).collect()
}
