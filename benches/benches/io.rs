//! Sending to 10,000 addresses and receiving from 10,000, against bare `sendmmsg` and `recvmmsg` loops with the same
//! socket options, to and from the same loopback.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use criterion::Criterion;
use throng_benches::raw::udp::{Parcel, RawReceiver, RawSender, Sink, local};
use throng_benches::realm::Realm;
use throng_benches::{Race, criterion, field, stay_on_this_thread};
use throng_net::io::impersonate::Impersonator;
use throng_net::io::{BackendChoice, Bound, Receive, SocketConfig};
use throng_net::{Address, Peer};

const CLIENTS: usize = field::CLIENTS as usize;
/// A snapshot of fifty neighbours with its header. The size hardly matters.
const SEND_BYTES: usize = 400;
/// An input with its header.
const RECEIVE_BYTES: usize = 60;
/// Inputs that lie waiting when the socket is drained: a few milliseconds of 10,000 clients.
const WAITING: usize = 2_000;

fn bind(listen: Ipv4Addr, backend: BackendChoice) -> Bound {
    let config = SocketConfig { backend, ..SocketConfig::new(SocketAddr::from((listen, 0))) };
    throng_net::io::bind(&config).expect("a socket can be had")
}

/// io_uring may be forbidden here; then its bench is left out, and says so.
fn backends() -> Vec<BackendChoice> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let config = SocketConfig { backend: BackendChoice::Uring, ..SocketConfig::new(any) };
    match throng_net::io::bind(&config) {
        Ok(_) => vec![BackendChoice::Mmsg, BackendChoice::Uring],
        Err(error) => {
            println!("skipped: benches of io_uring: {error}");
            vec![BackendChoice::Mmsg]
        }
    }
}

/// The addresses of clients that have reached the server by one of its addresses and are answered from there.
fn answers_to(clients: &[SocketAddrV4], receiver: &mut dyn Receive, port: u16) -> Vec<Address> {
    let asking = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket can be had");
    asking.send_to(b"?", (Ipv4Addr::LOCALHOST, port)).expect("loopback takes it");
    let mut asked = None;
    receiver.drain(1, &mut |from, _| asked = Some(from.local)).expect("it can be read");
    let local = asked.expect("loopback delivers before a send returns");
    clients.iter().map(|to| Address::from(Peer { address: SocketAddr::V4(*to), local })).collect()
}

fn send(criterion: &mut Criterion) {
    let sink = Sink::open().expect("a socket can be had");
    let addresses = sink.addresses(CLIENTS).expect("it has a port");
    let parcels: Vec<Parcel> = addresses.iter().map(|to| Parcel::new(*to, SEND_BYTES)).collect();
    let mut raw = RawSender::open().expect("a socket can be had");
    let plain = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket can be had");
    assert_eq!(raw.send(&parcels), CLIENTS);

    let mut race = Race::new("send", CLIENTS as u64);
    race.whole_lap("raw sendmmsg", || raw.send(&parcels));
    race.whole_lap("std send_to", || {
        addresses.iter().filter(|to| plain.send_to(&[0x5a; SEND_BYTES], to).is_ok()).count()
    });
    for backend in backends() {
        let mut bound = bind(Ipv4Addr::UNSPECIFIED, backend);
        let mut lap = |name: &str, to: Vec<Address>| {
            let mut sender = bound.senders.make().expect("a sender can be had");
            race.whole_lap(name, move || {
                for to in &to {
                    sender.slot()[SEND_BYTES - 1] = 1;
                    sender.commit(SEND_BYTES, to);
                }
                sender.flush();
                sender.stats().datagrams
            });
        };
        let (name, answers) = (format!("throng {backend}"), format!("throng {backend}, answers"));
        lap(&name, addresses.iter().map(|to| Address::from(SocketAddr::V4(*to))).collect());
        lap(&answers, answers_to(&addresses, bound.receiver.as_mut(), bound.report.local_addr.port()));
        race.goal(&name, "raw sendmmsg", 1.05).compare(&name, "std send_to").compare(&answers, &name);
    }
    race.run(criterion);
}

/// Sends a datagram from each of `WAITING` addresses.
struct Feeder(Impersonator);

impl Feeder {
    fn new() -> Self {
        Self(Impersonator::bind(0, 1, 32 << 20).expect("a socket can be had"))
    }

    fn feed(&mut self, port: u16) {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        for number in 0..WAITING {
            self.0.push(local(number), to, &[0x5a; RECEIVE_BYTES]);
        }
        self.0.flush();
    }
}

fn receive(criterion: &mut Criterion) {
    let mut raw = RawReceiver::open().expect("a socket can be had");
    let raw_port = raw.port().expect("it has a port");
    let mut feeder = Feeder::new();

    let mut race = Race::new("receive", WAITING as u64);
    race.lap("raw recvmmsg", move |watch| {
        feeder.feed(raw_port);
        let mut sum = 0;
        let taken = watch.time(|| {
            raw.drain(|(address, port), datagram| {
                sum += address as usize + usize::from(port) + datagram.len()
            })
        });
        assert_eq!((taken, sum > 0), (WAITING, true));
    });
    // Both backends receive alike.
    for (name, listen) in [("throng", Ipv4Addr::LOCALHOST), ("throng on a wildcard", Ipv4Addr::UNSPECIFIED)] {
        let Bound { mut receiver, report, .. } = bind(listen, BackendChoice::Mmsg);
        let mut feeder = Feeder::new();
        race.lap(name, move |watch| {
            feeder.feed(report.local_addr.port());
            let mut sum = 0;
            let mut each =
                |from: Peer, datagram: &mut [u8]| sum += usize::from(from.address.port()) + datagram.len();
            let taken = watch.time(|| receiver.drain(usize::MAX, &mut each));
            assert_eq!((taken.ok(), sum > 0), (Some(WAITING), true));
        });
        race.goal(name, "raw recvmmsg", 1.15);
    }
    // And all that becomes of an input until the game has it.
    let mut realm = Realm::new(Ipv4Addr::LOCALHOST, WAITING, BackendChoice::Mmsg);
    race.lap("throng, inputs checked", move |watch| {
        realm.feed();
        let taken = watch.time(|| realm.receive());
        assert_eq!(taken, WAITING);
    });
    race.goal("throng, inputs checked", "raw recvmmsg", 1.6);
    race.run(criterion);
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    send(&mut criterion);
    receive(&mut criterion);
    criterion.final_summary();
}
