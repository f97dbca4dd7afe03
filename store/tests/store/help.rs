//! Directories that vanish, and values to fill stores with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use throng_store::{
    AccountId, CharacterId, Expiring, FamilyId, Name, NewAccount, NewCharacter, NewSession, PasswordHash,
    Role, SqliteOptions, SqliteStore, TokenHash,
};

/// A time to begin with.
pub const NOW_MS: i64 = 1_800_000_000_000;
/// A day.
pub const DAY_MS: i64 = 24 * 3600 * 1000;

/// An empty directory, removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("throng-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("throng.db")
    }

    pub fn open(&self) -> Arc<SqliteStore> {
        SqliteStore::open(&self.file(), &SqliteOptions::default()).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A name for a number: letters of which none looks like another.
pub fn numbered(prefix: &str, mut number: u64) -> Name {
    let mut text = prefix.to_owned();
    for _ in 0..8 {
        text.push(char::from(b"abcdefgh"[(number % 8) as usize]));
        number /= 8;
    }
    name(&text)
}

pub fn account_id(number: u64) -> AccountId {
    // Half of them are negative in SQL.
    AccountId::new((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap()
}

pub fn character_id(number: u64) -> CharacterId {
    CharacterId::new((number + 1).wrapping_mul(0xd6e8_feb8_6659_fd93)).unwrap()
}

pub fn token(number: u64) -> TokenHash {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    TokenHash(hash)
}

pub fn family(number: u64) -> FamilyId {
    FamilyId(u128::from(number).to_le_bytes())
}

pub fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${text}")).unwrap()
}

pub fn new_account(number: u64, text: &str) -> NewAccount {
    NewAccount {
        id: account_id(number),
        name: name(text),
        password: Some(hash("unused")),
        email: None,
        role: Role::Player,
        invite: None,
        now_ms: NOW_MS,
    }
}

pub fn new_character(number: u64, account: u64, text: &str) -> NewCharacter {
    NewCharacter { id: character_id(number), account: account_id(account), name: name(text), now_ms: NOW_MS }
}

/// A login with an access token `number` for 15 minutes and a refresh token `number + 1` for 30 days.
pub fn new_session(number: u64, account: u64) -> NewSession {
    NewSession {
        account: account_id(account),
        family: family(number),
        access: Expiring { hash: token(number), expires_ms: NOW_MS + 900_000 },
        refresh: Some(Expiring { hash: token(number + 1), expires_ms: NOW_MS + 30 * DAY_MS }),
        device: None,
        version: None,
        now_ms: NOW_MS,
    }
}
