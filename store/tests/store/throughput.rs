//! How many changes share a commit, and how many there are in a second. Printed, not judged: disks differ.
//! `cargo test -p throng-store throughput -- --nocapture`

use std::time::Instant;

use throng_store::{BulkAccount, Store};

use crate::help::*;

const CLIENTS: u64 = 64;
const PLAYS: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throughput_of_plays() {
    let directory = Directory::new();
    let store = directory.open();
    let bulk: Vec<_> = (0..10_000)
        .map(|number| BulkAccount {
            account: account_id(number),
            name: numbered("bot ", number),
            character: character_id(number),
            character_name: numbered("bot ", number),
            family: family(number),
            access: token(number),
        })
        .collect();
    let start = Instant::now();
    store.create_accounts_bulk(bulk, NOW_MS + DAY_MS, NOW_MS).await.unwrap();
    println!("10,000 accounts in one transaction: {} ms", start.elapsed().as_millis());

    for clients in [1, CLIENTS] {
        let before = store.health();
        let start = Instant::now();
        let players: Vec<_> = (0..clients)
            .map(|client| {
                let store = store.clone();
                tokio::spawn(async move {
                    for play in 0..PLAYS {
                        let number = client * PLAYS + play;
                        store.begin_play(account_id(number), character_id(number), NOW_MS).await.unwrap();
                    }
                })
            })
            .collect();
        for player in players {
            player.await.unwrap();
        }
        let (after, elapsed) = (store.health(), start.elapsed());
        let (plays, commits) = (after.writes - before.writes, after.commits - before.commits);
        assert_eq!(plays, clients * PLAYS);
        // Whoever waits for a sync shares the next: alone each has its own, many have far fewer.
        assert!(if clients == 1 { commits == plays } else { commits < plays / 2 });
        println!(
            "begin_play by {clients} at once: {:.0} a second, {commits} commits for {plays}",
            plays as f64 / elapsed.as_secs_f64()
        );
    }

    let start = Instant::now();
    for number in 0..10_000 {
        assert!(store.session(token(number), NOW_MS).await.unwrap().is_some());
    }
    println!(
        "sessions looked up one after the other: {:.0} a second",
        10_000.0 / start.elapsed().as_secs_f64()
    );
}
