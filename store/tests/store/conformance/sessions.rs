//! Logins and their tokens.

use throng_store::limits::{FAMILIES_MAX, PURGE_ROWS_MAX, ROTATIONS_MAX};
use throng_store::{
    DeviceLabel, Expiring, NewAccount, NewCharacter, NewPassword, NewSession, Purged, Revoke, Rotated,
    Rotation, StoreError, Taken,
};

use super::Case;
use crate::help::*;

/// Uses up the refresh token `used` for the access token `number` and the refresh token `number + 1`.
pub fn rotation(used: u64, number: u64, now_ms: i64) -> Rotation {
    Rotation {
        used: token(used),
        access: Expiring { hash: token(number), expires_ms: now_ms + 900_000 },
        refresh: Expiring { hash: token(number + 1), expires_ms: now_ms + 30 * DAY_MS },
        now_ms,
    }
}

async fn logged_in(case: &Case) {
    case.store.create_account(new_account(1, "player")).await.unwrap();
    let device = Some(DeviceLabel::new("kitchen").unwrap());
    case.store.create_session(NewSession { device, ..new_session(10, 1) }).await.unwrap();
}

pub async fn access_tokens_are_good_until_their_time(case: Case) {
    logged_in(&case).await;
    let session = case.store.session(token(10), NOW_MS + 899_999).await.unwrap().unwrap();
    assert_eq!((session.account, session.name.as_str()), (account_id(1), "player"));
    assert!(session.family == family(10));
    assert!(case.store.session(token(10), NOW_MS + 900_000).await.unwrap().is_none());
    // A refresh token opens nothing.
    assert!(case.store.session(token(11), NOW_MS).await.unwrap().is_none());
}

pub async fn a_refresh_token_is_good_once(case: Case) {
    logged_in(&case).await;
    let Rotated::Fresh(session) = case.store.rotate(rotation(11, 20, NOW_MS)).await.unwrap() else {
        panic!("the first use");
    };
    assert_eq!((session.account, session.expires_ms), (account_id(1), NOW_MS + 900_000));
    assert!(case.store.session(token(10), NOW_MS).await.unwrap().is_none(), "the old access token");
    assert!(case.store.session(token(20), NOW_MS).await.unwrap().is_some(), "the new one");
    assert!(matches!(case.store.rotate(rotation(21, 30, NOW_MS)).await.unwrap(), Rotated::Fresh(_)));
    match case.store.rotate(rotation(11, 40, NOW_MS)).await.unwrap() {
        Rotated::Reused { account, family: of } => assert!(account == account_id(1) && of == family(10)),
        _ => panic!("the second use"),
    }
    // Nothing of the family is left, whoever has it.
    assert!(case.store.session(token(30), NOW_MS).await.unwrap().is_none());
    assert!(case.store.session(token(40), NOW_MS).await.unwrap().is_none());
    for used in [11, 21, 31] {
        assert!(matches!(case.store.rotate(rotation(used, 50, NOW_MS)).await.unwrap(), Rotated::Unknown));
    }
    assert_eq!(case.store.counts().await.unwrap().sessions, 0);
}

pub async fn an_access_token_does_not_refresh(case: Case) {
    logged_in(&case).await;
    assert!(matches!(case.store.rotate(rotation(10, 20, NOW_MS)).await.unwrap(), Rotated::Unknown));
    assert!(case.store.session(token(10), NOW_MS).await.unwrap().is_some());
    let late = rotation(11, 20, NOW_MS + 30 * DAY_MS);
    assert!(matches!(case.store.rotate(late).await.unwrap(), Rotated::Unknown));
    // Without a refresh token there is none to guess.
    case.store.create_session(NewSession { refresh: None, ..new_session(30, 1) }).await.unwrap();
    assert!(matches!(case.store.rotate(rotation(31, 40, NOW_MS)).await.unwrap(), Rotated::Unknown));
}

pub async fn logins_end_alone_and_together(case: Case) {
    logged_in(&case).await;
    let Case { store, .. } = case;
    for number in [20, 30, 40] {
        store.create_session(new_session(number, 1)).await.unwrap();
    }
    store.revoke_family(family(20)).await.unwrap();
    assert!(store.session(token(20), NOW_MS).await.unwrap().is_none());
    assert_eq!(store.revoke_account(account_id(1), Some(family(30))).await, Ok(2));
    assert!(store.session(token(30), NOW_MS).await.unwrap().is_some());
    assert!(store.session(token(40), NOW_MS).await.unwrap().is_none());
    assert_eq!(store.revoke_account(account_id(1), None).await, Ok(1));
    assert!(store.session(token(30), NOW_MS).await.unwrap().is_none());
}

pub async fn the_oldest_login_makes_room(Case { store, .. }: Case) {
    store.create_account(new_account(1, "many")).await.unwrap();
    store.create_account(new_account(2, "other")).await.unwrap();
    store.create_session(new_session(10, 2)).await.unwrap();
    let numbers: Vec<u64> = (0..=u64::from(FAMILIES_MAX)).map(|count| 100 + 10 * count).collect();
    for &number in &numbers {
        store.create_session(new_session(number, 1)).await.unwrap();
    }
    assert!(store.session(token(numbers[0]), NOW_MS).await.unwrap().is_none());
    for &number in numbers[1..].iter().chain(&[10]) {
        assert!(store.session(token(number), NOW_MS).await.unwrap().is_some());
    }
}

pub async fn tokens_are_not_reused(case: Case) {
    logged_in(&case).await;
    let same_access = NewSession { family: family(20), ..new_session(10, 1) };
    assert_eq!(case.store.create_session(same_access).await, Err(StoreError::Taken(Taken::Token)));
    let same_family = NewSession { family: family(10), ..new_session(30, 1) };
    assert_eq!(case.store.create_session(same_family).await, Err(StoreError::Taken(Taken::Id)));
    // A rotation that cannot keep its tokens leaves the old ones as they were.
    case.store.create_session(new_session(40, 1)).await.unwrap();
    for clash in [40, 11] {
        let clash = case.store.rotate(rotation(11, clash, NOW_MS)).await;
        assert!(matches!(clash, Err(StoreError::Taken(Taken::Token))));
    }
    assert!(case.store.session(token(10), NOW_MS).await.unwrap().is_some());
    assert!(matches!(case.store.rotate(rotation(11, 50, NOW_MS)).await.unwrap(), Rotated::Fresh(_)));
}

pub async fn a_login_ends_after_its_rotations(case: Case) {
    logged_in(&case).await;
    let mut refresh = 11;
    for count in 0..u64::from(ROTATIONS_MAX) {
        let next = 1000 + 2 * count;
        let rotated = case.store.rotate(rotation(refresh, next, NOW_MS)).await.unwrap();
        assert!(matches!(rotated, Rotated::Fresh(_)), "rotation {count}");
        refresh = next + 1;
    }
    assert!(matches!(case.store.rotate(rotation(refresh, 100, NOW_MS)).await.unwrap(), Rotated::Exhausted));
    assert_eq!(case.store.counts().await.unwrap().sessions, 0);
}

pub async fn a_password_change_refuses_logins_under_way(case: Case) {
    logged_in(&case).await;
    let Case { store, credentials } = case;
    let verified = credentials.credential(account_id(1)).await.unwrap().unwrap().version;
    let change = NewPassword {
        account: account_id(1),
        password: Some(hash("new")),
        version: Some(verified),
        revoke: Revoke::All,
        now_ms: NOW_MS,
    };
    credentials.set_password(change).await.unwrap();
    let late = NewSession { version: Some(verified), ..new_session(20, 1) };
    assert_eq!(store.create_session(late).await, Err(StoreError::Stale));
    let version = credentials.credential(account_id(1)).await.unwrap().unwrap().version;
    store.create_session(NewSession { version: Some(version), ..new_session(30, 1) }).await.unwrap();
}

pub async fn what_is_past_its_time_is_purged_in_batches(Case { store, .. }: Case) {
    for number in 0..6 {
        let new = NewAccount { name: numbered("old ", number), ..new_account(number, "unused") };
        store.create_account(new).await.unwrap();
        store.create_session(new_session(100 + 10 * number, number)).await.unwrap();
        store
            .create_character(NewCharacter {
                name: numbered("old ", number),
                ..new_character(number, number, "unused")
            })
            .await
            .unwrap();
    }
    store.delete_character(account_id(0), character_id(0), NOW_MS).await.unwrap();
    assert_eq!(store.purge(NOW_MS, 4).await, Ok(Purged::default()));
    let later = NOW_MS + 30 * DAY_MS;
    let mut total = Purged::default();
    let mut batches = 0;
    loop {
        let purged = store.purge(later, 4).await.unwrap();
        assert!(purged.tokens <= 4 && purged.families <= 4 && purged.names <= 4);
        total.tokens += purged.tokens;
        total.families += purged.families;
        total.names += purged.names;
        batches += 1;
        if purged.is_done(4) {
            break;
        }
    }
    assert_eq!(total, Purged { tokens: 12, families: 6, names: 1 });
    assert!(batches >= 3);
    assert_eq!(store.purge(later, u32::MAX).await, Ok(Purged::default()));
    assert!(Purged::default().is_done(PURGE_ROWS_MAX));
    assert_eq!(store.counts().await.unwrap().sessions, 0);
}
