//! Many at once: one wins, and the order that is told is the order that is kept.

use std::collections::HashSet;

use throng_store::{NewAccount, NewInvite, Note, Rotated, StoreError, Taken};

use super::Case;
use super::sessions::rotation;
use crate::help::*;

/// Waits for all of them, run at once.
async fn all<T: Send + 'static>(
    racers: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let racers: Vec<_> = racers.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(racers.len());
    for racer in racers {
        results.push(racer.await.unwrap());
    }
    results
}

pub async fn one_of_many_gets_a_name(Case { store, .. }: Case) {
    let spelt = ["Winner", "winner", "WINNER", "wINNer"];
    for round in 0..10_u64 {
        let racers = (0..64_u64).map(|racer| {
            let store = store.clone();
            let text = format!("{} {}", spelt[(racer % 4) as usize], char::from(b'a' + round as u8));
            async move { store.create_account(new_account(round * 64 + racer, &text)).await }
        });
        let results = all(racers).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "round {round}");
        let taken = Err(StoreError::Taken(Taken::AccountName));
        assert_eq!(results.iter().filter(|result| **result == taken).count(), 63, "round {round}");
    }
}

pub async fn one_of_many_gets_the_last_use_of_an_invitation(Case { store, .. }: Case) {
    let note = Note::new("three may come").unwrap();
    let invite = NewInvite { code: token(1), uses: 3, expires_ms: None, note, now_ms: NOW_MS };
    store.create_invite(invite).await.unwrap();
    let racers = (0..100).map(|racer| {
        let store = store.clone();
        let new = NewAccount {
            name: numbered("guest ", racer),
            invite: Some(token(1)),
            ..new_account(racer, "unused")
        };
        async move { store.create_account(new).await }
    });
    let results = all(racers).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    assert_eq!(results.iter().filter(|result| **result == Err(StoreError::Invite)).count(), 97);
    assert_eq!(store.counts().await.unwrap().accounts, 3);
}

pub async fn one_of_many_rotates_and_the_family_dies(Case { store, .. }: Case) {
    store.create_account(new_account(1, "player")).await.unwrap();
    for round in 1..=20_u64 {
        let base = round * 10_000;
        store.create_session(new_session(base, 1)).await.unwrap();
        let racers = (1..=16).map(|racer| {
            let store = store.clone();
            async move { store.rotate(rotation(base + 1, base + 10 * racer, NOW_MS)).await.unwrap() }
        });
        let results = all(racers).await;
        let count = |is: fn(&Rotated) -> bool| results.iter().filter(|result| is(result)).count();
        assert_eq!(count(|result| matches!(result, Rotated::Fresh(_))), 1);
        assert_eq!(count(|result| matches!(result, Rotated::Reused { .. })), 1);
        assert_eq!(count(|result| matches!(result, Rotated::Unknown)), 14);
        for racer in 0..=16 {
            assert!(store.session(token(base + 10 * racer), NOW_MS).await.unwrap().is_none());
        }
    }
}

pub async fn racing_plays_get_rising_epochs(Case { store, .. }: Case) {
    store.create_account(new_account(1, "player")).await.unwrap();
    store.create_character(new_character(1, 1, "hero")).await.unwrap();
    let racers = (0..32).map(|_| {
        let store = store.clone();
        async move {
            let mut epochs = Vec::new();
            for _ in 0..16 {
                epochs.push(
                    store.begin_play(account_id(1), character_id(1), NOW_MS).await.unwrap().session_epoch,
                );
            }
            epochs
        }
    });
    let results = all(racers).await;
    assert!(results.iter().all(|epochs| epochs.is_sorted_by(|a, b| a < b)));
    let distinct: HashSet<u64> = results.into_iter().flatten().collect();
    assert_eq!(distinct, (1..=512).collect());
}

pub async fn dropped_answers_take_nothing_back(Case { store, .. }: Case) {
    for number in 0..50 {
        let new = NewAccount { name: numbered("gone ", number), ..new_account(number, "unused") };
        drop(store.create_account(new));
    }
    // Changes are made in the order of their calls, so this one is the last.
    store.create_account(new_account(100, "last")).await.unwrap();
    assert_eq!(store.counts().await.unwrap().accounts, 51);
}
