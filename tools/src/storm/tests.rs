use super::target::{attacker_address, player_address};
use super::wire::{Broken, Reply};
use super::*;
use crate::rng::Rng;

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----\n\
    MIIBfTCCASOgAwIBAgIUBQ==\n-----END CERTIFICATE-----\n";

#[test]
fn only_this_machine_can_be_attacked() {
    for url in
        ["https://192.0.2.1:7780", "https://0.0.0.0:7780", "https://example.org:7780", "https://10.0.0.1:1/"]
    {
        assert!(matches!(Target::new(url, CERTIFICATE), Err(StormError::NotLoopback(_))), "{url}");
    }
    for url in [
        "http://127.0.0.1:7780",
        "127.0.0.1:7780",
        "https://127.0.0.1",
        "https://127.0.0.1:0",
        "https://127.0.0.1:1/v1",
    ] {
        assert!(matches!(Target::new(url, CERTIFICATE), Err(StormError::Url(_))), "{url}");
    }
    for pem in [&b""[..], b"hello", CERTIFICATE] {
        let error = Target::new("https://127.0.0.1:7780", pem);
        assert!(matches!(error, Err(StormError::Certificate(_))));
    }
}

#[test]
fn session_files_are_read_as_they_are_written() {
    let token = "A".repeat(43);
    let read = Session::read(&format!("{token}\n\n{token} 12345\n")).expect("two");
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].character.as_deref(), Some("12345"));
    for (bad, line) in [("A", 1), (&*format!("{token}\n{token} x"), 2), (&*format!("{token} 1 2"), 1)] {
        let error = Session::read(bad).map(drop).expect_err("no session");
        assert!(matches!(error, StormError::Session(at) if at == line), "{error}");
        assert!(!error.to_string().contains("AAAA"), "{error}");
    }
}

#[test]
fn players_and_attackers_share_no_prefix() {
    let mut rng = Rng::new(3);
    for number in 0..1000 {
        let (player, attacker) = (player_address(number << 12), attacker_address(&mut rng));
        assert!(player.is_loopback() && attacker.is_loopback());
        assert!(player.octets()[1] < 128 && attacker.octets()[1] >= 128, "{player} {attacker}");
    }
}

#[test]
fn answers_are_read_whole_or_not_at_all() {
    let text = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\nabc";
    for bytes in 0..text.len() {
        assert!(matches!(Reply::parse(&text.as_bytes()[..bytes]), Ok(None)), "{bytes}");
    }
    let reply = Reply::parse(text.as_bytes()).ok().flatten().expect("an answer");
    assert_eq!((reply.status, reply.retry_after_s, &*reply.body), (503, Some(7), &b"abc"[..]));
    let empty = Reply::parse(b"HTTP/1.1 204 No Content\r\n\r\n").ok().flatten().expect("an answer");
    assert_eq!((empty.status, empty.body.len()), (204, 0));
    for bad in
        ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab"]
    {
        assert!(matches!(Reply::parse(bad.as_bytes()), Err(Broken::Malformed)), "{bad}");
    }
}

#[test]
fn impossible_storms_are_refused() {
    assert!(matches!(Session::read("").map(|sessions| sessions.len()), Ok(0)));
    assert!(Watch::new(u32::MAX).is_err(), "there is no such process");
}
