//! What SQLite's errors mean here.

use std::path::Path;

use rusqlite::ffi;
use rusqlite::{Error, ErrorCode};

use super::open_error::OpenError;
use crate::error::StoreError;

/// How a job ends early.
pub(super) enum Fault {
    /// The job's own answer, which leaves others alone.
    Refused(StoreError),
    /// SQLite cannot go on, and others may be concerned.
    Failed(Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Refused(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Failed(error)
    }
}

/// What an operation answers for an error of SQLite. Its messages name tables and columns, never values.
pub(super) fn store_error(error: &Error, busy_ms: u32) -> StoreError {
    let detail = error.to_string();
    match error.sqlite_error().map(|error| (error.code, error.extended_code)) {
        Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => {
            StoreError::Busy { waited_ms: u64::from(busy_ms) }
        }
        // The second is the index of the write-ahead log, which lies beside it and needs room as well.
        Some((ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE)) => StoreError::Full,
        Some((ErrorCode::ReadOnly, _)) => StoreError::ReadOnly,
        Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => StoreError::Corrupt { detail },
        _ => StoreError::Unforeseen { detail },
    }
}

/// Whether nothing may be written after this error. A failed sync throws the kernel's pages away, so a second one
/// that succeeds proves nothing; and a damaged file gets worse with every change.
pub(super) fn must_stop(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            || matches!(
                error.extended_code,
                ffi::SQLITE_IOERR_FSYNC
                    | ffi::SQLITE_IOERR_DIR_FSYNC
                    | ffi::SQLITE_IOERR_WRITE
                    | ffi::SQLITE_IOERR_TRUNCATE
                    | ffi::SQLITE_IOERR_CLOSE
            )
    })
}

/// What opening answers for an error of SQLite.
pub(super) fn open_error(action: &'static str, path: &Path, error: &Error, busy_ms: u32) -> OpenError {
    let (path, detail) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::Locked { path, waited_ms: u64::from(busy_ms) }
        }
        Some(ErrorCode::DiskFull) => OpenError::Full { path },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::NotWritable { path, detail }
        }
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { path, detail },
        _ => OpenError::Sqlite { action, path, detail },
    }
}
