//! The tables, as migrations: each is applied once, in its own transaction, and never edited afterwards.

/// What the header of our files says they are (`THRG`), at [`APPLICATION_ID_OFFSET`].
pub(super) const APPLICATION_ID: i32 = 0x5448_5247;
/// Where SQLite keeps the application id in a file.
pub(super) const APPLICATION_ID_OFFSET: usize = 68;
/// Bytes of the header of a file.
pub(super) const HEADER_BYTES: usize = 100;
/// What a database begins with.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The migrations: the version that each leads to is its place, counted from one.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[("accounts, sessions, characters, invitations", FIRST)];

/// What stands for a name space in `name_looks`.
#[derive(Clone, Copy)]
pub(super) enum NameSpace {
    Account = 0,
    Character = 1,
}

/// What stands for a kind of token in `tokens`.
#[derive(Clone, Copy)]
pub(super) enum TokenKind {
    Access = 0,
    Refresh = 1,
    /// A refresh token that was used: whoever shows it again has a copy.
    Used = 2,
}

/// Where the versions are kept. Made before all migrations.
pub(super) const VERSIONS: &str = "
CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, title TEXT NOT NULL) STRICT;
";

const FIRST: &str = "
-- One row: the Unicode tables that name_key and name_looks were made with.
CREATE TABLE unicode (version TEXT NOT NULL) STRICT;

-- Ids are 64 random bits, signed here.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    role INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    login_ms INTEGER,
    ban_reason TEXT,       -- banned, or was, if not null
    ban_until_ms INTEGER   -- null is for ever
) STRICT;

-- What only those may read who verify a password or write to a player.
CREATE TABLE credentials (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    password_hash TEXT,    -- null is locked
    version INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    email TEXT
) STRICT;

-- One row for each look that a name claims; space 0 are accounts, 1 characters.
CREATE TABLE name_looks (
    space INTEGER NOT NULL,
    look TEXT NOT NULL,
    owner INTEGER NOT NULL,
    PRIMARY KEY (space, look)
) STRICT, WITHOUT ROWID;
CREATE INDEX name_looks_of_owner ON name_looks (space, owner);

-- A login on a device; ids ascend with time.
CREATE TABLE logins (
    id INTEGER PRIMARY KEY,
    family BLOB NOT NULL UNIQUE,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    rotations INTEGER NOT NULL,
    device TEXT
) STRICT;
CREATE INDEX logins_of_account ON logins (account_id);
CREATE INDEX logins_by_expiry ON logins (expires_ms);

-- kind 0 access, 1 refresh, 2 refresh that was used.
CREATE TABLE tokens (
    hash BLOB PRIMARY KEY,
    kind INTEGER NOT NULL,
    login INTEGER NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_of_login ON tokens (login, kind);
CREATE INDEX tokens_by_expiry ON tokens (expires_ms);

CREATE TABLE characters (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    name_held INTEGER NOT NULL,    -- 1 while its looks are claimed
    created_ms INTEGER NOT NULL,
    played_ms INTEGER,
    deleted_ms INTEGER,
    session_epoch INTEGER NOT NULL
) STRICT;
CREATE INDEX characters_of_account ON characters (account_id);
CREATE INDEX characters_to_release ON characters (deleted_ms) WHERE deleted_ms IS NOT NULL AND name_held = 1;

CREATE TABLE invites (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code BLOB NOT NULL UNIQUE,
    note TEXT NOT NULL,
    uses INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;
";
