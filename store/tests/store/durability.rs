//! Nothing that was answered is ever lost: not by a copy of the files taken the moment after, not by a kill.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use throng_store::{Name, NewAccount, NewCharacter, Store};

use crate::help::*;

#[tokio::test]
async fn a_copy_of_the_files_has_all_that_was_answered() {
    let directory = Directory::new();
    let store = directory.open();
    store.create_account(new_account(0, "owner")).await.unwrap();
    store.create_character(new_character(0, 0, "hero")).await.unwrap();
    for round in 1..=100 {
        let new = NewAccount { name: numbered("user ", round), ..new_account(round, "unused") };
        store.create_account(new).await.unwrap();
        let play = store.begin_play(account_id(0), character_id(0), NOW_MS).await.unwrap();
        assert_eq!(play.session_epoch, round);
        if round % 7 != 0 {
            continue;
        }
        // The writer may copy its log back meanwhile, but there is too little in it yet.
        let copy = Directory::new();
        for file in ["throng.db", "throng.db-wal"] {
            fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
        }
        let copied = copy.open();
        assert_eq!(copied.counts().await.unwrap().accounts, round + 1);
        for number in 0..=round {
            assert!(copied.account(account_id(number)).await.unwrap().is_some(), "{number} of {round}");
        }
        let next = copied.begin_play(account_id(0), character_id(0), NOW_MS).await.unwrap();
        assert_eq!(next.session_epoch, round + 1);
    }
}

#[tokio::test]
async fn a_log_cut_anywhere_has_a_prefix_of_what_was_answered() {
    let directory = Directory::new();
    let store = directory.open();
    let log = directory.path().join("throng.db-wal");
    let mut ends = Vec::new();
    for number in 0..12 {
        let new = NewAccount { name: numbered("user ", number), ..new_account(number, "unused") };
        store.create_account(new).await.unwrap();
        ends.push(fs::metadata(&log).unwrap().len());
    }
    let whole = fs::read(&log).unwrap();
    let first = ends[0] as usize;
    for cut in (first..=whole.len()).step_by(1777).chain([whole.len()]) {
        let copy = Directory::new();
        fs::copy(directory.file(), copy.file()).unwrap();
        fs::write(copy.path().join("throng.db-wal"), &whole[..cut]).unwrap();
        let copied = copy.open();
        // Everything whose commit was within the cut, and nothing of a commit that was torn.
        let kept = ends.iter().filter(|&&end| end <= cut as u64).count() as u64;
        assert_eq!(copied.counts().await.unwrap().accounts, kept, "cut at {cut}");
        for number in 0..kept {
            assert!(copied.account(account_id(number)).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn the_log_is_copied_back_and_stays_short() {
    let directory = Directory::new();
    let store = directory.open();
    let mut longest = 0;
    for number in 0..1500 {
        let new = NewAccount { name: numbered("user ", number), ..new_account(number, "unused") };
        store.create_account(new).await.unwrap();
        longest = longest.max(fs::metadata(directory.path().join("throng.db-wal")).unwrap().len());
    }
    // A thousand pages and the commit that went past them.
    assert!((1 << 20..5 << 20).contains(&longest), "{longest} bytes");
    assert!(fs::metadata(directory.file()).unwrap().len() > 100_000);
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "run by another test in a process of its own"]
fn child_creates_until_killed() {
    let Some(path) = std::env::var_os("THRONG_STORE_KILL") else { return };
    let from: u64 = std::env::var("THRONG_STORE_FROM").unwrap().parse().unwrap();
    let store =
        throng_store::SqliteStore::open(path.as_ref(), &throng_store::SqliteOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for task in 0..8 {
        let store = store.clone();
        runtime.spawn(async move {
            for number in (from + task..).step_by(8) {
                let new = NewAccount { name: numbered("kill ", number), ..new_account(number, "unused") };
                store.create_account(new).await.unwrap();
                let hero = NewCharacter {
                    name: numbered("kill ", number),
                    ..new_character(number, number, "unused")
                };
                store.create_character(hero).await.unwrap();
                let play = store.begin_play(account_id(0), character_id(0), NOW_MS).await.unwrap();
                // One write for one line: the pipe holds what was answered even if we die right after.
                let line = format!("\nANSWERED {number} {}\n", play.session_epoch);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
                std::io::stdout().flush().unwrap();
            }
        });
    }
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_answered() {
    let directory = Directory::new();
    let store = directory.open();
    store
        .create_account(NewAccount { name: numbered("kill ", 0), ..new_account(0, "unused") })
        .await
        .unwrap();
    store
        .create_character(NewCharacter { name: numbered("kill ", 0), ..new_character(0, 0, "unused") })
        .await
        .unwrap();
    drop(store);
    let (mut answered, mut epoch_max, mut from) = (vec![0], 0, 1);
    for round in 0..6_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "durability::child_creates_until_killed"])
            .env("THRONG_STORE_KILL", directory.file())
            .env("THRONG_STORE_FROM", from.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // At once after the first answer, or in the middle of many.
        while text.matches("ANSWERED").count() < 1 + round * 60 {
            assert_ne!(lines.read_line(&mut text).unwrap(), 0, "the child ended by itself: {text}");
        }
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        lines.read_to_string(&mut text).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("ANSWERED ")) {
            let (number, epoch) = line.split_once(' ').unwrap();
            answered.push(number.parse::<u64>().unwrap());
            epoch_max = epoch_max.max(epoch.parse::<u64>().unwrap());
        }
        let store = directory.open();
        for &number in &answered {
            let account = store.account(account_id(number)).await.unwrap();
            assert_eq!(account.map(|account| account.name), Some(numbered("kill ", number)), "round {round}");
            assert_eq!(store.characters(account_id(number)).await.unwrap().len(), 1, "round {round}");
        }
        // What was not answered is there whole or not at all: its name and its row agree.
        let page = store.accounts(None, 1000).await.unwrap();
        let names: Vec<Name> = page.accounts.iter().map(|account| account.name.clone()).collect();
        assert!(names.len() >= answered.len().min(1000));
        let play = store.begin_play(account_id(0), character_id(0), NOW_MS).await.unwrap();
        assert!(play.session_epoch > epoch_max, "round {round}: {} after {epoch_max}", play.session_epoch);
        from = 1 + round as u64 * 100_000 + 100_000;
    }
    println!("{} answers in 6 kills, none lost", answered.len());
}
