//! Accounts, passwords, invitations.

use throng_store::{
    Ban, BulkAccount, Email, InviteId, Missing, NewAccount, NewInvite, NewPassword, Note, Reason, Revoke,
    Role, StoreError, Taken,
};

use super::Case;
use crate::help::*;

pub async fn accounts_come_back_as_made(Case { store, credentials }: Case) {
    let email = Email::new("a@b.example".into()).unwrap();
    store
        .create_account(NewAccount {
            role: Role::GameMaster,
            email: Some(email),
            password: Some(hash("secret")),
            ..new_account(1, "Zoë Müller")
        })
        .await
        .unwrap();
    let account = store.account(account_id(1)).await.unwrap().unwrap();
    assert_eq!((account.id, account.role, account.created_ms), (account_id(1), Role::GameMaster, NOW_MS));
    assert_eq!((account.name.as_str(), account.login_ms, &account.ban), ("Zoë Müller", None, &None));
    assert_eq!(store.account(account_id(2)).await.unwrap(), None);
    let credential = credentials.credential(account_id(1)).await.unwrap().unwrap();
    assert!(credential.password == Some(hash("secret")));
    assert_eq!(credential.account, account);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.accounts, counts.characters, counts.sessions, counts.invites), (1, 0, 0, 0));
}

pub async fn names_are_unique_by_look(Case { store, .. }: Case) {
    store.create_account(new_account(1, "Alice")).await.unwrap();
    for (number, taken) in (2..).zip(["Alice", "aLICE", "AIice", "ALlCE"]) {
        let answer = store.create_account(new_account(number, taken)).await;
        assert_eq!(answer, Err(StoreError::Taken(Taken::AccountName)), "{taken}");
        assert_eq!(store.account(account_id(number)).await.unwrap(), None);
    }
    // What a refused one had claimed already is free again: all its looks but the first were.
    store.create_account(new_account(20, "Alicia")).await.unwrap();
    // Characters have their own names.
    store.create_character(new_character(1, 1, "Alice")).await.unwrap();
    assert_eq!(
        store.create_character(new_character(2, 20, "ALICE")).await,
        Err(StoreError::Taken(Taken::CharacterName))
    );
}

pub async fn logins_find_a_spelling_but_no_look_alike(Case { store, credentials }: Case) {
    store.create_account(new_account(1, "Alice")).await.unwrap();
    for spelt in ["alice", "ALICE", "Ａｌｉｃｅ"] {
        assert_eq!(store.account_by_name(&name(spelt)).await.unwrap().unwrap().id, account_id(1), "{spelt}");
        assert!(credentials.credential_by_name(&name(spelt)).await.unwrap().is_some(), "{spelt}");
    }
    for other in ["AIice", "alic", "alices"] {
        assert_eq!(store.account_by_name(&name(other)).await.unwrap(), None, "{other}");
        assert!(credentials.credential_by_name(&name(other)).await.unwrap().is_none(), "{other}");
    }
}

pub async fn ids_are_not_reused(Case { store, .. }: Case) {
    store.create_account(new_account(1, "first")).await.unwrap();
    let again = store.create_account(new_account(1, "second")).await;
    assert_eq!(again, Err(StoreError::Taken(Taken::Id)));
    // The refused one holds no name.
    store.create_account(new_account(2, "second")).await.unwrap();
    store.create_character(new_character(1, 1, "hero")).await.unwrap();
    assert_eq!(store.create_character(new_character(1, 2, "other")).await, Err(StoreError::Taken(Taken::Id)));
}

pub async fn listing_pages_through_all(Case { store, .. }: Case) {
    for number in 0..25 {
        let new = NewAccount { name: numbered("list ", number), ..new_account(number, "unused") };
        store.create_account(new).await.unwrap();
    }
    let (mut from, mut seen) = (None, Vec::new());
    loop {
        let page = store.accounts(from, 10).await.unwrap();
        assert!(page.accounts.len() <= 10);
        seen.extend(page.accounts.into_iter().map(|account| account.name.to_string()));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted());
    assert_eq!(store.accounts(None, u32::MAX).await.unwrap().accounts.len(), 25);
    assert_eq!(store.accounts(None, 0).await.unwrap().accounts.len(), 1);
}

pub async fn bans_end_logins_and_refuse_new_ones(Case { store, .. }: Case) {
    store.create_account(new_account(1, "cheater")).await.unwrap();
    store.create_character(new_character(1, 1, "aimbot")).await.unwrap();
    store.create_session(new_session(10, 1)).await.unwrap();
    let until_ms = Some(NOW_MS + DAY_MS);
    let ban = Ban { until_ms, reason: Reason::new("aims too well").unwrap() };
    store.ban(account_id(1), ban.clone()).await.unwrap();
    assert!(store.session(token(10), NOW_MS).await.unwrap().is_none());
    assert_eq!(store.account(account_id(1)).await.unwrap().unwrap().ban, Some(ban.clone()));
    let banned = StoreError::Banned(ban.clone());
    assert_eq!(store.create_session(new_session(20, 1)).await, Err(banned.clone()));
    assert_eq!(store.begin_play(account_id(1), character_id(1), NOW_MS).await, Err(banned.clone()));
    assert_eq!(store.create_character(new_character(2, 1, "second")).await, Err(banned));
    // It ends by itself at its time, and at once when lifted; for ever has no end.
    store.begin_play(account_id(1), character_id(1), NOW_MS + DAY_MS).await.unwrap();
    let for_ever = Ban { until_ms: None, ..ban };
    store.ban(account_id(1), for_ever.clone()).await.unwrap();
    let play = store.begin_play(account_id(1), character_id(1), i64::MAX).await;
    assert_eq!(play, Err(StoreError::Banned(for_ever)));
    store.unban(account_id(1)).await.unwrap();
    store.create_session(new_session(30, 1)).await.unwrap();
    assert_eq!(store.account(account_id(1)).await.unwrap().unwrap().login_ms, Some(NOW_MS));
}

pub async fn passwords_change_once_per_version(Case { store, credentials }: Case) {
    store.create_account(new_account(1, "owner")).await.unwrap();
    for number in [10, 20] {
        store.create_session(new_session(number, 1)).await.unwrap();
    }
    let version = credentials.credential(account_id(1)).await.unwrap().unwrap().version;
    let change = |text, version, revoke| NewPassword {
        account: account_id(1),
        password: Some(hash(text)),
        version,
        revoke,
        now_ms: NOW_MS,
    };
    credentials.set_password(change("new", Some(version), Revoke::AllBut(family(20)))).await.unwrap();
    assert!(store.session(token(10), NOW_MS).await.unwrap().is_none());
    assert!(store.session(token(20), NOW_MS).await.unwrap().is_some());
    let stale = credentials.set_password(change("late", Some(version), Revoke::All)).await;
    assert_eq!(stale, Err(StoreError::Stale));
    assert!(store.session(token(20), NOW_MS).await.unwrap().is_some());
    let credential = credentials.credential_by_name(&name("owner")).await.unwrap().unwrap();
    assert!(credential.password == Some(hash("new")));
    assert_ne!(credential.version, version);
    credentials.set_password(change("newer", None, Revoke::None)).await.unwrap();
    assert!(store.session(token(20), NOW_MS).await.unwrap().is_some());
    credentials.set_password(change("newest", None, Revoke::All)).await.unwrap();
    assert!(store.session(token(20), NOW_MS).await.unwrap().is_none());
}

pub async fn locked_accounts_have_no_hash(Case { store, credentials }: Case) {
    store.create_account(NewAccount { password: None, ..new_account(1, "robot") }).await.unwrap();
    assert!(credentials.credential_by_name(&name("robot")).await.unwrap().unwrap().password.is_none());
}

fn invite(code: u64, uses: u32, expires_ms: Option<i64>) -> NewInvite {
    NewInvite { code: token(code), uses, expires_ms, note: Note::new("friends").unwrap(), now_ms: NOW_MS }
}

fn invited(number: u64, text: &str, code: u64) -> NewAccount {
    NewAccount { invite: Some(token(code)), ..new_account(number, text) }
}

pub async fn invitations_are_spent_with_the_account(Case { store, .. }: Case) {
    store.create_invite(invite(1, 2, Some(NOW_MS + 1))).await.unwrap();
    store.create_account(invited(1, "first", 1)).await.unwrap();
    // A refused registration spends nothing.
    assert_eq!(
        store.create_account(invited(2, "FIRST", 1)).await,
        Err(StoreError::Taken(Taken::AccountName))
    );
    assert_eq!(store.create_account(invited(1, "other", 1)).await, Err(StoreError::Taken(Taken::Id)));
    // To ask spends nothing either.
    assert_eq!(store.is_invite_good(token(1), NOW_MS).await, Ok(true));
    assert_eq!(store.is_invite_good(token(1), NOW_MS + 1).await, Ok(false), "expired");
    assert_eq!(store.is_invite_good(token(99), NOW_MS).await, Ok(false), "unknown");
    assert_eq!(store.invites().await.unwrap()[0].uses_left, 1);
    // And a bad invitation makes nothing.
    assert_eq!(store.create_account(invited(3, "third", 99)).await, Err(StoreError::Invite));
    let late = NewAccount { now_ms: NOW_MS + 1, ..invited(3, "third", 1) };
    assert_eq!(store.create_account(late).await, Err(StoreError::Invite));
    store.create_account(invited(2, "second", 1)).await.unwrap();
    assert_eq!(store.is_invite_good(token(1), NOW_MS).await, Ok(false), "used up");
    assert_eq!(store.create_account(invited(3, "third", 1)).await, Err(StoreError::Invite));
    assert_eq!(store.counts().await.unwrap().accounts, 2);
}

pub async fn invitations_are_listed_and_revoked(Case { store, .. }: Case) {
    let first = store.create_invite(invite(1, 5, None)).await.unwrap();
    let second = store.create_invite(invite(2, 0, Some(NOW_MS))).await.unwrap();
    assert_eq!(store.create_invite(invite(2, 1, None)).await, Err(StoreError::Taken(Taken::Token)));
    let listed = store.invites().await.unwrap();
    assert_eq!(listed.iter().map(|invite| invite.id).collect::<Vec<_>>(), [second, first]);
    assert_eq!((listed[0].uses, listed[0].expires_ms, listed[1].uses), (1, Some(NOW_MS), 5));
    assert_eq!(listed[1].note.as_str(), "friends");
    store.revoke_invite(first).await.unwrap();
    assert_eq!(store.revoke_invite(first).await, Err(StoreError::Missing(Missing::Invite(first))));
    assert_eq!(store.create_account(invited(1, "late", 1)).await, Err(StoreError::Invite));
}

pub async fn bulk_makes_all_or_none(Case { store, credentials }: Case) {
    let bulk = |from: u64, to: u64| -> Vec<BulkAccount> {
        (from..to)
            .map(|number| BulkAccount {
                account: account_id(number),
                name: numbered("bot ", number),
                character: character_id(number),
                character_name: numbered("bot ", number),
                family: family(number),
                access: token(number),
            })
            .collect()
    };
    store.create_accounts_bulk(bulk(0, 10_000), NOW_MS + DAY_MS, NOW_MS).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.accounts, counts.characters, counts.sessions), (10_000, 10_000, 10_000));
    let session = store.session(token(9_999), NOW_MS + DAY_MS - 1).await.unwrap().unwrap();
    assert_eq!((session.account, &session.name), (account_id(9_999), &numbered("bot ", 9_999)));
    assert!(store.session(token(9_999), NOW_MS + DAY_MS).await.unwrap().is_none());
    assert_eq!(store.begin_play(account_id(7), character_id(7), NOW_MS).await.unwrap().session_epoch, 1);
    assert!(credentials.credential(account_id(7)).await.unwrap().unwrap().password.is_none());
    // The last of these exists.
    let again: Vec<_> = bulk(10_001, 10_010).into_iter().chain(bulk(9_999, 10_000)).collect();
    let answer = store.create_accounts_bulk(again, NOW_MS + DAY_MS, NOW_MS).await;
    assert_eq!(answer, Err(StoreError::Taken(Taken::AccountName)));
    assert_eq!(store.counts().await.unwrap(), counts);
    let too_many = bulk(20_000, 70_001);
    assert!(matches!(
        store.create_accounts_bulk(too_many, NOW_MS, NOW_MS).await,
        Err(StoreError::Limit { count_max: 50_000, .. })
    ));
}

pub async fn what_is_missing_is_said(Case { store, credentials }: Case) {
    let missing = Err(StoreError::Missing(Missing::Account));
    let ban = Ban { until_ms: None, reason: Reason::new("").unwrap() };
    assert_eq!(store.ban(account_id(1), ban).await, missing);
    assert_eq!(store.unban(account_id(1)).await, missing);
    assert_eq!(store.create_session(new_session(10, 1)).await, missing);
    assert_eq!(store.create_character(new_character(1, 1, "nobody")).await, missing);
    let change = NewPassword {
        account: account_id(1),
        password: None,
        version: None,
        revoke: Revoke::All,
        now_ms: NOW_MS,
    };
    assert_eq!(credentials.set_password(change).await, missing);
    assert!(store.characters(account_id(1)).await.unwrap().is_empty());
    assert!(store.session(token(1), NOW_MS).await.unwrap().is_none());
    assert_eq!(store.revoke_account(account_id(1), None).await, Ok(0));
    assert_eq!(store.revoke_family(family(1)).await, Ok(()));
    let nothing = InviteId(77);
    assert_eq!(store.revoke_invite(nothing).await, Err(StoreError::Missing(Missing::Invite(nothing))));
}
