//! What a flood costs a server: datagrams that come to nothing, by how far they get. 500 ns each are two million a
//! second on one core.
//!
//! Hellos that are answered come from a new address each, as in a flood with invented ones.

use std::net::{Ipv4Addr, SocketAddr};

use criterion::Criterion;
use throng_benches::{Race, criterion, stay_on_this_thread};
use throng_net::limits::DATAGRAM_BYTES_MAX;
use throng_net::protocol::{Admission, Client, Received, Server};
use throng_net::testing::Gateway;

/// Datagrams in a lap.
const FLOOD: usize = 4096;
/// Microseconds between two laps: a token's hellos are counted by the second.
const LAP_US: u64 = 100_000;
/// Laps after which tokens are made anew: before they are too old.
const LAPS_PER_TOKEN: u64 = 200;

type Datagram = [u8; DATAGRAM_BYTES_MAX];

/// A server under a flood of one kind.
struct Flood {
    gateway: Gateway,
    server: Server,
    datagrams: Vec<Datagram>,
    laps: u64,
    sent: u32,
}

impl Flood {
    fn new() -> Self {
        let gateway = Gateway::default();
        let server = gateway.server(gateway.config());
        Self { gateway, server, datagrams: Vec::new(), laps: 0, sent: 0 }
    }

    fn now_us(&self) -> u64 {
        self.laps * LAP_US
    }

    /// Hellos with a token each, changed by `spoil`; off the clock, when the last ones are too old.
    fn refresh(&mut self, spoil: Spoil) {
        self.laps += 1;
        if self.laps % LAPS_PER_TOKEN != 1 {
            return;
        }
        let now_us = self.now_us();
        let Self { gateway, datagrams, .. } = self;
        datagrams.clear();
        datagrams.extend((0..FLOOD).map(|_| {
            let mut out = [0; DATAGRAM_BYTES_MAX];
            let hello = gateway.client(now_us, *b"flood").poll(now_us, &mut out);
            assert_eq!(hello, Some(DATAGRAM_BYTES_MAX));
            spoil(&mut out);
            out
        }));
    }

    /// Sends all of them and returns how many were answered.
    fn run(&mut self) -> usize {
        let now_us = self.now_us();
        let mut answered = 0;
        for datagram in &mut self.datagrams {
            self.sent = self.sent.wrapping_add(0x9e37_79b1);
            let from = SocketAddr::from((Ipv4Addr::from(self.sent), 4000));
            answered += usize::from(matches!(self.server.handle(now_us, from, datagram), Received::Reply(_)));
        }
        answered
    }
}

/// What is done to a good hello.
type Spoil = fn(&mut Datagram);

/// Floods of hellos: what is spoiled, and whether it is answered.
const HELLOS: [(&str, Spoil, bool); 4] = [
    ("another version", |hello| hello[1] = 1, false),
    ("invented token", |hello| hello[70] ^= 1, false),
    ("no cookie", |_| {}, true),
    ("wrong cookie", |hello| hello[16] = 1, true),
];

fn hellos(criterion: &mut Criterion) {
    let mut race = Race::new("flood of hellos", FLOOD as u64);
    for (name, spoil, is_answered) in HELLOS {
        let mut flood = Flood::new();
        race.lap(name, move |watch| {
            flood.refresh(spoil);
            let answered = watch.time(|| flood.run());
            // The buckets of strangers are few: now and then two share one.
            let expected = if is_answered { FLOOD * 9 / 10..=FLOOD } else { 0..=0 };
            assert!(expected.contains(&answered), "{answered} answers to {name}");
        });
    }
    let mut flood = Flood::new();
    race.lap("one token, over and over", move |watch| {
        flood.refresh(|_| {});
        let first = flood.datagrams[0];
        flood.datagrams.fill(first);
        let answered = watch.time(|| flood.run());
        assert!(answered <= 10, "{answered} answers");
    });
    race.run(criterion);
}

/// What is done to a good sealed datagram, the how-manieth it is at hand.
type Forge = fn(usize, &mut [u8]);

/// A live session, and what is forged into it.
struct Victim {
    server: Server,
    client: Client,
    from: SocketAddr,
    forged: Vec<Vec<u8>>,
}

impl Victim {
    fn new(bytes: usize, forge: Forge) -> Self {
        let mut gateway = Gateway::default();
        let mut server = gateway.server(gateway.config());
        let from = SocketAddr::from(([127, 0, 0, 1], 4000));
        let (mut client, _) = gateway.connect(&mut server, 0, from);
        let forged = (0..FLOOD).map(|i| {
            let mut datagram = vec![0x5a; bytes + 32];
            client.finish(0, 1, &mut datagram, bytes);
            forge(i, &mut datagram);
            datagram
        });
        let forged = forged.collect();
        Self { server, client, from, forged }
    }

    fn run(&mut self) {
        for datagram in &mut self.forged {
            assert!(matches!(self.server.handle(0, self.from, datagram), Received::Dropped(_)));
        }
    }
}

fn sealed(criterion: &mut Criterion) {
    let mut race = Race::new("flood into a session", FLOOD as u64);
    let kinds: [(&str, usize, Forge); 4] = [
        ("unknown connection", 40, |i, datagram| {
            datagram[4..8].copy_from_slice(&(i as u32 + 5).to_le_bytes())
        }),
        ("too far ahead", 40, |_, datagram| datagram[11] = 0x80),
        ("forged, 40 B", 40, |_, datagram| datagram[16] ^= 1),
        ("forged, 1,168 B", 1168, |_, datagram| datagram[16] ^= 1),
    ];
    for (name, bytes, forge) in kinds {
        let mut victim = Victim::new(bytes, forge);
        race.whole_lap(name, move || {
            victim.run();
            victim.client.sent()
        });
    }
    race.run(criterion);
}

/// Clients in a lap of handshakes: fewer than may be unconfirmed at a time.
const ACCEPTED: usize = 512;

/// What is let in costs: opening the token, agreeing on keys, expanding them, a place. Good tokens are what a flood of these
/// needs, and they are rationed.
fn accepts(criterion: &mut Criterion) {
    let mut race = Race::new("handshakes", ACCEPTED as u64);
    race.lap("accept", move |watch| {
        let mut gateway = Gateway::default();
        let mut server = gateway.server(gateway.config());
        let mut hellos = Vec::new();
        for number in 0..ACCEPTED {
            let from = SocketAddr::from((Ipv4Addr::from(0x0a00_0000 | number as u32), 4000));
            let mut client = gateway.client(0, *b"flood");
            let mut hello = [0; DATAGRAM_BYTES_MAX];
            client.poll(0, &mut hello).expect("a hello");
            let Received::Reply(answer) = server.handle(0, from, &mut hello) else { panic!("no challenge") };
            client.handle(0, &mut answer.to_vec());
            client.poll(0, &mut hello).expect("a hello with a cookie");
            hellos.push((from, hello));
        }
        let accepted = watch.time(|| {
            let accept = |(from, hello): &mut (SocketAddr, Datagram)| {
                let Received::Asking(asking) = server.handle(0, *from, hello) else { return false };
                matches!(server.admit(0, asking), Admission::Opened { .. })
            };
            hellos.iter_mut().map(accept).filter(|accepted| *accepted).count()
        });
        assert_eq!(accepted, ACCEPTED);
    });
    race.run(criterion);
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    hellos(&mut criterion);
    accepts(&mut criterion);
    sealed(&mut criterion);
    criterion.final_summary();
}
