//! What is refused at the start, what is said of it, and that nothing of it was touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use throng_store::{NewAccount, OpenError, SqliteOptions, SqliteStore, Store, StoreError, Taken};

use crate::help::*;

fn refusal(path: &Path) -> OpenError {
    SqliteStore::open(path, &SqliteOptions::default()).err().expect("a refusal")
}

/// An account or two, everything copied back into one file.
async fn written() -> Directory {
    let directory = Directory::new();
    let store = directory.open();
    for number in 0..200 {
        let new = NewAccount { name: numbered("user ", number), ..new_account(number, "unused") };
        store.create_account(new).await.unwrap();
    }
    drop(store);
    assert!(!directory.path().join("throng.db-wal").exists());
    directory
}

#[test]
fn a_file_of_something_else_is_refused_untouched() {
    for bytes in
        [&b"hello, I am a text file\n"[..], &[0; 4096], &[0xff; 10], b"SQLite format 3\0 and no more"]
    {
        let directory = Directory::new();
        fs::write(directory.file(), bytes).unwrap();
        let error = refusal(&directory.file());
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        assert!(error.to_string().contains("data_dir"));
        assert_eq!(fs::read(directory.file()).unwrap(), bytes);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
    let directory = Directory::new();
    fs::create_dir(directory.file()).unwrap();
    assert!(matches!(refusal(&directory.file()), OpenError::NotADatabase { .. }));
}

#[test]
fn a_database_of_another_program_is_refused_untouched() {
    for application_id in [0, 0x1234_5678] {
        let directory = Directory::new();
        let other = Connection::open(directory.file()).unwrap();
        other.pragma_update(None, "application_id", application_id).unwrap();
        other.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
        drop(other);
        let before = fs::read(directory.file()).unwrap();
        let error = refusal(&directory.file());
        assert!(matches!(error, OpenError::Foreign { found, .. } if found == application_id), "{error}");
        assert!(error.to_string().contains("0x54485247"), "{error}");
        assert_eq!(fs::read(directory.file()).unwrap(), before);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions() {
    let directory = written().await;
    let newer = Connection::open(directory.file()).unwrap();
    newer.execute("INSERT INTO migrations (version, title) VALUES (77, 'from the future')", []).unwrap();
    drop(newer);
    let error = refusal(&directory.file());
    assert!(matches!(error, OpenError::Newer { found: 77, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("version 77") && error.to_string().contains("up to 1"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let directory = written().await;
    let whole = fs::read(directory.file()).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 20);
    // Every page in turn turned to noise; then the end cut off.
    for page in 0..pages {
        let mut damaged = whole.clone();
        for (place, byte) in
            damaged[page * 4096..][..4096].iter_mut().enumerate().skip(if page == 0 { 100 } else { 0 })
        {
            *byte = (place * 31 % 251) as u8 ^ 0xa5;
        }
        fs::write(directory.file(), &damaged).unwrap();
        let error = refusal(&directory.file());
        assert!(
            matches!(error, OpenError::Corrupt { .. } | OpenError::NotADatabase { .. }),
            "page {page}: {error}"
        );
    }
    fs::write(directory.file(), &whole[..whole.len() / 2]).unwrap();
    let error = refusal(&directory.file());
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("backup"), "{error}");
    fs::write(directory.file(), &whole).unwrap();
    assert_eq!(directory.open().counts().await.unwrap().accounts, 200);
}

#[tokio::test]
async fn damage_that_turns_up_later_stops_the_writer() {
    let directory = written().await;
    let whole = fs::read(directory.file()).unwrap();
    let options = SqliteOptions { check: false, ..SqliteOptions::default() };
    let mut stops = 0;
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..][..4096].fill(0xee);
        fs::write(directory.file(), &damaged).unwrap();
        let store = match SqliteStore::open(&directory.file(), &options) {
            Ok(store) => store,
            Err(error) => {
                assert!(matches!(error, OpenError::Corrupt { .. }), "page {page}: {error}");
                continue;
            }
        };
        let new = |number| NewAccount { name: numbered("late ", number), ..new_account(number, "unused") };
        let mut answers = Vec::new();
        for number in 1000..1003 {
            answers.push(store.create_account(new(number)).await);
        }
        if let Some(first) = answers.iter().position(Result::is_err) {
            let error = answers[first].clone().unwrap_err();
            assert!(
                matches!(error, StoreError::Stopped { .. }) && !error.is_transient(),
                "page {page}: {error}"
            );
            assert!(store.health().is_stopped);
            assert!(answers[first..].iter().all(|answer| *answer == Err(error.clone())));
            stops += 1;
        }
        drop(store);
        for more in ["throng.db-wal", "throng.db-shm"] {
            let _ = fs::remove_file(directory.path().join(more));
        }
    }
    assert!(stops >= 3, "{stops}");
}

#[tokio::test]
async fn names_are_compared_anew_with_newer_tables_of_unicode() {
    let directory = Directory::new();
    let store = directory.open();
    store.create_account(new_account(1, "Alice")).await.unwrap();
    store.create_character(new_character(1, 1, "Hero")).await.unwrap();
    store.create_character(new_character(2, 1, "Ghost")).await.unwrap();
    store.delete_character(account_id(1), character_id(2), NOW_MS - 40 * DAY_MS).await.unwrap();
    store.purge(NOW_MS, 10).await.unwrap();
    drop(store);
    // As an older program would have left it: without looks that were confused only later.
    let older = Connection::open(directory.file()).unwrap();
    older.execute("UPDATE unicode SET version = '9.0.0'", []).unwrap();
    older.execute("DELETE FROM name_looks", []).unwrap();
    older.execute("UPDATE accounts SET name_key = 'other'", []).unwrap();
    drop(older);
    let store = directory.open();
    let taken = |taken| Err(StoreError::Taken(taken));
    assert_eq!(store.create_account(new_account(2, "AIice")).await, taken(Taken::AccountName));
    assert_eq!(store.create_character(new_character(3, 1, "hero")).await, taken(Taken::CharacterName));
    assert!(store.account_by_name(&name("alice")).await.unwrap().is_some());
    // A name that was free stays so.
    store.create_character(new_character(4, 1, "Ghost")).await.unwrap();
}

#[tokio::test]
async fn only_this_user_may_read() {
    let directory = Directory::new();
    let path = directory.path().join("data").join("throng.db");
    let store = SqliteStore::open(&path, &SqliteOptions::default()).unwrap();
    store.create_account(new_account(1, "owner")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in ["throng.db", "throng.db-wal", "throng.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
}

/// Not a test of its own: what [`a_directory_that_cannot_be_written_is_refused`] runs as a user without privileges.
#[test]
#[ignore = "run by another test in a process of its own"]
fn child_opens_and_says_why_not() {
    if let Some(path) = std::env::var_os("THRONG_STORE_OPEN") {
        match SqliteStore::open(Path::new(&path), &SqliteOptions::default()) {
            Ok(_) => println!("\nOPENED"),
            Err(error @ OpenError::NotWritable { .. }) => println!("\nREFUSED {error}"),
            Err(error) => println!("\nOTHER {error}"),
        }
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_refused() {
    let directory = written().await;
    let as_nobody = |path: &Path| {
        // A copy in a place that anybody can reach; privileges would see past the modes.
        let program = directory.path().join("child");
        if !program.exists() {
            fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        }
        let mut child = Command::new(&program);
        child.args(["--ignored", "--exact", "--nocapture", "start::child_opens_and_says_why_not"]);
        child.env("THRONG_STORE_OPEN", path).current_dir("/");
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        if is_root {
            child.uid(65534).gid(65534);
        }
        let output = child.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // An empty directory; one with a database that may be written; one with a database that may not.
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    set_mode(&empty, 0o555);
    let mut said = vec![as_nobody(&empty.join("throng.db"))];
    for mode in [0o666, 0o444] {
        let full = directory.path().join(format!("full{mode}"));
        fs::create_dir(&full).unwrap();
        fs::copy(directory.file(), full.join("throng.db")).unwrap();
        set_mode(&full.join("throng.db"), mode);
        set_mode(&full, 0o555);
        said.push(as_nobody(&full.join("throng.db")));
        set_mode(&full, 0o755);
    }
    for said in said {
        assert!(said.contains("REFUSED") && said.contains("chown"), "{said}");
    }
}
