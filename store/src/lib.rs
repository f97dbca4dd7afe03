//! What outlives the process: accounts, characters, sessions and invitations. Nothing that changes with a tick.
//!
//! ```text
//!   gateway ──► Arc<dyn Store> ────────┐          ┌─► queue ─► writer ── one commit, one sync ──► throng.db-wal
//!               (no hash can be read)  ├─ SqliteStore       (a savepoint for each of up to 256)       │ copied back
//!   verifier ─► Arc<dyn Credentials> ──┘          └─► queue ─► readers ◄──────────────────────── throng.db
//! ```
//!
//! * [`Store`] and [`Credentials`] say what can be asked; [`SqliteStore`] is the implementation that is built in. The
//!   tests are functions over `Arc<dyn Store>`, so that another one runs the same.
//! * [`names`] says what a name may be and when two are the same.
//! * Secrets come in as hashes. What is secret has neither `Debug` nor `Display`.
//!
//! No clock and no entropy: now, ids and hashes are arguments.

#![forbid(unsafe_code)]

mod error;
mod ids;
pub mod limits;
mod line;
pub mod names;
#[cfg(test)]
mod names_tests;
mod records;
mod secret;
mod sqlite;
mod store;

pub use error::{Missing, StoreError, Taken};
pub use ids::{AccountId, CharacterId, FamilyId, InviteId};
pub use line::{DeviceLabel, Line, LineError, Note, Reason};
pub use names::{Name, NameError};
pub use records::{
    Account, AccountCursor, AccountPage, Ban, BulkAccount, Character, Counts, Credential, Expiring, Health,
    Invite, NewAccount, NewCharacter, NewInvite, NewPassword, NewSession, Play, Purged, Revoke, Role,
    Rotated, Rotation, Session,
};
pub use secret::{Email, NotAPasswordHash, NotAnEmail, PasswordHash, TokenHash};
pub use sqlite::{OpenError, SqliteOptions, SqliteStore};
pub use store::{Answer, Credentials, Store};
