//! A database that is locked or full: calls fail in bounded time with an error that says so, what was answered stays,
//! and everything works again once the cause is gone.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rusqlite::Connection;
use throng_store::{BulkAccount, NewAccount, OpenError, SqliteOptions, SqliteStore, Store, StoreError};

use crate::help::*;

fn bulk(from: u64, to: u64) -> Vec<BulkAccount> {
    (from..to)
        .map(|number| BulkAccount {
            account: account_id(number),
            name: numbered("bulk ", number),
            character: character_id(number),
            character_name: numbered("bulk ", number),
            family: family(number),
            access: token(number),
        })
        .collect()
}

fn numbered_account(number: u64) -> NewAccount {
    NewAccount { name: numbered("user ", number), ..new_account(number, "unused") }
}

/// Makes accounts until one is refused, and says how many were made.
async fn fill(store: &SqliteStore) -> u64 {
    for number in 0..1_000_000 {
        match store.create_account(numbered_account(number)).await {
            Ok(()) => {}
            Err(StoreError::Full) => return number,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never full");
}

async fn has_all(store: &SqliteStore, count: u64) {
    for number in 0..count {
        let account = store.account(account_id(number)).await.unwrap();
        assert!(account.is_some(), "account {number} of {count} was answered and is gone");
    }
    assert_eq!(store.counts().await.unwrap().accounts, count);
}

#[tokio::test]
async fn a_full_database_keeps_what_it_has() {
    let directory = Directory::new();
    let options = SqliteOptions { pages_max: Some(100), ..SqliteOptions::default() };
    let store = SqliteStore::open(&directory.file(), &options).unwrap();
    let count = fill(&store).await;
    assert!(count > 50, "{count}");
    let error = store.create_accounts_bulk(bulk(500_000, 501_000), NOW_MS, NOW_MS).await.unwrap_err();
    assert!(error.is_transient() && error.is_failure());
    assert!(store.health().failed >= 2 && !store.health().is_stopped);
    has_all(&store, count).await;
    drop(store);
    let store = directory.open();
    has_all(&store, count).await;
    store.create_account(numbered_account(count)).await.unwrap();
}

#[tokio::test]
async fn one_job_that_does_not_fit_takes_no_other_with_it() {
    let directory = Directory::new();
    let options = SqliteOptions { pages_max: Some(400), ..SqliteOptions::default() };
    let store = SqliteStore::open(&directory.file(), &options).unwrap();
    // All handed over before the first is answered, so most share a group.
    let before: Vec<_> = (0..40).map(|number| store.create_account(numbered_account(number))).collect();
    let large = store.create_accounts_bulk(bulk(1000, 11_000), NOW_MS, NOW_MS);
    let after: Vec<_> = (40..80).map(|number| store.create_account(numbered_account(number))).collect();
    for small in before.into_iter().chain(after) {
        assert_eq!(small.await, Ok(()));
    }
    assert_eq!(large.await, Err(StoreError::Full));
    has_all(&store, 80).await;
}

/// A file system of six MiB: one log and some, unmounted when dropped; none where this user may not mount.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "throng-test"]).arg(at).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(at))
    }

    fn enlarge(&self) {
        assert!(
            Command::new("mount").args(["-o", "remount,size=64m"]).arg(self.0).status().unwrap().success()
        );
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_keeps_what_it_has_and_goes_on_once_there_is_room() {
    let directory = Directory::new();
    let Some(disk) = SmallDisk::mount(directory.path()) else {
        println!("not run: this user may not mount a small file system");
        return;
    };
    let store = directory.open();
    let count = fill(&store).await;
    assert!(count > 50, "{count}");
    assert!(!store.health().is_stopped);
    has_all(&store, count).await;
    disk.enlarge();
    for number in count..count + 500 {
        store.create_account(numbered_account(number)).await.unwrap();
    }
    has_all(&store, count + 500).await;
    drop(store);
    has_all(&directory.open(), count + 500).await;
}

#[tokio::test]
async fn a_locked_database_is_busy_and_then_works_again() {
    let directory = Directory::new();
    let options = SqliteOptions { busy_ms: 50, ..SqliteOptions::default() };
    let store = SqliteStore::open(&directory.file(), &options).unwrap();
    store.create_account(numbered_account(0)).await.unwrap();
    for hold in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let other = Connection::open(directory.file()).unwrap();
        other.execute_batch(hold).unwrap();
        // More than one group, so that the last would wait for several turns if each took its own.
        let waiting: Vec<_> =
            (1..2000).map(|number| store.create_account(numbered_account(number))).collect();
        for answer in waiting {
            assert_eq!(answer.await, Err(StoreError::Busy { waited_ms: 50 }));
        }
        // Whoever only reads does not notice.
        assert!(store.account(account_id(0)).await.unwrap().is_some());
        other.execute_batch("ROLLBACK").unwrap();
        assert!(!store.health().is_stopped);
    }
    store.create_account(numbered_account(1)).await.unwrap();
    has_all(&store, 2).await;
}

#[tokio::test]
async fn a_held_database_is_told_at_the_start() {
    let directory = Directory::new();
    drop(directory.open());
    let holder = Connection::open(directory.file()).unwrap();
    holder.pragma_update(None, "locking_mode", "exclusive").unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE; CREATE TABLE held (x); ROLLBACK").unwrap();
    let options = SqliteOptions { busy_ms: 50, ..SqliteOptions::default() };
    let error = SqliteStore::open(&directory.file(), &options).err().unwrap();
    assert!(matches!(error, OpenError::Locked { waited_ms: 50, .. }), "{error}");
    assert!(error.to_string().contains("fuser -v"));
    drop(holder);
    directory.open();
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let directory = Directory::new();
    let store = directory.open();
    // While another holds the lock, the writer takes at most one group from the queue.
    let other = Connection::open(directory.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let jobs = throng_store::limits::WRITE_QUEUE_JOBS + throng_store::limits::GROUP_JOBS_MAX + 100;
    let waiting: Vec<_> =
        (0..jobs as u64).map(|number| store.create_account(numbered_account(number))).collect();
    assert!(store.health().overloaded >= 100);
    other.execute_batch("ROLLBACK").unwrap();
    let mut refused = 0;
    for answer in waiting {
        match answer.await {
            Err(StoreError::Overloaded) => refused += 1,
            Ok(()) | Err(StoreError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(refused, store.health().overloaded);
}

#[tokio::test]
async fn two_processes_share_a_database() {
    let directory = Directory::new();
    let (server, command_line) = (directory.open(), directory.open());
    let make = |store: Arc<SqliteStore>, from: u64| async move {
        for number in from..from + 100 {
            store.create_account(numbered_account(number)).await.unwrap();
        }
    };
    let others = tokio::spawn(make(Arc::clone(&command_line), 100));
    make(Arc::clone(&server), 0).await;
    others.await.unwrap();
    has_all(&server, 200).await;
    has_all(&command_line, 200).await;
}
