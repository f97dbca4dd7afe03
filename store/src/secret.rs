//! What must not be printed. None of these types has `Debug` or `Display`: a log line that would hold one does not
//! compile.
//!
//! ```compile_fail
//! let hash = throng_store::TokenHash([0; 32]);
//! println!("{hash:?}");
//! ```

use zeroize::Zeroizing;

use crate::limits::{EMAIL_BYTES_MAX, PASSWORD_HASH_BYTES_MAX};

/// SHA-256 of a session token or of an invitation's code. The token itself never gets here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// A password hash in PHC form (`$argon2id$…`), wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

/// Why a text is no password hash that is kept here. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a password hash: {0} bytes were given, but up to {PASSWORD_HASH_BYTES_MAX} printable ASCII bytes that \
     begin with `$argon2id$` are needed"
)]
pub struct NotAPasswordHash(pub usize);

impl PasswordHash {
    /// Takes a hash in PHC form. Only its kind and length are looked at: it is opaque here.
    pub fn new(phc: String) -> Result<Self, NotAPasswordHash> {
        let phc = Zeroizing::new(phc);
        let printable = phc.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && phc.len() <= PASSWORD_HASH_BYTES_MAX && phc.starts_with("$argon2id$") {
            Ok(Self(phc))
        } else {
            Err(NotAPasswordHash(phc.len()))
        }
    }

    /// The PHC text, for the one who verifies.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// An e-mail address. Kept, so that an operator can reach a player; never printed and never searched by.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Zeroizing<String>);

/// Why a text is no e-mail address. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an e-mail address: it needs one @ between two parts without spaces, and at most {EMAIL_BYTES_MAX} bytes"
)]
pub struct NotAnEmail;

impl Email {
    /// Takes an address. Only a message that arrives would prove more than this does.
    pub fn new(address: String) -> Result<Self, NotAnEmail> {
        let address = Zeroizing::new(address);
        let plain = address.chars().all(|c| !c.is_whitespace() && !c.is_control());
        match address.split_once('@') {
            Some((local, domain))
                if plain
                    && address.len() <= EMAIL_BYTES_MAX
                    && !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@') =>
            {
                Ok(Self(address))
            }
            _ => Err(NotAnEmail),
        }
    }

    /// The address, for the one who writes to it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
