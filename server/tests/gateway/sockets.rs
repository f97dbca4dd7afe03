//! Sockets that are slow, silent, garbled, too many, or cut off in the middle. Deadlines are milliseconds here; what is
//! waited for is always the end of a connection, never a time.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use throng_server::gateway::phase::Timeouts;

use crate::support::{Plan, World, until};

const LONG: Duration = Duration::from_secs(100);
const SHORT: Duration = Duration::from_millis(60);

fn timeouts(change: impl FnOnce(&mut Timeouts)) -> Timeouts {
    let mut timeouts = Timeouts { handshake: LONG, head: LONG, request: LONG, idle: LONG, shutdown: LONG };
    change(&mut timeouts);
    timeouts
}

fn plain(timeouts: Timeouts) -> Plan {
    let mut plan = Plan { is_plain: true, ..Plan::default() };
    plan.listen.timeouts = timeouts;
    plan
}

/// What comes until the other side ends the connection, in whatever way.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset instead of an end is fine: the server does not wait for what we had to say.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer whose body has a stated length.
fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "{}", String::from_utf8_lossy(&text));
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8(body).expect("text")
}

const HEALTHZ: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[test]
fn a_slow_head_is_cut_off() {
    let world = World::planned(plain(timeouts(|timeouts| timeouts.head = SHORT)));
    let mut stream = world.raw();
    stream.write_all(b"GET /healthz HT").expect("sends");
    assert_eq!(rest(stream), "");
    assert_eq!(world.counter("timeout_head"), 1);
}

#[test]
fn a_slow_body_is_cut_off() {
    let world = World::planned(plain(timeouts(|timeouts| timeouts.request = SHORT)));
    let mut stream = world.raw();
    let head = "POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("sends");
    assert_eq!(rest(stream), "");
    assert_eq!(world.counter("timeout_request"), 1);
    assert_eq!(world.gateway().passwords.argon2_calls(), 0);
}

#[test]
fn a_silent_connection_is_cut_off_and_so_is_one_between_requests() {
    let world = World::planned(plain(timeouts(|timeouts| timeouts.idle = SHORT)));
    assert_eq!(rest(world.raw()), "");
    assert_eq!(world.counter("timeout_idle"), 1);
    // On a busy machine we may ourselves be too slow to be served at all.
    let is_served = (0..50).any(|_| {
        let mut stream = world.raw();
        let _ = stream.write_all(HEALTHZ);
        rest(stream).contains("\"ok\"")
    });
    assert!(is_served && world.counter("timeout_idle") >= 2);
}

#[test]
fn who_does_not_read_is_cut_off() {
    let world = World::planned(plain(timeouts(|timeouts| timeouts.request = SHORT)));
    let mut stream = world.raw();
    // The answers are far more than the kernel holds for a reader that does not come.
    let requests = b"GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let _ = stream.write_all(&requests);
    until("the end", || world.counter("timeout_request") + world.counter("timeout_answer") == 1);
    assert!(world.counter("requests") < 1000);
    rest(stream);
}

#[test]
fn a_handshake_has_its_time_and_its_form() {
    let mut plan = Plan::default();
    plan.listen.timeouts = timeouts(|timeouts| timeouts.handshake = SHORT);
    let world = World::planned(plan);
    assert_eq!(rest(world.raw()), "");
    until("the count", || world.counter("timeout_handshake") == 1);

    let world = World::new();
    let garbage: [&[u8]; 4] = [HEALTHZ, &[0; 64], &[0xff; 2000], b"\x16\x03\x01\xff\xff"];
    for garbage in garbage {
        let mut stream = world.raw();
        stream.write_all(garbage).expect("sends");
        stream.shutdown(std::net::Shutdown::Write).expect("no more to say");
        assert!(!rest(stream).contains("HTTP"));
    }
    until("the counts", || world.counter("tls_failed") == 4);
    assert_eq!(world.counter("requests"), 0);
}

#[test]
fn what_is_no_http_is_told_so_and_cut_off() {
    let world = World::planned(plain(timeouts(|_| {})));
    let long_line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(40_000));
    let long_head = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(500));
    let bad = [
        "garbage\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        &long_line,
        &long_head,
        &many,
    ];
    for bad in bad {
        let mut stream = world.raw();
        let _ = stream.write_all(bad.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let told = rest(stream);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }
    until("the counts", || world.counter("http_malformed") >= bad.len() as u64 - 1);
    assert_eq!(world.counter("requests"), 0);
}

#[test]
fn a_body_of_unknown_length_is_bounded_too() {
    let world = World::planned(plain(timeouts(|_| {})));
    let mut stream = world.raw();
    let head = "POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sends");
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let body = format!("{}0\r\n\r\n", chunk.repeat(5));
    stream.write_all(body.as_bytes()).expect("sends");
    assert!(answer(&mut stream).contains("body_too_large"));
    // One without an end is not read to its end.
    stream.write_all(head.as_bytes()).expect("sends");
    while stream.write_all(chunk.as_bytes()).is_ok() {}
    rest(stream);
    // Two ways to say how long a body is are the stuff of smuggling.
    let mut stream = world.raw();
    let both = "POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    stream.write_all(both.as_bytes()).expect("sends");
    stream.shutdown(std::net::Shutdown::Write).expect("no more to say");
    let told = rest(stream);
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let world = World::planned(plain(timeouts(|_| {})));
    let mut stream = world.raw();
    let mut requests = HEALTHZ.to_vec();
    requests.extend_from_slice(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n");
    requests.extend_from_slice(HEALTHZ);
    stream.write_all(&requests).expect("sends");
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    assert!(answer(&mut stream).contains("route_unknown"));
    assert!(answer(&mut stream).contains("\"ok\""));
}

#[test]
fn one_address_has_so_many_sockets_and_gets_them_back() {
    let mut plan = plain(timeouts(|_| {}));
    plan.listen.census.per_address_max = 3;
    let world = World::planned(plan);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(HEALTHZ).expect("sends");
        assert!(answer(stream).starts_with("HTTP/1.1 200"));
    };
    let mut held: Vec<TcpStream> = (0..3).map(|_| world.raw()).collect();
    held.iter_mut().for_each(ask);
    for _ in 0..5 {
        assert_eq!(rest(world.raw()), "");
    }
    assert_eq!(world.counter("sockets_refused_address"), 5);
    held.iter_mut().for_each(ask);
    held.pop();
    until("a free place", || {
        let mut stream = world.raw();
        let _ = stream.write_all(HEALTHZ);
        rest_of_one(&mut stream)
    });
}

/// Whether an answer begins to come.
fn rest_of_one(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0]).is_ok_and(|bytes| bytes == 1)
}

#[test]
fn all_sockets_together_are_bounded_as_well() {
    let mut plan = plain(timeouts(|_| {}));
    (plan.listen.census.sockets_max, plan.listen.census.per_address_max) = (2, 2);
    plan.listen.census.exempt = vec!["127.0.0.0/8".parse().expect("a network")];
    let world = World::planned(plan);
    let mut held: Vec<TcpStream> = (0..2).map(|_| world.raw()).collect();
    for stream in &mut held {
        stream.write_all(HEALTHZ).expect("sends");
        answer(stream);
    }
    assert_eq!(rest(world.raw()), "");
    assert_eq!(world.counter("sockets_refused_total"), 1);
}

#[test]
fn plain_http_stays_on_this_machine() {
    use throng_server::gateway::listen::{ListenSettings, Listener};
    for public in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let settings = ListenSettings::at(public.parse().expect("an address"));
        let error = Listener::bind(settings, None).map(drop).expect_err("must be refused").to_string();
        assert!(error.contains("TLS") && error.contains("gateway.listen"), "{error}");
    }
}

#[test]
fn a_taken_port_is_told() {
    use throng_server::gateway::listen::{ListenSettings, Listener};
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _context = runtime.enter();
    let error = Listener::bind(ListenSettings::at(address), None).map(drop).expect_err("taken").to_string();
    assert!(error.contains(&address.to_string()) && error.contains("gateway.listen"), "{error}");
}

#[test]
fn stopping_lets_requests_in_progress_end() {
    let world = World::planned(plain(timeouts(|_| {})));
    let mut idle = world.raw();
    idle.write_all(HEALTHZ).expect("sends");
    answer(&mut idle);
    let mut busy = world.raw();
    let body = "{\"refresh_token\":\"x\"}";
    let head = format!(
        "POST /v1/refresh HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    busy.write_all(head.as_bytes()).expect("sends");
    // The handler waits for the body once this has come.
    let mut interim = [0; 25];
    busy.read_exact(&mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    let address = world.address();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(world));
        assert_eq!(rest(idle), "", "an idle connection ends at once");
        busy.write_all(body.as_bytes()).expect("sends");
        let told = rest(busy);
        assert!(told.contains("session_invalid"), "{told}");
    });
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}
