//! What every store can do, whatever it keeps its rows in.

use std::future::Future;
use std::pin::Pin;

use crate::error::StoreError;
use crate::ids::{AccountId, CharacterId, FamilyId, InviteId};
use crate::names::Name;
use crate::records::{
    Account, AccountCursor, AccountPage, Ban, BulkAccount, Character, Counts, Credential, Health, Invite,
    NewAccount, NewCharacter, NewInvite, NewPassword, NewSession, Play, Purged, Rotated, Rotation, Session,
};
use crate::secret::TokenHash;

/// An answer to come. The work is handed over when the method is called, not when this is first polled: dropping it
/// takes nothing back.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Accounts, sessions, characters and invitations.
///
/// Every change is one transaction, and durable when it is answered: no crash of the process, the machine or its
/// power takes it back. A query that begins after a change was answered sees it. Nobody can read a password hash or
/// an e-mail address by this trait; [`Credentials`] is the other half.
pub trait Store: Send + Sync {
    /// Makes an account, and takes one use of the invitation in the same transaction if one is given.
    fn create_account(&self, new: NewAccount) -> Answer<()>;

    /// Makes at most [`BULK_MAX`](crate::limits::BULK_MAX) locked accounts with one character and one access token
    /// each, in one transaction: all or none. Other changes wait meanwhile.
    fn create_accounts_bulk(&self, bulk: Vec<BulkAccount>, access_expires_ms: i64, now_ms: i64)
    -> Answer<()>;

    /// The account with this id.
    fn account(&self, id: AccountId) -> Answer<Option<Account>>;

    /// The account with this name, in any spelling of capitals and small letters; never one that looks like it.
    fn account_by_name(&self, name: &Name) -> Answer<Option<Account>>;

    /// At most `rows_max` accounts in the order of their names, and no more than
    /// [`PAGE_ROWS_MAX`](crate::limits::PAGE_ROWS_MAX).
    fn accounts(&self, from: Option<AccountCursor>, rows_max: u32) -> Answer<AccountPage>;

    /// Bans an account and ends its logins. Does not end what it plays: the realm has to be told.
    fn ban(&self, account: AccountId, ban: Ban) -> Answer<()>;

    /// Lifts the ban of an account, if it has one.
    fn unban(&self, account: AccountId) -> Answer<()>;

    /// Keeps a login. If the account has [`FAMILIES_MAX`](crate::limits::FAMILIES_MAX) already, the oldest ends.
    /// Refused as banned or stale if the account is banned or the password was changed since.
    fn create_session(&self, new: NewSession) -> Answer<()>;

    /// Whose access token this is, if it is good.
    fn session(&self, access: TokenHash, now_ms: i64) -> Answer<Option<Session>>;

    /// Uses up a refresh token for new ones. Of any number that race with one token, one gets them.
    fn rotate(&self, rotation: Rotation) -> Answer<Rotated>;

    /// Ends one login: all its tokens. Fine if it is gone already.
    fn revoke_family(&self, family: FamilyId) -> Answer<()>;

    /// Ends all logins of an account, but for one if given. Answers how many.
    fn revoke_account(&self, account: AccountId, but: Option<FamilyId>) -> Answer<u64>;

    /// Makes a character. Names of characters are unique over all realms, so that a transfer never renames anybody.
    fn create_character(&self, new: NewCharacter) -> Answer<()>;

    /// The living characters of an account, the oldest first; at most
    /// [`CHARACTERS_MAX`](crate::limits::CHARACTERS_MAX).
    fn characters(&self, account: AccountId) -> Answer<Vec<Character>>;

    /// Deletes a character of an account: it cannot be played or listed any more. Its row stays, because journals and
    /// ledgers name its id, and its name stays taken for [`NAME_RESERVED_MS`](crate::limits::NAME_RESERVED_MS).
    fn delete_character(&self, account: AccountId, character: CharacterId, now_ms: i64) -> Answer<()>;

    /// Raises the session epoch of a character of an account, durably, and says what a connect token needs.
    fn begin_play(&self, account: AccountId, character: CharacterId, now_ms: i64) -> Answer<Play>;

    /// Makes an invitation. A use of it is taken by [`create_account`](Self::create_account).
    fn create_invite(&self, new: NewInvite) -> Answer<InviteId>;

    /// Whether [`create_account`](Self::create_account) would take a use of the invitation with this code now.
    fn is_invite_good(&self, code: TokenHash, now_ms: i64) -> Answer<bool>;

    /// All invitations, the newest first; at most [`PAGE_ROWS_MAX`](crate::limits::PAGE_ROWS_MAX) of them.
    fn invites(&self) -> Answer<Vec<Invite>>;

    /// Removes an invitation.
    fn revoke_invite(&self, invite: InviteId) -> Answer<()>;

    /// Removes what is past its time, at most `rows_max` rows of each kind and no more than
    /// [`PURGE_ROWS_MAX`](crate::limits::PURGE_ROWS_MAX). Nothing depends on it but room: what is past its time is
    /// refused whether it is there or not.
    fn purge(&self, now_ms: i64, rows_max: u32) -> Answer<Purged>;

    /// How much there is. Walks whole indexes: for every ten seconds, not for every request.
    fn counts(&self) -> Answer<Counts>;

    /// How the store fares. Never waits.
    fn health(&self) -> Health;
}

/// Password hashes and e-mail addresses: for the one place that verifies, and nobody else. A holder of an
/// `Arc<dyn Store>` has no way to come by this:
///
/// ```compile_fail,E0599
/// fn peek(store: &dyn throng_store::Store, account: throng_store::AccountId) {
///     let _ = store.credential(account);
/// }
/// ```
pub trait Credentials: Send + Sync {
    /// What a login with this name is verified against.
    fn credential_by_name(&self, name: &Name) -> Answer<Option<Credential>>;

    /// What this account's password is verified against.
    fn credential(&self, account: AccountId) -> Answer<Option<Credential>>;

    /// Replaces a password, and ends logins as told in the same transaction.
    fn set_password(&self, new: NewPassword) -> Answer<()>;
}
