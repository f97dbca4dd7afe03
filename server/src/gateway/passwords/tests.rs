use super::*;

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn passwords() -> Passwords {
    let limits = PoolLimits { permits: 1, queue_max: 64, deadline: Duration::from_secs(600) };
    Passwords::start(limits).expect("threads")
}

/// A hash with parameters of its own, as another server might have stored it.
fn foreign(memory_kib: u32, passes: u32, password: &str) -> PasswordHash {
    use argon2::PasswordHasher as _;
    let params = Params::new(memory_kib, passes, 1, None).expect("within Argon2's limits");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password.as_bytes(), b"sixteen bytes ok").expect("hashed");
    PasswordHash::new(hash.to_string()).expect("a hash")
}

#[tokio::test]
async fn the_right_password_is_right_and_no_other() {
    let passwords = passwords();
    let stored = passwords.hash(secret("correct horse")).await.expect("hashed");
    assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "OWASP's parameters");
    assert_eq!(passwords.verify(Some(stored.clone()), secret("correct horse")).await, Ok(true));
    assert_eq!(passwords.verify(Some(stored.clone()), secret("correct horsE")).await, Ok(false));
    assert_eq!(passwords.verify(Some(stored), secret("correct horse ")).await, Ok(false));
    assert_eq!(passwords.argon2_calls(), 4);
    let again = passwords.hash(secret("correct horse")).await.expect("hashed");
    assert_ne!(again.expose(), passwords.hash(secret("correct horse")).await.expect("hashed").expose());
}

#[tokio::test]
async fn an_account_that_is_not_there_costs_the_same_and_never_opens() {
    let passwords = passwords();
    for _ in 0..2 {
        assert_eq!(passwords.verify(None, secret("correct horse")).await, Ok(false));
    }
    assert_eq!(passwords.argon2_calls(), 2);
}

#[tokio::test]
async fn impossible_lengths_are_refused_before_any_work() {
    let passwords = passwords();
    let stored = foreign(64, 1, "short");
    for wrong in ["", "short", &"x".repeat(129)] {
        assert_eq!(passwords.verify(Some(stored.clone()), secret(wrong)).await, Ok(false));
        assert_eq!(passwords.verify(None, secret(wrong)).await, Ok(false));
    }
    assert_eq!(passwords.argon2_calls(), 0);
    assert_eq!(check_length("1234567"), Err(PasswordLength { found: 7 }));
    assert!(check_length("12345678").is_ok() && check_length(&"ä".repeat(128)).is_ok());
    let error = check_length(&"ä".repeat(129)).expect_err("too long").to_string();
    assert!(error.contains("129") && error.contains("8 to 128"), "{error}");
}

#[tokio::test]
async fn stored_hashes_are_computed_with_their_own_parameters() {
    let passwords = passwords();
    let weak = foreign(64, 1, "an old password");
    assert!(Passwords::is_outdated(&weak));
    assert_eq!(passwords.verify(Some(weak), secret("an old password")).await, Ok(true));
    let strong = foreign(32 * 1024, 2, "a dear password");
    assert!(!Passwords::is_outdated(&strong));
    assert_eq!(passwords.verify(Some(strong), secret("a dear password")).await, Ok(true));
    let todays = passwords.hash(secret("a new password")).await.expect("hashed");
    assert!(!Passwords::is_outdated(&todays));
    assert_eq!(passwords.unusable_hashes(), 0);
}

#[tokio::test]
async fn stored_hashes_that_ask_for_too_much_are_refused_at_the_usual_cost() {
    let passwords = passwords();
    let password = "a password";
    let right = foreign(64, 1, password);
    let stored = |text: String| PasswordHash::new(text).expect("looks like one");
    let text = |from: &str, to: &str| stored(right.expose().replace(from, to));
    let refused = [
        text("m=64", "m=65537"),
        text("m=64", "m=4294967295"),
        text("t=1", "t=5"),
        text("p=1", "p=16777215"),
        text("m=64", "m=1"),
        text("v=19", "v=16"),
        text("v=19$", ""),
        stored("$argon2id$v=19$m=64,t=1,p=1".to_owned()),
        stored("$argon2id$".to_owned()),
        stored(format!("$argon2id{}", "$".repeat(100))),
    ];
    let count = refused.len() as u64;
    for stored in refused {
        assert!(Passwords::is_outdated(&stored));
        assert_eq!(passwords.verify(Some(stored), secret(password)).await, Ok(false));
    }
    assert_eq!((passwords.argon2_calls(), passwords.unusable_hashes()), (count, count));
}

#[tokio::test]
async fn one_thread_keeps_one_block_of_memory() {
    let mut scratch = Scratch::default();
    let counters = Counters::default();
    let password = secret("a password");
    let first = scratch.hash(&todays(), &password, &counters).expect("hashed");
    let (memory, place) = (scratch.0.capacity(), scratch.0.as_ptr());
    for stored in [first, foreign(64, 1, "a password")] {
        assert_eq!(scratch.verify(&stored, &password, &counters), Ok(true));
        assert_eq!((scratch.0.capacity(), scratch.0.as_ptr()), (memory, place));
    }
    assert_eq!(memory * Block::SIZE, 19 << 20);
}

#[test]
fn the_command_line_makes_the_same_hashes() {
    let stored = hash_here(&secret("a password")).expect("hashed");
    assert!(!Passwords::is_outdated(&stored));
    assert_eq!(Scratch::default().verify(&stored, &secret("a password"), &Counters::default()), Ok(true));
}
