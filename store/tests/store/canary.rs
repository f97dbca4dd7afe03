//! Secrets with words that appear nowhere else: none of them may be found in the database's files but where it belongs.

use std::fs;

use rusqlite::Connection;
use throng_store::{Credentials, Email, NewAccount, NewPassword, PasswordHash, Revoke, Store};

use crate::help::*;

/// What a password, a token in clear and an e-mail address would look like.
const PASSWORD: &str = "canary-password-7f3a";
const TOKEN: &str = "canary-token-91bc";
const EMAIL: &str = "canary-mail-55d0@birds.example";
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y2FuYXJ5LXNhbHQ$Y2FuYXJ5LWhhc2g";

fn count(files: &[Vec<u8>], canary: &str) -> usize {
    let found = |bytes: &Vec<u8>| bytes.windows(canary.len()).filter(|at| at == &canary.as_bytes()).count();
    files.iter().map(found).sum()
}

fn files(directory: &Directory) -> Vec<Vec<u8>> {
    fs::read_dir(directory.path()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// Stands for SHA-256 here: all that matters is that it is not the token.
fn hashed(secret: &str) -> throng_store::TokenHash {
    let mut hash = [0; 32];
    for (place, byte) in secret.bytes().enumerate() {
        hash[place % 32] = (hash[place % 32] ^ byte).wrapping_mul(167).rotate_left(3);
    }
    throng_store::TokenHash(hash)
}

#[tokio::test]
async fn secrets_are_only_where_they_belong() {
    let directory = Directory::new();
    let store = directory.open();
    let new = NewAccount {
        password: Some(PasswordHash::new(HASH.into()).unwrap()),
        email: Some(Email::new(EMAIL.into()).unwrap()),
        ..new_account(1, "bird")
    };
    store.create_account(new).await.unwrap();
    let mut session = new_session(10, 1);
    session.access.hash = hashed(TOKEN);
    store.create_session(session).await.unwrap();
    assert!(store.session(hashed(TOKEN), NOW_MS).await.unwrap().is_some());
    // The scan finds what is there, so it would find what is not.
    for round in ["in the log", "in the database"] {
        let files = files(&directory);
        assert!(count(&files, EMAIL) >= 1 && count(&files, HASH) >= 1, "{round}");
        assert_eq!((count(&files, PASSWORD), count(&files, TOKEN)), (0, 0), "{round}");
        if round == "in the log" {
            let other = Connection::open(directory.file()).unwrap();
            let truncate = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            assert_eq!(other.query_row("PRAGMA wal_checkpoint(truncate)", [], truncate), Ok(0));
        }
    }
    drop(store);

    // In its one column, and in no other of any table.
    let raw = Connection::open(directory.file()).unwrap();
    let columns: Vec<(String, String)> = raw
        .prepare("SELECT m.name, p.name FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (canary, home) in [(EMAIL, "credentials.email"), (HASH, "credentials.password_hash")] {
        let mut homes = Vec::new();
        for (table, column) in &columns {
            let sql = format!("SELECT count(*) FROM {table} WHERE instr(CAST({column} AS TEXT), ?1) > 0");
            if raw.query_row(&sql, [canary], |row| row.get::<_, i64>(0)).unwrap() > 0 {
                homes.push(format!("{table}.{column}"));
            }
        }
        assert_eq!(homes, [home]);
    }
    drop(raw);

    // What is replaced is gone from the file, not only from its row.
    let store = directory.open();
    let locked = NewPassword {
        account: account_id(1),
        password: None,
        version: None,
        revoke: Revoke::All,
        now_ms: NOW_MS,
    };
    store.set_password(locked).await.unwrap();
    drop(store);
    assert_eq!(count(&files(&directory), HASH), 0);
}

#[test]
fn errors_do_not_repeat_secrets() {
    let long = format!("{PASSWORD} is no hash");
    let error = PasswordHash::new(long).err().unwrap();
    assert!(!error.to_string().contains("canary") && !format!("{error:?}").contains("canary"));
    let error = Email::new(format!("{TOKEN} at nowhere")).err().unwrap();
    assert!(!error.to_string().contains("canary") && !format!("{error:?}").contains("canary"));
}
