use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ::ring::signature::KeyPair as _;
use throng_net::protocol::token::RealmKeys;

use super::*;

const NOW_MS: u64 = 1_700_000_000_000;

/// A data directory of its own, removed when the test ends.
struct TestDir(DataDir);

impl TestDir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("throng-keys-{}-{number}", std::process::id()));
        Self(DataDir::create(path).expect("the temporary folder can be written"))
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.path());
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn ids(keys: &RealmKeys) -> Vec<u16> {
    keys.iter().map(|key| key.key_id()).collect()
}

fn realm_ids(dir: &DataDir, realm_id: u32) -> Vec<u16> {
    ids(&read_realm_keys(&dir.realm_keys(realm_id), realm_id).expect("readable"))
}

#[test]
fn keys_are_made_once_and_only_their_owner_can_read_them() {
    let test = TestDir::new();
    let dir = &test.0;
    let roots = RootKeys::read_or_create(dir, &[1, 7], NOW_MS).expect("made");
    assert_eq!(RootKeys::read_or_create(dir, &[1, 7], NOW_MS + 5).expect("read"), roots);
    for path in [dir.root_keys(), dir.realm_keys(1), dir.realm_keys(7)] {
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&dir.keys()), 0o700);
    let own = read_realm_keys(&dir.realm_keys(7), 7).expect("readable");
    assert_eq!(own, roots.realm_keys(7, NOW_MS).expect("few"));
    let other = read_realm_keys(&dir.realm_keys(1), 1).expect("readable");
    assert_ne!(own.current().secret().expose(), other.current().secret().expose());
    let root_text = std::fs::read_to_string(dir.root_keys()).expect("text");
    let realm_text = std::fs::read_to_string(dir.realm_keys(7)).expect("text");
    let root_hex = root_text.trim_end().rsplit(' ').next().expect("a key");
    assert!(root_hex.len() == 64 && !realm_text.contains(root_hex), "a realm's file has no root key");
    assert_eq!(dir.realms().expect("listed"), [1, 7]);
}

#[test]
fn a_new_key_is_used_once_realms_have_seen_it_and_the_old_one_lives_on() {
    let test = TestDir::new();
    let dir = &test.0;
    RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made");
    let at_ms = NOW_MS + 3_600_000;
    let rotation = RootKeys::rotate(dir, &[], at_ms).expect("rotated");
    assert_eq!(rotation, Rotation { created: 2, removed: vec![], realms: vec![7] });
    assert_eq!(realm_ids(dir, 7), [2, 1]);
    let roots = RootKeys::read(dir).expect("readable");
    assert_eq!((roots.minting(at_ms), roots.minting(at_ms + SETTLE_MS - 1)), (1, 1));
    assert_eq!(roots.minting(at_ms + SETTLE_MS), 2);
    assert_eq!(ids(&roots.realm_keys(7, at_ms).expect("few")), [1, 2], "the one to make tokens with first");
    assert_eq!(ids(&roots.realm_keys(7, at_ms + SETTLE_MS).expect("few")), [2, 1]);
    // The one before the last goes with the next rotation, if that is two minutes later.
    let rotation = RootKeys::rotate(dir, &[], at_ms + 120_000).expect("rotated");
    assert_eq!((rotation.created, rotation.removed), (3, vec![1]));
    assert_eq!(realm_ids(dir, 7), [3, 2]);
}

#[test]
fn hasty_rotations_keep_every_key_that_a_token_may_need() {
    let test = TestDir::new();
    let dir = &test.0;
    RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made");
    for number in 1..=7 {
        let rotation = RootKeys::rotate(dir, &[], NOW_MS + number * 1000).expect("rotated");
        assert!(rotation.removed.is_empty());
    }
    assert_eq!(realm_ids(dir, 7), [8, 7, 6, 5, 4, 3, 2, 1]);
    let before = std::fs::read(dir.root_keys()).expect("readable");
    let error = RootKeys::rotate(dir, &[], NOW_MS + 8000).expect_err("too many");
    assert!(matches!(error, KeyError::TooMany { found: 8, wait_s: 113 }), "{error}");
    assert_eq!(std::fs::read(dir.root_keys()).expect("readable"), before, "nothing was changed");
    RootKeys::rotate(dir, &[], NOW_MS + 8000 + 113_000).expect("after the wait");
    RootKeys::rotate(dir, &[5, 4], NOW_MS + 8000 + 113_001).expect("or with some revoked");
}

#[test]
fn a_revoked_key_is_gone_at_once() {
    let test = TestDir::new();
    let dir = &test.0;
    RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made");
    let rotation = RootKeys::rotate(dir, &[1], NOW_MS + 10).expect("rotated");
    assert_eq!((rotation.created, rotation.removed), (2, vec![1]));
    assert_eq!(realm_ids(dir, 7), [2]);
    let roots = RootKeys::read(dir).expect("readable");
    assert_eq!(roots.minting(NOW_MS + 10), 2, "there is no other");
    let error = RootKeys::rotate(dir, &[9], NOW_MS + 20).expect_err("unknown").to_string();
    assert!(error.contains("no key 9") && error.contains("there are 2"), "{error}");
}

#[test]
fn files_that_others_can_read_are_refused_with_the_command_that_helps() {
    let test = TestDir::new();
    let dir = &test.0;
    RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made");
    for bad in [0o644, 0o640, 0o620, 0o601] {
        for path in [dir.root_keys(), dir.realm_keys(7)] {
            set_mode(&path, bad);
            let error = RootKeys::read_or_create(dir, &[7], NOW_MS).expect_err("refused").to_string();
            assert!(error.contains(&format!("{bad:04o}")) && error.contains("chmod 600"), "{error}");
            set_mode(&path, 0o600);
        }
    }
    set_mode(&dir.root_keys(), 0o400);
    RootKeys::read(dir).expect("read-only is fine");
}

#[test]
fn damaged_files_are_refused_by_line_and_without_their_keys() {
    let test = TestDir::new();
    let dir = &test.0;
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let put = |text: &str| {
        std::fs::write(dir.root_keys(), text).expect("written");
        set_mode(&dir.root_keys(), 0o600);
        RootKeys::read(dir)
    };
    let whole = format!("throng root keys 1\r\n\n# comment\n  key 9 5 {key}\n\tkey 8\t4  {key}");
    let roots = put(&whole).expect("spaces, comments and line ends are free");
    assert_eq!(roots.list().collect::<Vec<_>>(), [(9, 5), (8, 4)]);
    for (text, line) in [
        (String::new(), 1),
        (format!("throng root keys 2\nkey 1 5 {key}\n"), 1),
        (format!("\nthrong root keys 1\nkey 1 5 {key}\n"), 1),
        ("throng root keys 1\n".to_owned(), 2),
        (format!("throng root keys 1\nkey 65536 5 {key}\n"), 2),
        (format!("throng root keys 1\nkey 1 -5 {key}\n"), 2),
        (format!("throng root keys 1\nkey 1 {key}\n"), 2),
        (format!("throng root keys 1\n#\nkey 1 5 {}\n", &key[1..]), 3),
        (format!("throng root keys 1\nkey 1 5 {}g\n", &key[1..]), 2),
        (format!("throng root keys 1\nkey 1 5 {key} 7\n"), 2),
        (format!("throng root keys 1\nkez 1 5 {key}\n"), 2),
        (format!("throng root keys 1\nkey 1 5 {key}\nkey 1 4 {key}\n"), 3),
        ("throng root keys 1\nk\u{e4}y\n".to_owned(), 1),
        (format!("throng root keys 1\n{}", "#\n".repeat(40_000)), 1),
    ] {
        let error = put(&text).map(drop).expect_err(&text);
        assert!(
            matches!(error, KeyError::Malformed { line: found, .. } if found == line),
            "{text:?}: {error}"
        );
        assert!(!error.to_string().contains("112233"), "{error}");
    }
    let error = read_realm_keys(&dir.realm_keys(3), 3).expect_err("missing").to_string();
    assert!(error.contains("realm-3.keys") && error.contains("throng keys rotate"), "{error}");
}

#[test]
fn a_realm_takes_only_its_own_file() {
    let test = TestDir::new();
    let dir = &test.0;
    RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made");
    let error = read_realm_keys(&dir.realm_keys(7), 8).expect_err("another's").to_string();
    assert!(error.contains("line 3") && error.contains("realm.id"), "{error}");
    // A realm's file that fell behind is brought up to date at the next start.
    let old = std::fs::read(dir.realm_keys(7)).expect("readable");
    RootKeys::rotate(dir, &[], NOW_MS + 1).expect("rotated");
    std::fs::write(dir.realm_keys(7), old).expect("written");
    assert_eq!(realm_ids(dir, 7), [1]);
    RootKeys::read_or_create(dir, &[7], NOW_MS + 2).expect("mended");
    assert_eq!(realm_ids(dir, 7), [2, 1]);
}

#[test]
fn racing_rotations_all_count() {
    let test = TestDir::new();
    let dir = &test.0;
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made once");
                RootKeys::rotate(dir, &[], NOW_MS).expect("rotated");
            });
        }
    });
    assert_eq!(realm_ids(dir, 7), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(RootKeys::read(dir).expect("readable").list().count(), 7);
}

#[test]
fn signing_and_queue_keys_outlive_the_process() {
    let test = TestDir::new();
    let dir = &test.0;
    let public = |realm_id| dir.signing_key(realm_id).expect("a key").public_key().as_ref().to_vec();
    let first = public(1);
    assert_eq!(public(1), first);
    assert_ne!(public(2), first);
    let secret = dir.queue_secret().expect("a key");
    assert_eq!(&secret, &dir.queue_secret().expect("a key"));
    assert_eq!(mode(&dir.realm_signing(1)), 0o600);
    set_mode(&dir.realm_signing(1), 0o644);
    assert!(matches!(dir.signing_key(1), Err(KeyError::Mode { .. })));
}

#[test]
fn nothing_that_prints_keys_compiles_and_what_prints_has_none() {
    let test = TestDir::new();
    let roots = RootKeys::read_or_create(&test.0, &[], NOW_MS).expect("made");
    let text = std::fs::read_to_string(test.0.root_keys()).expect("text");
    let hex = text.trim_end().rsplit(' ').next().expect("a key");
    assert!(!format!("{roots:?}").to_lowercase().contains(&hex[..16]));
}

#[test]
fn a_replaced_file_is_noticed_once() {
    let test = TestDir::new();
    let dir = &test.0;
    let mut watch = FileWatch::new(dir.realm_keys(7));
    assert!(!watch.has_changed(), "not there yet");
    RootKeys::read_or_create(dir, &[7], NOW_MS).expect("made");
    assert!(watch.has_changed());
    assert!(!watch.has_changed());
    for number in 1..=3 {
        RootKeys::rotate(dir, &[], NOW_MS + number).expect("rotated");
        assert!(watch.has_changed(), "however soon after the last");
    }
    std::fs::remove_file(dir.realm_keys(7)).expect("removed");
    assert!(!watch.has_changed(), "gone is no change");
}

#[test]
fn a_gateway_follows_a_rotation_in_two_steps() {
    let test = TestDir::new();
    let mut ring = KeyRing::open(test.0.clone(), vec![1, 7], NOW_MS).expect("made");
    let first_ids = |keys: &[RealmKeys]| keys.iter().map(|keys| keys.current().key_id()).collect::<Vec<_>>();
    // The file was made after the watch began, so it is looked at once more.
    ring.look(NOW_MS).expect("readable");
    assert!(ring.look(NOW_MS + 60_000).expect("readable").is_none());
    let at_ms = NOW_MS + 60_000;
    RootKeys::rotate(&test.0, &[], at_ms).expect("rotated");
    let keys = ring.look(at_ms + 1000).expect("readable").expect("changed");
    assert_eq!((first_ids(&keys), keys[0].iter().count()), (vec![1, 1], 2));
    assert!(ring.look(at_ms + 2000).expect("readable").is_none());
    let keys = ring.look(at_ms + SETTLE_MS).expect("readable").expect("settled");
    assert_eq!(first_ids(&keys), [2, 2]);
    assert!(ring.look(at_ms + 5000).expect("readable").is_none());
    set_mode(&test.0.root_keys(), 0o644);
    std::fs::write(test.0.root_keys(), "no keys at all\n").expect("written");
    assert!(matches!(ring.look(at_ms + 6000), Err(KeyError::Mode { .. })));
    assert!(ring.look(at_ms + 7000).expect("told once").is_none());
    assert_eq!(first_ids(&ring.realm_keys(at_ms + 7000).expect("few")), [2, 2], "what there was stays");
}

#[test]
fn the_watcher_looks_until_it_is_dropped_whatever_becomes_of_a_look() {
    let (tell, told) = mpsc::channel();
    let mut looks = 0;
    let watcher = Watcher::start("looks", Duration::from_millis(1), move || {
        looks += 1;
        let _ = tell.send(std::thread::current().name().map(str::to_owned));
        assert!(looks != 2, "the second look goes wrong");
    })
    .expect("a thread");
    for _ in 0..5 {
        assert_eq!(told.recv().expect("it looks").as_deref(), Some("looks"));
    }
    drop(watcher);
    // The thread has ended, and its end of the channel with it.
    while told.recv().is_ok() {}
    let idle = Watcher::start("idle", Duration::from_secs(3600), || panic!("too early")).expect("a thread");
    drop(idle);
}
