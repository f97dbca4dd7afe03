//! The writer on its own: what a failed sync does, and what its connection is set to.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use rusqlite::{Connection, ffi};
use tokio::sync::oneshot;

use super::fault::Fault;
use super::tally::Tally;
use super::writer::{Asked, Job, Writer};
use super::{SqliteOptions, open};
use crate::error::StoreError;

type Work = fn(&Connection) -> Result<u32, Fault>;

/// Runs these jobs, all in the queue before the writer begins.
fn answers(jobs: &[Work]) -> (Vec<Result<u32, StoreError>>, Arc<Tally>) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (x INTEGER UNIQUE)").unwrap();
    let tally = Arc::new(Tally::default());
    let writer = Writer { connection, tally: Arc::clone(&tally), busy_ms: 0, stopped: None, told: None };
    let (queue, waiting) = sync_channel::<Box<dyn Job>>(jobs.len());
    let mut results = Vec::new();
    for job in jobs {
        let (answer, result) = oneshot::channel();
        queue.try_send(Box::new(Asked::new(*job, answer))).ok().unwrap();
        results.push(result);
    }
    drop(queue);
    thread::spawn(move || writer.run(&waiting)).join().unwrap();
    (results.into_iter().map(|result| result.blocking_recv().unwrap()).collect(), tally)
}

fn insert(at: &Connection) -> Result<u32, Fault> {
    at.execute("INSERT INTO t SELECT count(*) FROM t", [])?;
    Ok(at.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
}

fn insert_then_refuse(at: &Connection) -> Result<u32, Fault> {
    insert(at)?;
    Err(StoreError::Invite.into())
}

fn fail(code: i32) -> Result<u32, Fault> {
    Err(Fault::Failed(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)))
}

#[test]
fn a_refusal_takes_back_its_own_changes_only() {
    let (answers, tally) = answers(&[insert, insert_then_refuse, insert, insert_then_refuse, insert]);
    assert_eq!(answers, [Ok(1), Err(StoreError::Invite), Ok(2), Err(StoreError::Invite), Ok(3)]);
    assert_eq!((tally.health().writes, tally.health().commits), (5, 1));
}

#[test]
fn a_failure_takes_nobody_with_it() {
    let unforeseen: Work = |at| {
        insert(at)?;
        fail(ffi::SQLITE_IOERR_READ)
    };
    let (answers, tally) = answers(&[insert, unforeseen, insert]);
    assert_eq!((&answers[0], &answers[2]), (&Ok(1), &Ok(2)));
    assert!(matches!(answers[1], Err(StoreError::Unforeseen { .. })));
    assert!(!tally.health().is_stopped);
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_CORRUPT] {
        let jobs: [Work; 3] = match code {
            ffi::SQLITE_IOERR_FSYNC => [insert, |_| fail(ffi::SQLITE_IOERR_FSYNC), insert],
            ffi::SQLITE_IOERR_WRITE => [insert, |_| fail(ffi::SQLITE_IOERR_WRITE), insert],
            _ => [insert, |_| fail(ffi::SQLITE_CORRUPT), insert],
        };
        let (answers, tally) = answers(&jobs);
        assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Stopped { .. }))), "{code}");
        assert!(tally.health().is_stopped);
        assert_eq!((tally.health().writes, tally.health().failed), (0, 3));
    }
}

#[test]
fn a_commit_is_synced_before_it_is_answered() {
    let directory = std::env::temp_dir().join(format!("throng-store-settings-{}", std::process::id()));
    let path = directory.join("throng.db");
    let set = |path: &Path| {
        let connection = open::writer(path, &SqliteOptions::default()).unwrap();
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("synchronous"), 2, "FULL");
        assert_eq!(number("foreign_keys"), 1);
        assert_eq!(number("secure_delete"), 1);
        assert_eq!(number("wal_autocheckpoint"), 0);
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        let reader = open::reader(path, &SqliteOptions::default()).unwrap();
        assert!(reader.execute("DELETE FROM accounts", []).is_err());
    };
    set(&path); // new
    set(&path); // and found
    std::fs::remove_dir_all(&directory).unwrap();
}
