//! What goes into the store and what comes out: plain values. Times are Unix milliseconds, from the caller's clock.

use crate::ids::{AccountId, CharacterId, FamilyId, InviteId};
use crate::line::{DeviceLabel, Note, Reason};
use crate::names::Name;
use crate::secret::{Email, PasswordHash, TokenHash};

/// What an account may do besides playing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Role {
    /// Plays.
    #[default]
    Player,
    /// Helps players and acts against those who disturb.
    GameMaster,
    /// Runs the server.
    Admin,
}

/// That an account may not log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ban {
    /// When it ends; none is never.
    pub until_ms: Option<i64>,
    /// Why, in words for the player.
    pub reason: Reason,
}

impl Ban {
    /// Whether it still holds.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// An account as everybody with the store may see it: without password hash and e-mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// Its role.
    pub role: Role,
    /// When it was made.
    pub created_ms: i64,
    /// When it logged in last.
    pub login_ms: Option<i64>,
    /// The newest ban, whether or not it still holds: ask [`Ban::holds`].
    pub ban: Option<Ban>,
}

/// An account to make.
pub struct NewAccount {
    /// A random id.
    pub id: AccountId,
    /// Its name, free among accounts.
    pub name: Name,
    /// Its password's hash; none is locked: nobody can log in by password.
    pub password: Option<PasswordHash>,
    /// An address of its owner.
    pub email: Option<Email>,
    /// Its role.
    pub role: Role,
    /// The hash of an invitation's code, of which one use is taken in the same transaction.
    pub invite: Option<TokenHash>,
    /// Now.
    pub now_ms: i64,
}

/// An account of a bulk creation: locked, with one character and one access token.
pub struct BulkAccount {
    /// A random id.
    pub account: AccountId,
    /// The account's name.
    pub name: Name,
    /// A random id.
    pub character: CharacterId,
    /// The character's name.
    pub character_name: Name,
    /// A random id.
    pub family: FamilyId,
    /// The hash of its access token.
    pub access: TokenHash,
}

/// A page of accounts, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountPage {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where the next page begins; none if this was the last.
    pub next: Option<AccountCursor>,
}

/// A place in the list of accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountCursor(pub(crate) String);

/// What a password is verified against.
pub struct Credential {
    /// Whose it is.
    pub account: Account,
    /// The hash; none is locked.
    pub password: Option<PasswordHash>,
    /// Counts the changes of the password: given along with what was decided by the hash, so that a decision by a
    /// hash that was replaced meanwhile is refused as [`Stale`](crate::StoreError::Stale).
    pub version: u64,
}

/// A change of password.
pub struct NewPassword {
    /// Whose.
    pub account: AccountId,
    /// The new hash; none locks the account.
    pub password: Option<PasswordHash>,
    /// The [`Credential::version`] that the old password was verified against; none for an operator, who need not.
    pub version: Option<u64>,
    /// Which logins end with it.
    pub revoke: Revoke,
    /// Now.
    pub now_ms: i64,
}

/// Which logins end with a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Revoke {
    /// All: somebody else may know the old password.
    All,
    /// All but the one that asked.
    AllBut(FamilyId),
    /// None: the same password, hashed with newer parameters.
    None,
}

/// A token's hash and the time until which it is good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Expiring {
    /// The hash.
    pub hash: TokenHash,
    /// The first millisecond at which it is not good any more.
    pub expires_ms: i64,
}

/// A login to keep.
pub struct NewSession {
    /// Whose.
    pub account: AccountId,
    /// A random id.
    pub family: FamilyId,
    /// The access token.
    pub access: Expiring,
    /// The refresh token; none for a login that cannot be prolonged.
    pub refresh: Option<Expiring>,
    /// What the player calls the device.
    pub device: Option<DeviceLabel>,
    /// The [`Credential::version`] that the password was verified against; none where no password was asked for.
    pub version: Option<u64>,
    /// Now.
    pub now_ms: i64,
}

/// A login that is good.
#[derive(Clone)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// The account's name.
    pub name: Name,
    /// The account's role.
    pub role: Role,
    /// Which login.
    pub family: FamilyId,
    /// Until when the token is good that was looked up.
    pub expires_ms: i64,
}

/// A refresh token to be used up for new ones.
pub struct Rotation {
    /// The hash of the refresh token that the client showed.
    pub used: TokenHash,
    /// The new access token. All older ones of the family end.
    pub access: Expiring,
    /// The new refresh token.
    pub refresh: Expiring,
    /// Now.
    pub now_ms: i64,
}

/// What became of a [`Rotation`]. All of it is durable when it is told: a reuse is no error, because its answer is
/// a change.
#[derive(Clone)]
pub enum Rotated {
    /// The new tokens are good, the old are not.
    Fresh(Session),
    /// No such token, or it or its login is over: log in again.
    Unknown,
    /// The token was used before, so two parties have it; its family is gone now, and whoever is its owner must
    /// log in again.
    Reused {
        /// Whose.
        account: AccountId,
        /// Which login was ended.
        family: FamilyId,
    },
    /// The login had [`ROTATIONS_MAX`](crate::limits::ROTATIONS_MAX) rotations and ended: log in again.
    Exhausted,
}

/// A character to make.
#[derive(Clone, Debug)]
pub struct NewCharacter {
    /// A random id.
    pub id: CharacterId,
    /// Whose.
    pub account: AccountId,
    /// Its name, free among all characters of all realms.
    pub name: Name,
    /// Now.
    pub now_ms: i64,
}

/// A living character.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Character {
    /// Its id.
    pub id: CharacterId,
    /// Its name.
    pub name: Name,
    /// When it was made.
    pub created_ms: i64,
    /// When it was played last.
    pub played_ms: Option<i64>,
}

/// What a connect token says of a character.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Play {
    /// Greater than every one before it of this character, across crashes too: the newest wins.
    pub session_epoch: u64,
    /// The character's name.
    pub name: Name,
    /// The account's role.
    pub role: Role,
}

/// An invitation to make.
pub struct NewInvite {
    /// The hash of its code.
    pub code: TokenHash,
    /// How many accounts can be made with it.
    pub uses: u32,
    /// The first millisecond at which it is not good any more; none is never.
    pub expires_ms: Option<i64>,
    /// What the operator wrote on it.
    pub note: Note,
    /// Now.
    pub now_ms: i64,
}

/// An invitation as it is listed: without its code, which nobody knows here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// What it is called by.
    pub id: InviteId,
    /// What the operator wrote on it.
    pub note: Note,
    /// How many accounts could be made with it.
    pub uses: u32,
    /// How many still can.
    pub uses_left: u32,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
}

/// What a purge removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// Tokens past their time.
    pub tokens: u64,
    /// Logins past their time.
    pub families: u64,
    /// Names of characters that were deleted long enough ago.
    pub names: u64,
}

impl Purged {
    /// Whether there was less than one batch of everything.
    pub fn is_done(&self, rows_max: u32) -> bool {
        [self.tokens, self.families, self.names].iter().all(|&rows| rows < u64::from(rows_max))
    }
}

/// How much there is, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Living characters.
    pub characters: u64,
    /// Logins, those past their time included until they are purged.
    pub sessions: u64,
    /// Invitations, used up ones included.
    pub invites: u64,
}

/// How the store fares, for metrics. All but the last count up since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Changes that were asked for and answered.
    pub writes: u64,
    /// Commits that they shared.
    pub commits: u64,
    /// Queries that were answered.
    pub reads: u64,
    /// Calls refused because a queue was full.
    pub overloaded: u64,
    /// Calls that failed because the database was locked, full or out of order.
    pub failed: u64,
    /// Whether nothing can be written until the process starts anew.
    pub is_stopped: bool,
}
