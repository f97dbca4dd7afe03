//! Sessions over real sockets: what the protocol seals in a send slot of either backend, it opens in a receive slot of
//! either.

mod sockets;
mod world;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sockets::open;
use throng_net::io::{BackendChoice, SocketConfig};
use throng_net::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES};
use throng_net::protocol::{Admission, ClientEvent, ClientState, Received, ServerConfig};
use throng_net::{Address, Peer};
use world::{client, config, server_with};

#[test]
fn sealed_over_mmsg() {
    sealed_over(BackendChoice::Mmsg);
}

#[test]
fn sealed_over_uring() {
    sealed_over(BackendChoice::Uring);
}

fn sealed_over(choice: BackendChoice) {
    const ROUNDS: u32 = 500;
    let Some(mut bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { return };
    // A client that asks at one address of a host and plays at others hears from each what it sends to each.
    let port = bound.report.local_addr.port();
    let asked = SocketAddr::from(([127, 0, 0, 5], port));
    let played = |round: u32| SocketAddr::from(([127, 0, 0, 6 + (round / 100 % 2) as u8], port));
    let mut sender = bound.senders.make().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Loopback delivers before a send returns, so the server's answers are there once it has flushed them.
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();

    // As fast as it goes, which is more than any honest client sends.
    let config = ServerConfig { input_rate_hz: 1_000_000, input_burst: 1_000_000, ..config() };
    let (mut server, mut client) = (server_with(config), client(0, b"over a wire"));
    let started = Instant::now();
    let (mut joined, mut ups, mut downs) = (None, 0, 0);
    while downs < ROUNDS {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}: {ups} up, {downs} down", client.state());
        let now_us = started.elapsed().as_micros() as u64;
        let mut out = [0; DATAGRAM_BYTES_MAX];
        while let Some(bytes) = client.poll(now_us, &mut out) {
            let to = if client.state() == ClientState::Connected { played(downs) } else { asked };
            socket.send_to(&out[..bytes], to).unwrap();
        }
        if client.state() == ClientState::Connected {
            let payload = downs.to_le_bytes().repeat(1 + downs as usize % 200);
            out[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(&payload);
            let bytes = client.finish(now_us, 1, &mut out, payload.len()).unwrap();
            socket.send_to(&out[..bytes], played(downs)).unwrap();
        }
        // The server's turn: whatever comes, and an echo of each input in place.
        let mut answers = 0;
        bound
            .receiver
            .drain(100, &mut |from: Peer, datagram| {
                let mut answer = |bytes: &[u8]| {
                    sender.send(bytes, &Address::from(from));
                    answers += 1;
                };
                match server.handle(now_us, from, datagram) {
                    Received::Reply(reply) => answer(&reply),
                    Received::Asking(asking) => match server.admit(now_us, asking) {
                        Admission::Opened { reply, .. } => answer(&reply),
                        other => panic!("{other:?}"),
                    },
                    Received::Connected { session, first, .. } => {
                        assert!(first.is_none());
                        joined = Some(session);
                    }
                    Received::Data { session, kind: 1, payload } => {
                        ups += 1;
                        let bytes = payload.len();
                        sender.slot()[HEADER_BYTES..HEADER_BYTES + bytes].copy_from_slice(payload);
                        let halves = server.transmit_halves();
                        let half = halves.get(session.get()).unwrap();
                        let bytes = half.finish(now_us, 2, sender.slot(), bytes).unwrap();
                        sender.commit(bytes, half.address());
                        answers += 1;
                    }
                    Received::Handled => {}
                    other => panic!("{other:?}"),
                }
            })
            .unwrap();
        sender.flush();
        for _ in 0..answers {
            let mut back = [0; 2048];
            let (bytes, from) = socket.recv_from(&mut back).unwrap();
            match client.handle(now_us, &mut back[..bytes]) {
                ClientEvent::Data { kind: 2, payload } => {
                    assert_eq!(payload, downs.to_le_bytes().repeat(1 + downs as usize % 200));
                    assert_eq!(from, played(downs));
                    downs += 1;
                }
                ClientEvent::Challenged | ClientEvent::Connected => assert_eq!(from, asked),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((ups, server.session_count()), (ROUNDS, 1));
    let session = joined.unwrap();
    assert!(server.session(session).unwrap().rtt_us.is_some());

    // Moved, and by yet another of the host's addresses: the challenge comes from there, and all else when it is answered.
    let there = SocketAddr::from(([127, 0, 0, 8], port));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(there).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let now_us = started.elapsed().as_micros() as u64;
    let (mut out, mut back) = ([0; DATAGRAM_BYTES_MAX], [0; 2048]);
    let bytes = client.finish(now_us, 1, &mut out, 0).unwrap();
    socket.send(&out[..bytes]).unwrap();
    let mut take = |from: Peer, datagram: &mut [u8]| match server.handle(now_us, from, datagram) {
        Received::Strayed { challenge, .. } => sender.send(&challenge, &Address::from(from)),
        other => panic!("{other:?}"),
    };
    assert_eq!(bound.receiver.drain(100, &mut take).unwrap(), 1);
    sender.flush();
    let bytes = socket.recv(&mut back).unwrap();
    assert!(matches!(client.handle(now_us, &mut back[..bytes]), ClientEvent::Handled));
    let bytes = client.poll(now_us, &mut out).expect("the response");
    socket.send(&out[..bytes]).unwrap();
    let mut take = |from: Peer, datagram: &mut [u8]| match server.handle(now_us, from, datagram) {
        Received::Moved { .. } => {
            let halves = server.transmit_halves();
            let half = halves.get(session.get()).unwrap();
            let bytes = half.finish(now_us, 2, sender.slot(), 0).unwrap();
            sender.commit(bytes, half.address());
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(bound.receiver.drain(100, &mut take).unwrap(), 1);
    sender.flush();
    let bytes = socket.recv(&mut back).unwrap();
    assert!(matches!(client.handle(now_us, &mut back[..bytes]), ClientEvent::Data { kind: 2, payload: [] }));
}
