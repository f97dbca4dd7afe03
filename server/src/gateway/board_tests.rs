use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is a key")
}

fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().expect("32 bytes")
}

fn report(as_of_ms: u64) -> RealmReport {
    RealmReport {
        realm_id: 7,
        as_of_ms,
        vitals: Vitals { population: 3, capacity: 9, tick_p99_us: 4500, state: RealmState::Draining },
        name: "Höhle".to_owned(),
        address: "play.example.org:7777".to_owned(),
    }
}

fn remote_board(key: &Ed25519KeyPair) -> Board {
    Board::new([Realm::Remote(RemoteRealm::new(7, public(key)))]).expect("one realm")
}

/// As a realm pushes it.
fn push_to(
    board: &Board,
    now_ms: u64,
    report: RealmReport,
    news: &News,
    key: &Ed25519KeyPair,
) -> Result<(), StatusFault> {
    let push_signature = news.sign(&report, key);
    let SignedReport { report, signature, .. } = report.sign(key);
    board.push(now_ms, report, signature, news, &push_signature)
}

fn news() -> News {
    let name = |key_id| KeyName { key_id, fingerprint: *b"12345678" };
    News { kicks_heard: 5, token_keys: [2, 0x0301].map(name).to_vec(), arrived: vec![7, u64::MAX] }
}

fn here() -> IpAddr {
    IpAddr::from([192, 0, 2, 5])
}

/// Documented at the top of the file; a second implementation is written from there.
#[test]
fn the_signed_bytes_are_these() {
    let mut expected = b"throng realm 1".to_vec();
    expected.extend_from_slice(&[7, 0, 0, 0]);
    expected.extend_from_slice(&NOW_MS.to_le_bytes());
    expected.extend_from_slice(&[3, 0, 0, 0, 9, 0, 0, 0, 0x94, 0x11, 0, 0, 1]);
    expected.extend_from_slice(b"\x06\x00H\xc3\xb6hle");
    expected.extend_from_slice(b"\x15\x00play.example.org:7777");
    assert_eq!(report(NOW_MS).signed_bytes(), expected);
}

#[test]
fn the_signed_bytes_of_a_push_are_these() {
    let mut expected = b"throng push 1".to_vec();
    expected.extend_from_slice(&report(NOW_MS).signed_bytes());
    expected.extend_from_slice(
        b"\x05\0\0\0\0\0\0\0\x02\0\x02\x0012345678\x01\x0312345678\x02\0\x07\0\0\0\0\0\0\0",
    );
    expected.extend_from_slice(&[0xff; 8]);
    assert_eq!(news().signed_bytes(&report(NOW_MS)), expected);
}

#[test]
fn a_signature_holds_for_every_field() {
    let signed = report(NOW_MS).sign(&key(1));
    assert!(signed.is_genuine());
    let changes: [fn(&mut RealmReport); 8] = [
        |r| r.realm_id += 1,
        |r| r.as_of_ms += 1,
        |r| r.vitals.population += 1,
        |r| r.vitals.capacity += 1,
        |r| r.vitals.tick_p99_us += 1,
        |r| r.vitals.state = RealmState::Open,
        |r| r.name.push('x'),
        |r| r.address.push('7'),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = signed.clone();
        change(&mut changed.report);
        assert!(!changed.is_genuine(), "change {number} went unnoticed");
    }
}

#[test]
fn a_push_is_taken_once_and_only_from_its_realm() {
    let (ours, other) = (key(1), key(2));
    let board = remote_board(&ours);
    assert_eq!(board.listings(here(), NOW_MS).count(), 0, "nothing is known yet");
    let push = |report, now_ms, key| push_to(&board, now_ms, report, &news(), key);

    assert_eq!(push(report(NOW_MS), NOW_MS, &ours), Ok(()));
    assert_eq!(push(report(NOW_MS), NOW_MS + 1, &ours), Err(StatusFault::Stale), "replayed");
    assert_eq!(push(report(NOW_MS + 5), NOW_MS, &other), Err(StatusFault::Unsigned));
    let stranger = RealmReport { realm_id: 8, ..report(NOW_MS + 5) };
    assert_eq!(push(stranger, NOW_MS, &ours), Err(StatusFault::Unsigned));
    assert_eq!(push(report(NOW_MS - 1), NOW_MS, &ours), Err(StatusFault::Stale));
    assert_eq!(push(report(NOW_MS + 5_001), NOW_MS, &ours), Err(StatusFault::Stale));
    assert_eq!(push(report(NOW_MS + 5_000), NOW_MS, &ours), Ok(()));
    assert_eq!(push(report(NOW_MS + 6_000), NOW_MS + 11_001, &ours), Err(StatusFault::Stale));
}

/// A realm whose clock is as far behind as it may be loses no more pushes than another before it is offline.
#[test]
fn a_realm_is_online_for_as_long_after_its_push_whatever_its_clock_says() {
    for as_of_ms in [NOW_MS - 5_000, NOW_MS, NOW_MS + 5_000] {
        let key = key(1);
        let board = remote_board(&key);
        assert_eq!(push_to(&board, NOW_MS, report(as_of_ms), &news(), &key), Ok(()));
        let listing = |now_ms| board.listing(7, here(), now_ms).expect("heard of");
        assert!(listing(NOW_MS + 10_000).is_online && listing(NOW_MS).signed.is_genuine());
        assert!(!listing(NOW_MS + 10_001).is_online);
    }
}

/// Everybody can read a listing, with its signature.
#[test]
fn what_a_listing_shows_makes_no_push_and_nothing_in_a_push_can_be_changed() {
    let key = key(1);
    let board = remote_board(&key);
    let listed = report(NOW_MS).sign(&key);
    let with =
        |news: &News, signature| board.push(NOW_MS, listed.report.clone(), listed.signature, news, signature);
    assert_eq!(with(&News::default(), &listed.signature), Err(StatusFault::Unsigned));
    let genuine = news().sign(&listed.report, &key);
    let changes: [fn(&mut News); 6] = [
        |n| n.kicks_heard += 1,
        |n| n.token_keys.truncate(1),
        |n| n.token_keys[0].key_id = 9,
        |n| n.token_keys[1].fingerprint[7] = 9,
        |n| n.arrived.push(1),
        |n| n.arrived.clear(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = news();
        change(&mut changed);
        assert_eq!(with(&changed, &genuine), Err(StatusFault::Unsigned), "change {number} went unnoticed");
    }
    let other = RealmReport { as_of_ms: NOW_MS + 1, ..listed.report.clone() }.sign(&key);
    let moved = board.push(NOW_MS, other.report, other.signature, &news(), &genuine);
    assert_eq!(moved, Err(StatusFault::Unsigned), "with another status");
    let mut unlisted = listed.signature;
    unlisted[5] ^= 1;
    let unlisted = board.push(NOW_MS, listed.report.clone(), unlisted, &news(), &genuine);
    assert_eq!(unlisted, Err(StatusFault::Unsigned), "what is listed must be genuine too");
    assert_eq!(with(&news(), &genuine), Ok(()));
}

#[test]
fn a_realm_is_heard_again_once_a_wrong_clock_is_set_right() {
    let key = key(1);
    let board = remote_board(&key);
    let push = |as_of_ms, now_ms| push_to(&board, now_ms, report(as_of_ms), &news(), &key);
    let wrong_ms = NOW_MS + 3_600_000;
    assert_eq!(push(wrong_ms, wrong_ms), Ok(()));
    assert!(!board.listing(7, here(), NOW_MS).expect("heard of").is_online, "its word is not of now");
    assert_eq!(push(NOW_MS, NOW_MS), Ok(()));
    assert_eq!(push(NOW_MS, NOW_MS), Err(StatusFault::Stale));
}

/// Its file has to be copied after each rotation, whenever somebody comes to it.
#[test]
fn tokens_for_a_realm_elsewhere_are_made_with_the_first_key_that_it_holds() {
    use throng_net::protocol::keys::SecretBytes;
    use throng_net::protocol::token::RootKey;
    let key = key(1);
    let board = remote_board(&key);
    let of = |key_id, byte| RootKey::new(key_id, SecretBytes::new([byte; 32])).realm_key(7);
    let realm_key = |key_id| of(key_id, key_id as u8);
    // Of another gateway, which gave its keys the same numbers.
    let other = |key_id| of(key_id, 99).name();
    let name = |key_id| realm_key(key_id).name();
    let keys = RealmKeys::new([4, 3, 2].map(realm_key)).expect("three keys");
    let minting = || board.minting_key(7, &keys).map(RealmKey::key_id);
    assert_eq!(minting(), None, "it has not been heard of");
    for (second, held, expected) in [
        (1, vec![name(3), name(2)], Some(3)),
        (2, vec![name(2), name(4)], Some(4)),
        (3, vec![name(2)], Some(2)),
        (4, vec![name(1)], None),
        (5, vec![other(4), other(3)], None),
        (6, vec![other(4), name(2)], Some(2)),
    ] {
        let news = News { token_keys: held, ..News::default() };
        assert_eq!(push_to(&board, NOW_MS, report(NOW_MS + second), &news, &key), Ok(()));
        assert_eq!(minting(), expected);
    }
    assert!(board.minting_key(8, &keys).is_none(), "there is no such realm");
}

#[test]
fn a_kick_waits_once_and_pushes_no_other_out() {
    let board = remote_board(&key(1));
    for account in 0..1024 {
        assert!(board.kick(NOW_MS, 7, account));
    }
    assert!(!board.kick(NOW_MS, 7, 5000), "there is no more room");
    assert!(board.kick(NOW_MS, 7, 0), "whoever waits already needs none");
    let waiting = board.kicks(7, 0);
    assert_eq!(
        waiting.iter().map(|kick| kick.account).collect::<Vec<_>>(),
        [(1..1024).collect(), vec![0]].concat()
    );
    assert!(waiting.is_sorted_by_key(|kick| kick.number));
    // Heard of but for the last, which was told of anew.
    assert_eq!(board.kicks(7, waiting[1022].number), waiting[1023..]);
    assert!(board.has_kick(7, 0) && !board.has_kick(7, 1) && board.kick(NOW_MS, 7, 5000));
}

/// Numbers run ahead of the clock when many are kicked at once, and clocks are set back.
#[test]
fn kicks_after_a_restart_are_news_to_a_realm_that_has_heard_of_later_numbers() {
    let board = remote_board(&key(1));
    assert!([1, 2, 3].into_iter().all(|account| board.kick(NOW_MS, 7, account)));
    let heard = NOW_MS + 1;
    // Two of the three would pass for known.
    let accounts = |heard| board.kicks(7, heard).into_iter().map(|kick| kick.account).collect::<Vec<_>>();
    let fresh = remote_board(&key(1));
    assert!(fresh.kick(NOW_MS - 500, 7, 1) && fresh.kick(NOW_MS + 5, 7, 2));
    let told = fresh.kicks(7, NOW_MS + 500);
    assert!(told.len() == 2 && told.iter().all(|kick| kick.number > NOW_MS + 500), "{told:?}");
    assert!(fresh.kick(NOW_MS, 7, 3));
    assert_eq!(fresh.kicks(7, told[1].number).len(), 1, "in the new order");
    assert_eq!((accounts(heard), accounts(u64::MAX)), (vec![3], vec![3]), "a number that was never given");
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let key = key(1);
    let board = remote_board(&key);
    for (name, address) in [
        ("", "host:1"),
        ("a\u{1b}[2J", "host:1"),
        (&"n".repeat(65), "host:1"),
        ("ok", "host"),
        ("ok", "host:0"),
        ("ok", ":77"),
        ("ok", "ho st:1"),
        ("ok", "host:70000"),
        ("ok", &format!("{}:1", "h".repeat(259))),
    ] {
        let bad = RealmReport { name: name.to_owned(), address: address.to_owned(), ..report(NOW_MS) };
        let pushed = push_to(&board, NOW_MS, bad, &news(), &key);
        assert_eq!(pushed, Err(StatusFault::Unpresentable), "{name:?} {address:?}");
    }
}

#[test]
fn a_wildcard_address_becomes_the_one_that_was_reached() {
    let local = |address: &str, public_address: Option<&str>| {
        let realm = LocalRealm {
            id: 1,
            name: "here".to_owned(),
            address: address.parse().expect("an address"),
            public_address: public_address.map(str::to_owned),
            status: Arc::new(RealmStatus::new(10)),
            key: Arc::new(key(1)),
        };
        let board = Board::new([Realm::Local(realm)]).expect("one realm");
        let listing = board.listing(1, here(), NOW_MS).expect("always known");
        assert!(listing.is_online && listing.signed.is_genuine());
        listing.signed.report.address
    };
    assert_eq!(local("0.0.0.0:7777", None), "192.0.2.5:7777");
    assert_eq!(local("[::]:7777", None), "192.0.2.5:7777");
    assert_eq!(local("10.0.0.1:7777", None), "10.0.0.1:7777");
    assert_eq!(local("0.0.0.0:7777", Some("play.example.org:7777")), "play.example.org:7777");
}

#[test]
fn realms_have_numbers_of_their_own() {
    let realm = || Realm::Remote(RemoteRealm::new(7, [0; 32]));
    assert_eq!(Board::new([realm(), realm()]).map(drop), Err(BoardError::SameId(7)));
}
