//! One process for each part of a data directory: a second gateway would make other keys of the same ids, take commands that
//! the first one should pass on, and hold seats that the first knows nothing of; a second realm of the same id would let
//! each connect token in once more.
//!
//! ```text
//!   throng serve ────────────► gateway.lock (unless its gateway is elsewhere), realm-<id>.lock ──► held until it ends
//!   throng gateway ──────────► gateway.lock
//!   throng account, keys, invite ──► neither: they work beside a server
//! ```
//!
//! The system drops a lock with the process that holds it, however that ends, so there is nothing to clear away after a crash.
//! The files stay: removed, one could be locked by two, each under the same name. What is in them only tells whom to stop.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{DataDir, KeyError};

/// Bytes of the longest process id, and the end of its line.
const HOLDER_BYTES_MAX: u64 = 11;

/// What of a data directory one process has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Accounts, root keys, operators' commands.
    Gateway,
    /// The token keys of this realm. Realms of one gateway may share its data directory.
    Realm(u32),
}

impl Part {
    fn file_name(self) -> String {
        match self {
            Self::Gateway => "gateway.lock".to_owned(),
            Self::Realm(realm_id) => format!("realm-{realm_id}.lock"),
        }
    }

    /// What else can be done than to stop the other, as the end of a sentence.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Gateway => "give this one a gateway.data_dir of its own",
            Self::Realm(_) => "give this one a realm.id of its own, or a gateway.data_dir",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Realm(realm_id) => write!(f, "realm {realm_id}"),
        }
    }
}

/// A part of a data directory that no other process has until this is dropped, or its process is gone.
#[derive(Debug)]
#[must_use = "dropped, it lets another process in"]
pub struct Occupied {
    _file: File,
}

impl DataDir {
    /// Takes a part of the directory for this process.
    ///
    /// # Errors
    /// [`KeyError::InUse`] when another one has it; [`KeyError::Io`].
    pub fn occupy(&self, part: Part) -> Result<Occupied, KeyError> {
        let path = self.path().join(part.file_name());
        let failed = |source| KeyError::Io { action: "lock", path: path.clone(), source };
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                return Err(KeyError::InUse { path: self.path().to_owned(), part, holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // For people only, so a full disk is no reason not to start.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Occupied { _file: file })
    }

    /// The same for a realm whose gateway is elsewhere. It only reads here, maybe from where nobody can write or lock: then
    /// `None`, after a warning.
    ///
    /// # Errors
    /// See [`DataDir::occupy`].
    pub fn occupy_if_writable(&self, part: Part) -> Result<Option<Occupied>, KeyError> {
        match self.occupy(part) {
            Ok(occupied) => Ok(Some(occupied)),
            Err(KeyError::Io { path, source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::Unsupported
                ) || source.raw_os_error() == Some(Errno::NOLCK.raw_os_error()) =>
            {
                tracing::warn!(
                    "cannot lock {}: {source}; a second process that serves {part} from this folder would not be noticed",
                    path.display()
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Which process holds the lock, if it says so. Before it has written its number the file has that of one that crashed; and
/// one in another container has a number that is nobody's here, or our own.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    let holder: u32 = text.trim_end().parse().ok()?;
    let pid = Pid::from_raw(i32::try_from(holder).ok()?)?;
    // Not permitted: it is there, and another user's.
    let is_there = !matches!(test_kill_process(pid), Err(Errno::SRCH));
    (is_there && holder != std::process::id()).then_some(holder)
}
