use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::bots::GatewayDoor;

fn character() -> Verdict {
    Verdict::Character { character: "7".to_owned(), name: "Ada".to_owned() }
}

fn play(ticket: Option<&str>) -> Step {
    Step::Play { character: "7".to_owned(), name: "Ada".to_owned(), ticket: ticket.map(str::to_owned) }
}

fn busy(retry_after_ms: u64) -> Verdict {
    Verdict::Busy { retry_after_ms, code: "busy".to_owned() }
}

fn queued(ticket: &str, retry_after_ms: u64) -> Verdict {
    Verdict::Queued { ticket: ticket.to_owned(), retry_after_ms }
}

#[test]
fn a_token_asks_for_its_character_once_and_then_to_play() {
    let mut plan = Plan::new(1, 20, 600_000, 500);
    assert_eq!(plan.next(0), Next::Do(0, Step::Characters));
    assert_eq!(plan.next(0), Next::Idle, "it is being asked");
    plan.answered(10, 0, character());
    assert_eq!(plan.next(10), Next::Do(0, play(None)));
    plan.answered(20, 0, queued("t1", 3000));
    assert_eq!(plan.next(20), Next::Wait(3000));
    assert_eq!(plan.next(3019), Next::Wait(1));
    assert_eq!(plan.next(3020), Next::Do(0, play(Some("t1"))));
    plan.answered(3030, 0, Verdict::Granted);
    assert!(plan.is_settled());
    assert_eq!((plan.next(9999), plan.counts()), (Next::Idle, (1, 1, 0)));
    // Another, with what is known.
    plan.ask_again(10_000, 0);
    plan.ask_again(10_000, 0);
    plan.ask_again(10_000, 55);
    assert!(!plan.is_settled());
    assert_eq!(plan.next(10_000), Next::Do(0, play(None)));
    assert_eq!(plan.next(10_000), Next::Idle, "asked for twice, asked once");
}

#[test]
fn a_token_is_given_up_after_so_many_refusals_in_a_row_or_so_long() {
    let mut plan = Plan::new(3, 3, 100_000, 500);
    for index in 0..3 {
        assert_eq!(plan.next(0), Next::Do(index, Step::Characters));
    }
    plan.answered(0, 0, Verdict::Refused("session_invalid".to_owned()));
    // Two that are none, one that is something: counted from the start again.
    let mut now_ms = 0;
    for (verdict, is_over) in [
        (Verdict::Lost("x".to_owned()), false),
        (busy(1000), false),
        (character(), false),
        (busy(1000), false),
        (Verdict::Lost("x".to_owned()), false),
        (busy(1000), true),
    ] {
        plan.answered(now_ms, 1, verdict);
        if !is_over {
            let Next::Wait(wait_ms) = plan.next(now_ms) else {
                // At once.
                now_ms += 1;
                continue;
            };
            now_ms += wait_ms;
            assert!(matches!(plan.next(now_ms), Next::Do(1, _)));
        }
    }
    assert_eq!(plan.counts(), (3, 0, 2));
    plan.answered(99_000, 2, character());
    assert_eq!(plan.next(99_000), Next::Do(2, play(None)));
    plan.answered(99_000, 2, queued("t", 1001));
    assert_eq!(plan.counts(), (3, 0, 3), "that would be too long");
    assert!(plan.is_settled());
}

#[test]
fn a_gateway_cannot_make_anybody_wait_for_ever() {
    let mut plan = Plan::new(1, 20, u64::MAX / 2, 500);
    assert!(matches!(plan.next(0), Next::Do(..)));
    plan.answered(0, 0, busy(u64::MAX));
    assert_eq!(plan.next(0), Next::Wait(120_000));
}

#[test]
fn settings_that_cannot_work_say_what_would() {
    let token = || vec![SessionToken::new(&"A".repeat(43)).expect("a token")];
    let start =
        |config: GrantsConfig| Grants::start(config).map(drop).expect_err("must be refused").to_string();
    let pem = || Some(b"x".to_vec());
    for wrong in ["127.0.0.1:7780", "ftp://a", "https://", "https://a/v1", "https://user@a", ""] {
        let error = start(GrantsConfig::new(wrong, pem(), token()));
        assert!(error.contains("https://127.0.0.1:7780"), "{wrong}: {error}");
    }
    for wrong in ["http://example.org", "http://192.0.2.1:80", "http://localhost.example.org"] {
        assert!(start(GrantsConfig::new(wrong, None, token())).contains("https://"), "{wrong}");
    }
    assert!(start(GrantsConfig::new("https://localhost:1", None, token())).contains("tls/cert.pem"));
    assert!(start(GrantsConfig::new("https://localhost:1", pem(), token())).contains("BEGIN CERTIFICATE"));
    assert!(start(GrantsConfig::new("http://[::1]:1", None, Vec::new())).contains("account create"));
    let crowd = GrantsConfig { threads: 33, ..GrantsConfig::new("http://127.0.0.1", None, token()) };
    assert!(start(crowd).contains("1 to 32"));
}

#[test]
fn tokens_are_read_by_line_and_never_repeated() {
    let path = std::env::temp_dir().join(format!("throng-tokens-{}", std::process::id()));
    let token = "Ab-_".repeat(10) + "xyz";
    std::fs::write(&path, format!("{token}\n\n  {token}\r\n")).expect("written");
    assert_eq!(read_tokens(&path).expect("readable").len(), 2);
    std::fs::write(&path, format!("{token}\n{token}secret\n")).expect("written");
    let error = read_tokens(&path).expect_err("too long").to_string();
    assert!(error.contains("line 2") && !error.contains("secret") && !error.contains("Ab-_"), "{error}");
    std::fs::remove_file(&path).expect("removed");
    assert!(read_tokens(&path).expect_err("gone").to_string().contains("throng-tokens"));
    assert!(!format!("{:?}", SessionToken::new(&token)).contains("Ab-_"));
}

/// A gateway of a few lines: each request is answered by `answer(path, authorization, body)` with status, headers and
/// body.
struct Fake {
    url: String,
    stop: Arc<std::sync::atomic::AtomicBool>,
    connections: Arc<std::sync::atomic::AtomicU32>,
}

type Answer = (u16, String, String);

impl Fake {
    fn start(answer: impl Fn(&str, &str, &str) -> Answer + Send + Sync + 'static) -> Self {
        use std::sync::atomic::Ordering::SeqCst;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let fake = Self { url, stop: Arc::default(), connections: Arc::default() };
        let (stop, connections, answer) = (fake.stop.clone(), fake.connections.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(SeqCst) {
                    return;
                }
                connections.fetch_add(1, SeqCst);
                let answer = answer.clone();
                thread::spawn(move || serve(&stream, &*answer));
            }
        });
        fake
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn serve(mut stream: &TcpStream, answer: &dyn Fn(&str, &str, &str) -> Answer) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) => lines.push(line.trim().to_owned()),
            }
        }
        let header = |name: &str| {
            lines[1..].iter().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let chunked = header("transfer-encoding").is_some();
        assert!(!chunked, "a gateway wants to know how long a body is");
        let length = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = lines[0].split(' ').nth(1).unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let (status, headers, body) = answer(path, &header("authorization").unwrap_or_default(), &body);
        if status == 0 {
            return;
        }
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn ok(body: String) -> Answer {
    (200, String::new(), body)
}

fn error(status: u16, code: &str, headers: &str) -> Answer {
    (status, headers.to_owned(), format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#))
}

fn admission() -> Answer {
    let (token, secret) = (URL_SAFE_NO_PAD.encode([3; TOKEN_BYTES]), URL_SAFE_NO_PAD.encode([4; 32]));
    ok(format!(r#"{{"token":"{token}","secret":"{secret}","address":"127.0.0.1:7777","expires_at_ms":5}}"#))
}

/// Tokens that tell themselves apart by their last characters.
fn tokens(count: u32) -> Vec<SessionToken> {
    (0..count).map(|number| SessionToken::new(&format!("{number:0>43}")).expect("a token")).collect()
}

/// The number in an `Authorization` header.
fn number(authorization: &str) -> u32 {
    authorization.strip_prefix("Bearer ").and_then(|token| token.parse().ok()).expect("a token")
}

#[test]
fn every_token_is_granted_with_a_key_of_its_own() {
    let fake = Fake::start(|path, authorization, body| match path {
        "/v1/realms" => ok(r#"{"realms":[{"id":3,"online":false},{"id":9,"online":true}]}"#.to_owned()),
        "/v1/characters" => {
            let number = number(authorization);
            ok(format!(r#"{{"characters":[{{"id":"{number}","name":"bot{number}","created_at_ms":1}}]}}"#))
        }
        "/v1/play" => {
            let body: BTreeMap<String, serde_json::Value> = serde_json::from_str(body).expect("JSON");
            assert_eq!(body["character_id"], number(authorization).to_string());
            assert_eq!(body["realm_id"], 9);
            assert_eq!(body["client_public"].as_str().map(str::len), Some(43));
            admission()
        }
        _ => error(404, "route_unknown", ""),
    });
    let grants = Grants::start(GrantsConfig::new(&*fake.url, None, tokens(200))).expect("started");
    let mut keys = std::collections::BTreeSet::new();
    let mut names = std::collections::BTreeSet::new();
    while let Some(grant) = grants.next_blocking() {
        assert_eq!(grant.name, format!("bot{}", grant.index));
        assert_eq!(
            (grant.token, grant.secret, &*grant.address),
            ([3; TOKEN_BYTES], [4; 32], "127.0.0.1:7777")
        );
        keys.insert(grant.private);
        names.insert(grant.name);
    }
    assert_eq!((keys.len(), names.len()), (200, 200));
    grants.ask_again(7);
    assert_eq!(grants.next_blocking().expect("another").index, 7);
    // All are counted once nothing is under way any more.
    assert!(grants.next_blocking().is_none());
    let report = grants.report();
    assert_eq!((report.tokens, report.granted, report.grants, report.requests), (200, 200, 201, 401));
    let connections = fake.connections.load(std::sync::atomic::Ordering::SeqCst);
    assert!(connections <= 4, "{connections} connections for four workers");
}

#[test]
fn what_the_gateway_says_is_done_and_counted() {
    let asked = Mutex::new(BTreeMap::<u32, u32>::new());
    let fake = Fake::start(move |path, authorization, body| {
        let who = number(authorization);
        if path == "/v1/characters" {
            return match who {
                1 => error(401, "session_invalid", ""),
                2 => ok(r#"{"characters":[]}"#.to_owned()),
                _ => ok(r#"{"characters":[{"id":"7","name":"Ada"}]}"#.to_owned()),
            };
        }
        let mut asked = asked.lock().expect("whole");
        let times = asked.entry(who).or_default();
        *times += 1;
        match (who, *times) {
            // A place in the queue, twice; then in, if the ticket is the last one.
            (3, 1) => (202, String::new(), r#"{"ticket":"t1","position":2,"retry_after_ms":1}"#.to_owned()),
            (3, 2) if body.contains(r#""ticket":"t1""#) => {
                (202, String::new(), r#"{"ticket":"t2","position":1,"retry_after_ms":1}"#.to_owned())
            }
            (3, 3) if body.contains(r#""ticket":"t2""#) => admission(),
            (4, 1) => error(503, "realm_draining", "retry-after: 0\r\n"),
            (4, 2) => error(429, "throttled", "retry-after: 0\r\n"),
            (4, 3) => admission(),
            (5, _) => error(503, "store_down", "retry-after: 0\r\n"),
            (6, _) => error(404, "Not <a> code \u{1b}[2J", ""),
            (7, _) => ok("not what was promised".to_owned()),
            (8, _) => ok(r#"{"token":"AAAA","secret":"","address":"a","expires_at_ms":1}"#.to_owned()),
            (0, _) => admission(),
            other => error(422, &format!("unexpected_{}", other.0), ""),
        }
    });
    let config = GrantsConfig {
        realm_id: Some(1),
        threads: 1,
        attempts_max: 4,
        lost_pause: Duration::from_millis(1),
        ..GrantsConfig::new(&*fake.url, None, tokens(9))
    };
    let grants = Grants::start(config).expect("started");
    let mut granted = Vec::new();
    while let Some(grant) = grants.next_blocking() {
        granted.push(grant.index);
    }
    granted.sort_unstable();
    assert_eq!(granted, [0, 3, 4]);
    let report = grants.report();
    assert_eq!((report.granted, report.given_up, report.queued), (3, 6, 2));
    let counts =
        |of: &BTreeMap<String, u64>| of.iter().map(|(code, n)| format!("{code} {n}")).collect::<Vec<_>>();
    assert_eq!(counts(&report.busy), ["realm_draining 1", "store_down 4", "throttled 1"]);
    assert_eq!(counts(&report.refused), ["no_character 1", "session_invalid 1", "status_404 1"]);
    assert_eq!(counts(&report.lost), ["no_token_in_it 4", "unreadable 4"]);
}

#[test]
fn nobody_listening_is_given_up_and_said() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let config = || GrantsConfig::new(format!("http://{unused}"), None, tokens(3));
    let grants = Grants::start(config()).expect("started");
    assert!(grants.next_blocking().is_none());
    let report = grants.report();
    // Asked once each, not for as long as a gateway may take to start anew.
    assert_eq!((report.given_up, report.requests), (3, 3), "{report:?}");
    let told = GatewayDoor::open(config()).map(drop).expect_err("nobody there").to_string();
    assert!(told.contains(&unused.to_string()) && told.contains("throng serve"), "{told}");
}

#[test]
fn dropping_it_ends_workers_that_wait_to_hand_over() {
    let fake = Fake::start(|path, _, _| match path {
        "/v1/characters" => ok(r#"{"characters":[{"id":"7","name":"Ada"}]}"#.to_owned()),
        _ => admission(),
    });
    let config = GrantsConfig { realm_id: Some(1), ..GrantsConfig::new(&*fake.url, None, tokens(500)) };
    let grants = Grants::start(config).expect("started");
    assert!(grants.next_blocking().is_some());
    // More are wanted than the channel holds, and nobody takes them.
    drop(grants);
}
