//! Why a database could not be opened, and what to do about it.

use std::io;
use std::path::PathBuf;

/// A start-up failure: what was found, what is needed, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is no database.
    #[error(
        "{path} is not a database: it begins with other bytes than SQLite's. Throng needs its own file there: \
         move this one away, or set `data_dir` to another directory"
    )]
    NotADatabase {
        /// Which file.
        path: PathBuf,
    },
    /// The file is a database of another program.
    #[error(
        "{path} is a database of another program (application id {found:#010x}, Throng's is {needed:#010x}). \
         It was not touched: move it away, or set `data_dir` to another directory"
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What its header says.
        found: i32,
        /// What Throng writes there.
        needed: i32,
    },
    /// The file was written by a newer version.
    #[error(
        "{path} has schema version {found}, but this program knows versions up to {known}. It was not touched: \
         start the newer program that wrote it, or restore a backup from before"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// What it has.
        found: i64,
        /// What this program has.
        known: i64,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged: {detail}. Keep a copy of it and its `-wal` file and restore a backup; \
         `sqlite3 {path} .recover` saves what can be read"
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// Another program holds the file.
    #[error(
        "{path} is locked by another program and stayed so for {waited_ms} ms. `fuser -v {path}` names it: \
         end it, then start again"
    )]
    Locked {
        /// Which file.
        path: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The file or its directory may not be written.
    #[error(
        "{path} cannot be written: {detail}. Throng needs a writable directory, because a database has further \
         files beside it: give it to this user (`chown`, `chmod u+rwx`), or set `data_dir` to another directory"
    )]
    NotWritable {
        /// Which file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// There is no room.
    #[error("{path} cannot be written: the disk or a quota is full. Make room (`df -h`), then start again")]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// Anything else the system says.
    #[error("cannot {action} {path}: {source}")]
    Os {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else SQLite says.
    #[error("cannot {action} {path}: {detail}")]
    Sqlite {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}
