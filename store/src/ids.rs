//! Identities. The caller draws them at random; the store only refuses one that exists already.

use std::fmt;
use std::num::NonZeroU64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The id with this number; none for zero, which wire formats use for "nobody".
            pub const fn new(number: u64) -> Option<Self> {
                match NonZeroU64::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// Its number, as it goes into tokens.
            pub const fn get(self) -> u64 {
                self.0.get()
            }

            /// Its number as SQL keeps it: the same 64 bits, signed.
            pub(crate) const fn to_sql(self) -> i64 {
                self.0.get().cast_signed()
            }

            /// What [`to_sql`](Self::to_sql) made; none for zero.
            pub(crate) const fn from_sql(number: i64) -> Option<Self> {
                Self::new(number.cast_unsigned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// Who pays, logs in and is banned.
    AccountId
}
id! {
    /// Who plays: what the game knows of a player, and what journals name.
    CharacterId
}

/// One login on one device: the access and refresh tokens that follow from it are of one family. Random.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FamilyId(pub [u8; 16]);

/// An invitation, as listings name it. Given by the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InviteId(pub i64);

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
