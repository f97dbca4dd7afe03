//! From a path to a database that is ours, whole and of this version; or to a refusal that touched nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::open_error;
use super::open_error::OpenError;
use super::schema::{APPLICATION_ID, APPLICATION_ID_OFFSET, HEADER_BYTES, MAGIC, MIGRATIONS, VERSIONS};
use super::{SqliteOptions, looks};
use crate::limits::WAL_BYTES_KEPT;

/// Statements that a connection keeps compiled: all there are.
const STATEMENTS: usize = 96;

/// The connection of the writer, on a database that is in order.
pub(super) fn writer(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    create_file(path)?;
    let is_new = inspect_header(path)?;
    let failed = |action| move |error| open_error(action, path, &error, options.busy_ms);
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options).map_err(failed("open"))?;
    if is_new {
        // Before the write-ahead log: so it is in the file itself, where the next start looks.
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed("begin"))?;
    }
    refuse_newer(&connection, path, options)?;
    prepare(&connection, options).map_err(failed("set up"))?;
    if options.check {
        check(&connection, path, options)?;
    }
    migrate(&mut connection).map_err(failed("migrate"))?;
    looks::renew_if_stale(&mut connection).map_err(failed("renew the names of"))?;
    Ok(connection)
}

/// A connection that can only read.
pub(super) fn reader(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let failed = |error| open_error("open", path, &error, options.busy_ms);
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(connection)
}

/// Makes the directory and an empty file if there is none, for this user only: SQLite gives the files beside it the
/// same mode.
fn create_file(path: &Path) -> Result<(), OpenError> {
    let denied = |action, at: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable { path: path.to_owned(), detail: format!("cannot {action} it: {error}") }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            OpenError::Full { path: path.to_owned() }
        }
        _ => OpenError::Os { action, path: at.to_owned(), source: error },
    };
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| denied("create the directory of", directory, error))?;
    match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| denied("sync", directory, error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(denied("create", path, error)),
    }
}

/// Whether the file is empty; refuses one that is not ours before SQLite gets to see it.
fn inspect_header(path: &Path) -> Result<bool, OpenError> {
    let os = |error| OpenError::Os { action: "read", path: path.to_owned(), source: error };
    if !fs::metadata(path).map_err(os)?.is_file() {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path).map_err(os)?.take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(os)?;
    if header.is_empty() {
        return Ok(true);
    }
    if header.len() < HEADER_BYTES || !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    let id = &header[APPLICATION_ID_OFFSET..APPLICATION_ID_OFFSET + 4];
    let found = id.iter().fold(0_i32, |id, &byte| id << 8 | i32::from(byte));
    if found != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned(), found, needed: APPLICATION_ID });
    }
    Ok(false)
}

fn connect(path: &Path, mode: OpenFlags, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    // Each connection stays on one thread, so it needs no lock of its own.
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_millis(u64::from(options.busy_ms)))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

fn prepare(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    // Every commit is synced before it is answered. NORMAL would lose the newest commits with the power.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: hashes and addresses do not linger in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    // The writer copies the log back itself, so that it hears of it when that fails.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
    if let Some(pages_max) = options.pages_max {
        connection.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))?;
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let has_versions = connection.table_exists(None, "migrations")?;
    if !has_versions {
        return Ok(0);
    }
    connection.query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |row| row.get(0))
}

fn refuse_newer(connection: &Connection, path: &Path, options: &SqliteOptions) -> Result<(), OpenError> {
    let found = version(connection).map_err(|error| open_error("read", path, &error, options.busy_ms))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

fn check(connection: &Connection, path: &Path, options: &SqliteOptions) -> Result<(), OpenError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(detail) => Err(OpenError::Corrupt { path: path.to_owned(), detail }),
        Err(error) => Err(open_error("check", path, &error, options.busy_ms)),
    }
}

/// Applies what is missing. Two programs that start at once find each other's work, because the version is read in
/// the transaction that changes it.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    for (version_to, (title, sql)) in (1_i64..).zip(MIGRATIONS) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(VERSIONS)?;
        if version(&transaction)? < version_to {
            transaction.execute_batch(sql)?;
            transaction
                .execute("INSERT INTO migrations (version, title) VALUES (?1, ?2)", (version_to, title))?;
        }
        transaction.commit()?;
    }
    Ok(())
}
