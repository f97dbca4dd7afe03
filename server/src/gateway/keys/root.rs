//! The root keys: making, rotating and revoking them, and what realms get of them.

use throng_net::limits::{REALM_KEYS_MAX, TOKEN_LIFE_MS_MAX};
use throng_net::protocol::token::{RealmKeys, RealmKeysError, RootKey};

use super::file::{self, Line, Lock};
use super::realm::{read_realm_keys, write_realm_keys};
use super::{DataDir, KeyError, random_key};

const TITLE: &str = "throng root keys 1";
const REMEDY: &str = "remove it and run throng keys rotate: new keys are made, and connect tokens that are under way \
                      are refused. Then copy keys/realm-<id>.keys to each realm that runs elsewhere: until then it lets nobody in";

/// How old a key must be before tokens are made with it for a realm beside the gateway. Both look at their file once a second;
/// the third second is for a machine that is busy.
pub const SETTLE_MS: u64 = 3000;

/// How long a key is kept after its successor was made: until the last token that was made with it is dead, with a
/// minute and more for clocks that differ.
const KEPT_MS: u64 = 120_000;

const _: () = assert!(KEPT_MS > SETTLE_MS + TOKEN_LIFE_MS_MAX + 60_000);

/// The keys from which all token keys derive, the newest first. Never empty.
#[derive(Debug, PartialEq)]
pub struct RootKeys(Vec<Root>);

#[derive(Clone, Debug, PartialEq)]
struct Root {
    key: RootKey,
    created_ms: u64,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The new key.
    pub created: u16,
    /// Keys that are not accepted any more: revoked, or past their time.
    pub removed: Vec<u16>,
    /// Realms whose files were rewritten.
    pub realms: Vec<u32>,
}

impl RootKeys {
    /// The keys of a data directory.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(dir: &DataDir) -> Result<Self, KeyError> {
        let lines = file::read(&dir.root_keys(), TITLE, REMEDY)?;
        let mut roots: Vec<Root> = Vec::new();
        for record in lines.records() {
            let number = |index| record.number(&lines, index);
            let key_id = number(1).and_then(|number| u16::try_from(number).ok());
            let (Some(key_id), Some(created_ms)) = (key_id, number(2)) else {
                return Err(
                    record.malformed(&lines, "`key <kid> <created, Unix ms> <64 hexadecimal digits>`")
                );
            };
            if roots.iter().any(|root| root.key.key_id() == key_id) {
                return Err(record.malformed(&lines, "an id of its own for each key"));
            }
            roots.push(Root { key: RootKey::new(key_id, record.key(&lines, 2)?), created_ms });
        }
        if roots.is_empty() {
            return Err(lines.malformed(2, "at least one key"));
        }
        Ok(Self(roots))
    }

    /// The keys of a data directory, made where there are none, and the files of `realms` brought up to date with them.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read_or_create(dir: &DataDir, realms: &[u32], now_ms: u64) -> Result<Self, KeyError> {
        let _lock = Lock::take(&dir.keys())?;
        let roots = match Self::read(dir) {
            Ok(roots) => roots,
            Err(KeyError::Missing { .. }) => {
                let roots = Self(vec![Root { key: RootKey::new(1, random_key()?), created_ms: now_ms }]);
                roots.write(dir)?;
                roots
            }
            Err(error) => return Err(error),
        };
        for &realm_id in realms {
            let (path, keys) = (dir.realm_keys(realm_id), roots.accepted(realm_id)?);
            match read_realm_keys(&path, realm_id) {
                Ok(found) if found == keys => {}
                // Out of date, as after a crash between two files, or not there yet.
                Ok(_) | Err(KeyError::Missing { .. }) => write_realm_keys(&path, &keys)?,
                Err(error) => return Err(error),
            }
        }
        Ok(roots)
    }

    /// Makes a new key, forgets those that no living token can have been made with and those in `revoked`, and tells
    /// every realm that has a file.
    ///
    /// # Errors
    /// See [`KeyError`]; then everything is as before, or only realms know of the new key, which harms nobody.
    pub fn rotate(dir: &DataDir, revoked: &[u16], now_ms: u64) -> Result<Rotation, KeyError> {
        let _lock = Lock::take(&dir.keys())?;
        let before = match Self::read(dir) {
            Ok(roots) => roots.0,
            // Nothing to rotate is no reason to refuse a key.
            Err(KeyError::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let ids: Vec<u16> = before.iter().map(|root| root.key.key_id()).collect();
        if let Some(&found) = revoked.iter().find(|id| !ids.contains(id)) {
            let known = ids.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            return Err(KeyError::UnknownKey { found, known });
        }
        // After 65,535 comes 1; that id is long gone, since only a few are kept.
        let newest = ids.first().copied().unwrap_or(0);
        let created = newest.checked_add(1).unwrap_or(1);
        let mut roots = vec![Root { key: RootKey::new(created, random_key()?), created_ms: now_ms }];
        let mut successor_ms = now_ms;
        for root in before {
            let is_needed = now_ms.saturating_sub(successor_ms) < KEPT_MS;
            successor_ms = root.created_ms;
            if is_needed && !revoked.contains(&root.key.key_id()) {
                roots.push(root);
            }
        }
        if roots.len() > REALM_KEYS_MAX {
            // The oldest goes once its successor is old enough.
            let oldest_replaced_ms = roots[roots.len() - 2].created_ms;
            let wait_ms = (oldest_replaced_ms + KEPT_MS).saturating_sub(now_ms);
            return Err(KeyError::TooMany { found: roots.len() - 1, wait_s: wait_ms.div_ceil(1000) });
        }
        let roots = Self(roots);
        let removed = ids.iter().copied().filter(|id| roots.ids().all(|kept| kept != *id)).collect();
        // Realms first: a token may be made with a key only once they have it. (Revoking goes the same way: a token
        // that the gateway still makes with the old key is refused, and the client asks for another.)
        let realms = dir.realms()?;
        for &realm_id in &realms {
            write_realm_keys(&dir.realm_keys(realm_id), &roots.accepted(realm_id)?)?;
        }
        roots.write(dir)?;
        Ok(Rotation { created, removed, realms })
    }

    /// Ids and times of making (Unix ms), the newest first.
    pub fn list(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().map(|root| (root.key.key_id(), root.created_ms))
    }

    /// The id of the key that tokens are made with now: the newest that whoever looks at these files has had time to see.
    pub fn minting(&self, now_ms: u64) -> u16 {
        self.0[self.minting_index(now_ms)].key.key_id()
    }

    /// The token keys of a realm with that key first, for the gateway.
    ///
    /// # Errors
    /// When there are more than realms accept.
    pub fn realm_keys(&self, realm_id: u32, now_ms: u64) -> Result<RealmKeys, RealmKeysError> {
        let first = self.minting_index(now_ms);
        let others = self.0.iter().enumerate().filter(|&(index, _)| index != first).map(|(_, root)| root);
        RealmKeys::new(std::iter::once(&self.0[first]).chain(others).map(|root| root.key.realm_key(realm_id)))
    }

    fn minting_index(&self, now_ms: u64) -> usize {
        let is_settled = |root: &Root| now_ms.saturating_sub(root.created_ms) >= SETTLE_MS;
        // None is old enough: the oldest, which most realms have.
        self.0.iter().position(is_settled).unwrap_or(self.0.len() - 1)
    }

    fn ids(&self) -> impl Iterator<Item = u16> {
        self.list().map(|(id, _)| id)
    }

    /// What a realm accepts: all.
    fn accepted(&self, realm_id: u32) -> Result<RealmKeys, KeyError> {
        RealmKeys::new(self.0.iter().map(|root| root.key.realm_key(realm_id)))
            .map_err(|source| KeyError::Keys { path: "root.keys".into(), source })
    }

    fn write(&self, dir: &DataDir) -> Result<(), KeyError> {
        let mut lines = vec![
            Line::title(TITLE),
            Line::comment("Whoever has these can enter every realm as anybody. Rotate: throng keys rotate"),
        ];
        lines.extend(
            self.0
                .iter()
                .map(|root| Line::key(&[root.key.key_id().into(), root.created_ms], root.key.secret())),
        );
        file::write(&dir.root_keys(), &lines)
    }
}
