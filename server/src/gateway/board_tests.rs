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
    let key = key(1);
    let board = remote_board(&key);
    assert_eq!(board.listings(here(), NOW_MS).count(), 0, "nothing is known yet");
    let first = report(NOW_MS).sign(&key);
    let push = |signed: &SignedReport, now_ms| board.push(now_ms, signed.report.clone(), signed.signature);

    assert_eq!(push(&first, NOW_MS), Ok(()));
    assert_eq!(push(&first, NOW_MS + 1), Err(StatusFault::Stale), "replayed");
    assert_eq!(push(&report(NOW_MS + 5).sign(&self::key(2)), NOW_MS), Err(StatusFault::Unsigned));
    let stranger = RealmReport { realm_id: 8, ..report(NOW_MS + 5) }.sign(&key);
    assert_eq!(push(&stranger, NOW_MS), Err(StatusFault::Unsigned));
    assert_eq!(push(&report(NOW_MS - 1).sign(&key), NOW_MS), Err(StatusFault::Stale));
    assert_eq!(push(&report(NOW_MS + 10_001).sign(&key), NOW_MS), Err(StatusFault::Stale));
    assert_eq!(push(&report(NOW_MS + 10_000).sign(&key), NOW_MS), Ok(()));

    let listing = board.listing(7, here(), NOW_MS + 20_000).expect("heard of");
    assert!(listing.is_online && listing.signed.is_genuine());
    assert!(!board.listing(7, here(), NOW_MS + 20_001).expect("heard of").is_online);
}

#[test]
fn a_realm_is_heard_again_once_a_wrong_clock_is_set_right() {
    let key = key(1);
    let board = remote_board(&key);
    let push = |as_of_ms, now_ms| {
        let signed = report(as_of_ms).sign(&key);
        board.push(now_ms, signed.report, signed.signature)
    };
    let wrong_ms = NOW_MS + 3_600_000;
    assert_eq!(push(wrong_ms, wrong_ms), Ok(()));
    assert!(!board.listing(7, here(), NOW_MS).expect("heard of").is_online, "its word is not of now");
    assert_eq!(push(NOW_MS, NOW_MS), Ok(()));
    assert_eq!(push(NOW_MS, NOW_MS), Err(StatusFault::Stale));
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
        let bad =
            RealmReport { name: name.to_owned(), address: address.to_owned(), ..report(NOW_MS) }.sign(&key);
        assert_eq!(
            board.push(NOW_MS, bad.report, bad.signature),
            Err(StatusFault::Unpresentable),
            "{name:?} {address:?}"
        );
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
