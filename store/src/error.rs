//! What an operation of a store can answer instead of its result.

use crate::ids::InviteId;
use crate::records::Ban;

/// Why an operation was not done. Nothing of it was done, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something of which there can be only one exists already.
    #[error("{0}")]
    Taken(Taken),
    /// What the operation is about does not exist, or is not the asker's.
    #[error("there is no such {0}")]
    Missing(Missing),
    /// The account is banned.
    #[error("the account is banned: {}", .0.reason)]
    Banned(Ban),
    /// The password was changed since it was verified.
    #[error("the password was changed meanwhile: log in with the new one")]
    Stale,
    /// The invitation is unknown, used up or past its time; which of them is not the guest's business.
    #[error("the invitation is not good (any more): ask for another")]
    Invite,
    /// A limit of this store.
    #[error("there are {count_max} {of} already, which is the limit: {remedy}")]
    Limit {
        /// Of what.
        of: &'static str,
        /// How many there may be.
        count_max: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// A queue is full. Passes by itself.
    #[error("the database has more to do than it can: try again in a second")]
    Overloaded,
    /// Another program holds the database. Passes once it lets go.
    #[error(
        "the database is locked by another program and stayed so for {waited_ms} ms: \
         end the program that holds it (`fuser -v throng.db` names it), then try again"
    )]
    Busy {
        /// How long was waited.
        waited_ms: u64,
    },
    /// There is no room to write. Passes once there is.
    #[error(
        "the database cannot grow: the disk, a quota or its size limit is full. Make room, then try again"
    )]
    Full,
    /// The file or its directory may not be written.
    #[error(
        "the database may not be written: make its file and directory writable for this user, then start again"
    )]
    ReadOnly,
    /// The file does not hold what was written into it.
    #[error(
        "the database is damaged ({detail}): stop the server, keep a copy of all its files, and restore a backup"
    )]
    Corrupt {
        /// What SQLite says.
        detail: String,
    },
    /// Writing failed in a way after which nobody knows what is on the disk, so nothing is written any more.
    /// Whether the operation was done will show after a start.
    #[error(
        "writing to the database failed ({detail}), and a repeated write could lose data unseen: \
         check the disk (`dmesg`), then start again"
    )]
    Stopped {
        /// What SQLite says.
        detail: String,
    },
    /// The store is closing, and this came too late.
    #[error("the store is closed")]
    Closed,
    /// Anything else, which should not happen.
    #[error("the database answered with something unforeseen: {detail}")]
    Unforeseen {
        /// What it says.
        detail: String,
    },
}

impl StoreError {
    /// Whether the same call can succeed a little later without anybody having changed their mind. These are what a
    /// service answers with "unavailable, try again", and what an operator should hear of.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Overloaded | StoreError::Busy { .. } | StoreError::Full)
    }

    /// Whether the store failed, and not the asker.
    pub fn is_failure(&self) -> bool {
        !matches!(
            self,
            StoreError::Taken(_)
                | StoreError::Missing(_)
                | StoreError::Banned(_)
                | StoreError::Stale
                | StoreError::Invite
                | StoreError::Limit { .. }
        )
    }
}

/// What exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// The account's name, or one that looks like it.
    AccountName,
    /// The character's name, or one that looks like it, possibly of a character that was deleted lately.
    CharacterName,
    /// A random id; draw another.
    Id,
    /// A token or an invitation's code; draw another.
    Token,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Taken::AccountName => "the name, or one that looks like it, is taken: choose another",
            Taken::CharacterName => {
                "the character's name, or one that looks like it, is taken or was until lately: choose another"
            }
            Taken::Id => "the id exists already: draw another",
            Taken::Token => "the token exists already: draw another",
        })
    }
}

/// What does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The account.
    Account,
    /// The character, among those of the account.
    Character,
    /// The invitation.
    Invite(InviteId),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::Account => f.write_str("account"),
            Missing::Character => f.write_str("character"),
            Missing::Invite(id) => write!(f, "invitation {id}"),
        }
    }
}
