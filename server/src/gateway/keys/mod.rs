//! The data directory and the keys in it.
//!
//! ```text
//!  <data_dir>/                  0700
//!    throng.db                  accounts, sessions, characters (the store's)
//!    keys/root.keys             the gateway's alone: all token keys derive from these
//!    keys/realm-<id>.keys       token keys of one realm: all that a realm needs, and of use to no other
//!    keys/realm-<id>.signing    what that realm signs its status with
//!    keys/queue.key             what places in the login queue are signed with
//!    tls/cert.pem, tls/key.pem  the certificate, where no other is configured
//!    gateway.lock               held by the process that is the gateway of this directory
//!    realm-<id>.lock            held by the process that is this realm
//!
//!   throng keys rotate ──► realm-<id>.keys, then root.keys ──► noticed within a second by the gateway and a realm beside it
//! ```
//!
//! Key files are text, one record a line, `#` begins a comment; keys are 64 hexadecimal digits. They are replaced whole
//! (written beside, synced, renamed), so nobody ever reads half of one, and are refused if anybody but their owner may
//! read them.
//!
//! * `root.keys`: `throng root keys 1`, then `key <kid> <created, Unix ms> <hex>`, the newest first.
//! * `realm-<id>.keys`: `throng realm keys 1`, `realm <id>`, then `key <kid> <hex>`, the newest first.
//! * `realm-<id>.signing`: `throng signing key 1`, then `key <hex>`, an Ed25519 seed.
//! * `queue.key`: `throng queue key 1`, then `key <hex>`.
//!
//! **A new key is not used at once.** The gateway makes tokens with it only [`SETTLE_MS`] after it was made, when the realm
//! here, which looks at its file once a second, has it. To a realm elsewhere somebody has to copy the file, and until then its
//! tokens are made with the newest key that it says it holds. The one before is accepted until the next rotation, or longer
//! while tokens made with it can be alive. So a rotation refuses nobody, if files are copied before the next. A revoked key is
//! gone at once, and the tokens made with it; a realm elsewhere that holds no other lets nobody in until its file is copied.

mod file;
mod occupy;
#[cfg(test)]
mod occupy_tests;
mod realm;
mod ring;
mod root;
#[cfg(test)]
mod tests;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ::ring::rand::{SecureRandom as _, SystemRandom};
use ::ring::signature::Ed25519KeyPair;
use throng_net::protocol::keys::SecretBytes;
use throng_net::protocol::token::RealmKeysError;

pub use occupy::{Occupied, Part};
pub use realm::read_realm_keys;
pub use ring::KeyRing;
pub use root::{RootKeys, Rotation, SETTLE_MS};
pub use watch::{FileWatch, Watcher};

use file::Line;

/// Why keys cannot be had. Each says what was found, what is needed and what to do; none says anything of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no {path}: {remedy}")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// What makes one.
        remedy: &'static str,
    },
    /// Others may read or write it.
    #[error(
        "{path} has mode {found:04o}, so that others can read or change it; needed is 0600. If nobody did: \
         chmod 600 {path}. If somebody may have: throng keys rotate --revoke with every id of throng keys list"
    )]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// A line that means nothing.
    #[error("{path}, line {line}: needed is {needed}. Restore the file from a backup, or {remedy}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What should be there.
        needed: &'static str,
        /// What else can be done.
        remedy: &'static str,
    },
    /// Keys that do not go together.
    #[error("{path} cannot be used: {source}")]
    Keys {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RealmKeysError,
    },
    /// Another process serves from the directory.
    #[error(
        "{path} is in use: {who} serves its {part}, and needed is one process for that\n  \
         stop the other one, or {remedy}",
        who = in_words(*.holder),
        remedy = .part.remedy()
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// What of it.
        part: Part,
        /// The other's process id, where it is known.
        holder: Option<u32>,
    },
    /// A key to revoke that is not there.
    #[error("there is no key {found}; there are {known}: throng keys list")]
    UnknownKey {
        /// The id given.
        found: u16,
        /// The ids there are.
        known: String,
    },
    /// As many keys as realms accept, and tokens of all may be alive.
    #[error(
        "{found} keys were made within two minutes and all may still be in use: wait {wait_s} s, \
         or revoke one (throng keys rotate --revoke KID)"
    )]
    TooMany {
        /// Keys.
        found: usize,
        /// Seconds until the oldest can go.
        wait_s: u64,
    },
    /// The system failed.
    #[error(
        "cannot {action} {path}: {source}\n  \
         needed is a folder that whoever runs this program owns, on a disk with room; gateway.data_dir names another"
    )]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No random bytes.
    #[error(
        "the system gives no random bytes for a key; needed is the system call getrandom or /dev/urandom: allow one of them \
         in the container's profile"
    )]
    NoEntropy,
}

/// The process that holds a part of a data directory.
fn in_words(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A data directory: where things are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory, and the ones in it, where they are missing.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let dir = Self(path.into());
        for path in [dir.0.clone(), dir.keys(), dir.tls_dir()] {
            file::create_dir(&path)?;
        }
        Ok(dir)
    }

    /// A directory that somebody else has made: for a realm that runs alone, and for reading.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("throng.db")
    }

    /// Where the certificate is that is made where none is configured, `cert.pem`, and its key, `key.pem`.
    pub fn tls_dir(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The root keys.
    pub fn root_keys(&self) -> PathBuf {
        self.keys().join("root.keys")
    }

    /// The token keys of a realm.
    pub fn realm_keys(&self, realm_id: u32) -> PathBuf {
        self.keys().join(format!("realm-{realm_id}.keys"))
    }

    /// The key that a realm signs its status with.
    pub fn realm_signing(&self, realm_id: u32) -> PathBuf {
        self.keys().join(format!("realm-{realm_id}.signing"))
    }

    fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    fn queue_key(&self) -> PathBuf {
        self.keys().join("queue.key")
    }

    /// The realms that have token keys here, in the order of their ids.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn realms(&self) -> Result<Vec<u32>, KeyError> {
        let path = self.keys();
        let failed = |source| KeyError::Io { action: "list", path: path.clone(), source };
        let mut realms = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix("realm-")?.strip_suffix(".keys"));
            realms.extend(id.and_then(|id| id.parse::<u32>().ok()));
        }
        realms.sort_unstable();
        Ok(realms)
    }

    /// The secret that places in the login queue are signed with; made where it is missing.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn queue_secret(&self) -> Result<SecretBytes, KeyError> {
        self.single_key(&self.queue_key(), "throng queue key 1")
    }

    /// The key that a realm signs its status with; made where it is missing.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn signing_key(&self, realm_id: u32) -> Result<Ed25519KeyPair, KeyError> {
        let path = self.realm_signing(realm_id);
        let seed = self.single_key(&path, "throng signing key 1")?;
        Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::NoEntropy)
    }

    /// A file with one key.
    fn single_key(&self, path: &Path, title: &'static str) -> Result<SecretBytes, KeyError> {
        if !path.exists() {
            let _lock = file::Lock::take(&self.keys())?;
            // Another process may have been first.
            if !path.exists() {
                let key = random_key()?;
                file::write(path, &[Line::title(title), Line::key(&[], &key)])?;
                return Ok(key);
            }
        }
        let remedy = "remove it: a new one is made at the next start";
        let lines = file::read(path, title, remedy)?;
        match lines.records() {
            [record] => record.key(&lines, 0),
            _ => Err(lines.malformed(2, "one line, `key <64 hexadecimal digits>`")),
        }
    }
}

/// 32 bytes of the system's.
fn random_key() -> Result<SecretBytes, KeyError> {
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| KeyError::NoEntropy)?;
    Ok(SecretBytes::new(key))
}

/// Milliseconds since 1970, for the command line; everything else gets its time as an argument.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().min(u128::from(u64::MAX)) as u64
}
