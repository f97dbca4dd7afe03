//! Secrets on their way in and out: passwords, session tokens, invitation codes.
//!
//! None of these types prints. What is stored is the SHA-256 of a token: 256 random bits need no slow hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use throng_store::TokenHash;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Bytes of a session token.
pub const TOKEN_BYTES: usize = 32;

/// A text that only its owner may know, wiped when dropped.
#[derive(ToSchema)]
#[schema(value_type = String, format = Password)]
pub struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text, for the one who hashes it.
    pub fn into_inner(self) -> Zeroizing<String> {
        self.0
    }
}

/// A session token as clients hold it: 32 random bytes, base64url without padding.
#[derive(ToSchema)]
#[schema(value_type = String, example = "nA3x...43 characters of base64url")]
pub struct Token(Zeroizing<[u8; TOKEN_BYTES]>);

impl Token {
    /// A token of these random bytes.
    pub fn new(bytes: [u8; TOKEN_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads what a client sent. None: not even the form is right.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// What the store knows of it.
    pub fn hash(&self) -> TokenHash {
        sha256(&*self.0)
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(encode(&*self.0)))
    }
}

/// What the store knows of an invitation's code, given as the text that the guest has.
pub fn invite_hash(code: &str) -> TokenHash {
    sha256(code.as_bytes())
}

fn sha256(bytes: &[u8]) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    TokenHash(hash)
}

/// Bytes as JSON holds them.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Exactly `N` bytes of base64url without padding. Only one text is taken for each value.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A length that cannot be right is not worth an allocation.
    if text.len() != N.div_ceil(3) * 4 - (3 - N % 3) % 3 {
        return None;
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    bytes.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_text() {
        let text = encode(&[0xfb; 32]);
        assert_eq!(text.len(), 43);
        assert!(Token::parse(&text).is_some_and(|token| token.hash() == sha256(&[0xfb; 32])));
        for bad in ["", "a", &format!("{text}="), &text[..42], &format!("{text}A"), &text.replace('-', "+")] {
            assert!(Token::parse(bad).is_none(), "{bad:?}");
        }
        // The last character holds two bits that belong to nothing: they must be zero.
        let mut altered = text.clone();
        altered.pop();
        altered.push('t');
        assert!(altered != text && Token::parse(&altered).is_none());
    }

    #[test]
    fn lengths_are_exact() {
        assert_eq!(decode::<32>(&encode(&[1; 32])), Some([1; 32]));
        assert_eq!(decode::<64>(&encode(&[2; 64])), Some([2; 64]));
        assert_eq!(decode::<33>(&encode(&[3; 33])), Some([3; 33]));
        assert_eq!(decode::<32>(&encode(&[1; 31])), None);
        assert_eq!(decode::<32>(&encode(&[1; 33])), None);
    }
}
