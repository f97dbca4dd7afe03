//! Characters.

use throng_store::limits::{CHARACTER_NAMES_MAX, CHARACTERS_MAX};
use throng_store::{Missing, NewCharacter, Role, StoreError, Taken};

use super::Case;
use crate::help::*;

pub async fn characters_belong_to_their_account(Case { store, .. }: Case) {
    store.create_account(new_account(1, "owner")).await.unwrap();
    store.create_account(new_account(2, "thief")).await.unwrap();
    store.create_character(new_character(1, 1, "hero")).await.unwrap();
    let second = NewCharacter { now_ms: NOW_MS + 5, ..new_character(2, 1, "alt") };
    store.create_character(second).await.unwrap();
    let listed = store.characters(account_id(1)).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (one.id, one.name.as_str(), one.created_ms)).collect();
    assert_eq!(listed, [(character_id(1), "hero", NOW_MS), (character_id(2), "alt", NOW_MS + 5)]);
    assert!(store.characters(account_id(2)).await.unwrap().is_empty());
    let missing = StoreError::Missing(Missing::Character);
    assert_eq!(store.begin_play(account_id(2), character_id(1), NOW_MS).await, Err(missing.clone()));
    assert_eq!(store.delete_character(account_id(2), character_id(1), NOW_MS).await, Err(missing.clone()));
    let play = store.begin_play(account_id(1), character_id(1), NOW_MS + 9).await.unwrap();
    assert_eq!((play.session_epoch, play.name.as_str(), play.role), (1, "hero", Role::Player));
    assert_eq!(store.characters(account_id(1)).await.unwrap()[0].played_ms, Some(NOW_MS + 9));
    store.delete_character(account_id(1), character_id(1), NOW_MS).await.unwrap();
    assert_eq!(store.delete_character(account_id(1), character_id(1), NOW_MS).await, Err(missing.clone()));
    assert_eq!(store.begin_play(account_id(1), character_id(1), NOW_MS).await, Err(missing));
    assert_eq!(store.characters(account_id(1)).await.unwrap().len(), 1);
}

pub async fn a_deleted_name_stays_taken_for_a_while(Case { store, .. }: Case) {
    store.create_account(new_account(1, "owner")).await.unwrap();
    store.create_account(new_account(2, "heir")).await.unwrap();
    store.create_character(new_character(1, 1, "Legend")).await.unwrap();
    store.delete_character(account_id(1), character_id(1), NOW_MS).await.unwrap();
    let at = |now_ms, id| NewCharacter { now_ms, ..new_character(id, 2, "LEGEND") };
    let taken = Err(StoreError::Taken(Taken::CharacterName));
    assert_eq!(store.create_character(at(NOW_MS, 2)).await, taken);
    assert_eq!(store.create_character(at(NOW_MS + 30 * DAY_MS - 1, 2)).await, taken);
    // Free at its time, without a purge; and the old row is not confused with the new.
    store.create_character(at(NOW_MS + 30 * DAY_MS, 2)).await.unwrap();
    assert_eq!(store.create_character(at(NOW_MS + 60 * DAY_MS, 3)).await, taken);
    assert_eq!(store.purge(NOW_MS + 60 * DAY_MS, 100).await.unwrap().names, 0);
    // An id is never free again.
    let again = NewCharacter { now_ms: NOW_MS + 60 * DAY_MS, ..new_character(1, 1, "Other") };
    assert_eq!(store.create_character(again).await, Err(StoreError::Taken(Taken::Id)));
    // By a purge as well.
    store.delete_character(account_id(2), character_id(2), NOW_MS + 60 * DAY_MS).await.unwrap();
    assert_eq!(store.purge(NOW_MS + 90 * DAY_MS, 100).await.unwrap().names, 1);
    store.create_character(at(NOW_MS + 90 * DAY_MS, 4)).await.unwrap();
}

pub async fn names_held_are_bounded(Case { store, .. }: Case) {
    store.create_account(new_account(1, "hoarder")).await.unwrap();
    let new = |number| NewCharacter { name: numbered("hold ", number), ..new_character(number, 1, "unused") };
    for number in 0..u64::from(CHARACTERS_MAX) {
        store.create_character(new(number)).await.unwrap();
    }
    let full = store.create_character(new(100)).await.unwrap_err();
    assert!(matches!(full, StoreError::Limit { of: "characters of this account", .. }), "{full}");
    for number in 0..u64::from(CHARACTER_NAMES_MAX - CHARACTERS_MAX) {
        store.delete_character(account_id(1), character_id(number), NOW_MS).await.unwrap();
        store.create_character(new(200 + number)).await.unwrap();
    }
    store.delete_character(account_id(1), character_id(200), NOW_MS).await.unwrap();
    let full = store.create_character(new(300)).await.unwrap_err();
    assert!(matches!(full, StoreError::Limit { of: "names held by this account", .. }), "{full}");
    assert!(!full.is_failure() && !full.is_transient());
    store.purge(NOW_MS + 30 * DAY_MS, 100).await.unwrap();
    store.create_character(new(300)).await.unwrap();
}

pub async fn epochs_rise(Case { store, .. }: Case) {
    store.create_account(new_account(1, "owner")).await.unwrap();
    for number in [1, 2] {
        let name = numbered("hero ", number);
        store.create_character(NewCharacter { name, ..new_character(number, 1, "unused") }).await.unwrap();
    }
    for epoch in 1..=50 {
        let play = store.begin_play(account_id(1), character_id(1), NOW_MS).await.unwrap();
        assert_eq!(play.session_epoch, epoch);
    }
    assert_eq!(store.begin_play(account_id(1), character_id(2), NOW_MS).await.unwrap().session_epoch, 1);
}
