//! One socket that is many clients.

mod sockets;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use sockets::{drain_until, open, pattern};
use throng_net::Address;
use throng_net::io::impersonate::Impersonator;
use throng_net::io::{BackendChoice, BindError, SocketConfig};

/// Client `i` of up to two million: 127.16.0.0 and on.
fn local(i: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 16, 0, 0)) + i)
}

#[test]
fn each_of_five_thousand_clients_gets_its_own_answer() {
    for choice in [BackendChoice::Mmsg, BackendChoice::Uring] {
        const CLIENTS: u32 = 5000;
        let Some(mut bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { continue };
        let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, bound.report.local_addr.port());
        let mut clients = Impersonator::bind(0, 64 << 20, 64 << 20).unwrap();
        let port = clients.port();
        let mut sender = bound.senders.make().unwrap();
        for round in 0..3 {
            let mut seen = HashMap::new();
            // In slices: the buffers may be as small as the system's default.
            for slice in 0..CLIENTS / 50 {
                let members = slice * 50..(slice + 1) * 50;
                for i in members.clone() {
                    clients.push(local(i), server, &pattern(round * CLIENTS + i));
                }
                clients.flush();
                let mut received = 0;
                drain_until(bound.receiver.as_mut(), |from, datagram| {
                    let i = u32::from_le_bytes(datagram[..4].try_into().unwrap()) - round * CLIENTS;
                    assert_eq!(
                        from.address,
                        SocketAddr::from((local(i), port)),
                        "each client has its own address"
                    );
                    assert_eq!(datagram, pattern(round * CLIENTS + i));
                    sender.send(datagram, &Address::from(from));
                    received += 1;
                    received == members.len()
                });
                sender.flush();
                let deadline = Instant::now() + Duration::from_secs(60);
                let mut answers = 0;
                while answers < members.len() {
                    clients
                        .drain(1000, |to, from, datagram, _| {
                            let i = u32::from_le_bytes(datagram[..4].try_into().unwrap()) - round * CLIENTS;
                            assert_eq!((to, from.port()), (local(i), server.port()));
                            assert_eq!(datagram, pattern(round * CLIENTS + i));
                            *seen.entry(i).or_insert(0) += 1;
                            answers += 1;
                        })
                        .unwrap();
                    assert!(Instant::now() < deadline, "answers are missing: {:?}", clients.receive_stats());
                }
            }
            assert_eq!(seen.len(), CLIENTS as usize);
            assert!(seen.values().all(|times| *times == 1));
        }
        let (sent, received) = (clients.send_stats(), clients.receive_stats());
        assert_eq!((sent.datagrams, sent.lost()), (u64::from(3 * CLIENTS), 0));
        assert_eq!(
            (received.datagrams, received.kernel_drops, received.errors),
            (u64::from(3 * CLIENTS), 0, 0)
        );
    }
}

#[test]
fn an_address_that_is_not_ours_is_counted_and_the_others_are_sent() {
    let mut clients = Impersonator::bind(0, 1 << 20, 1 << 20).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(to) = peer.local_addr().unwrap() else { panic!() };
    for i in 0..100u32 {
        let from = if i % 2 == 0 { local(i) } else { Ipv4Addr::new(203, 0, 113, 9) };
        clients.push(from, to, &i.to_le_bytes());
    }
    clients.flush();
    let stats = clients.send_stats();
    assert_eq!((stats.datagrams, stats.lost()), (50, 50));
    for i in (0..100u32).step_by(2) {
        let mut back = [0; 10];
        let (_, from) = peer.recv_from(&mut back).unwrap();
        assert_eq!((from.ip(), &back[..4]), (local(i).into(), i.to_le_bytes().as_slice()));
    }
}

#[test]
fn a_train_arrives_as_single_datagrams_from_one_address() {
    let mut clients = Impersonator::bind(0, 1 << 20, 1 << 20).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(to) = peer.local_addr().unwrap() else { panic!() };
    let train: Vec<u8> = (0..40u8).flat_map(|i| [i; 1200]).collect();
    clients.send_train(local(3), to, &train, 1200);
    // The last one may be shorter.
    clients.send_train(local(4), to, &train[..1200 + 7], 1200);
    // And what nobody may send from is lost as ever.
    clients.send_train(Ipv4Addr::new(203, 0, 113, 9), to, &train[..2400], 1200);
    clients.flush();
    let sizes = (0..40).map(|i| (3, i, 1200)).chain([(4, 0, 1200), (4, 1, 7)]);
    for (from, value, bytes) in sizes {
        let mut back = [0; 2000];
        let (received, sender) = peer.recv_from(&mut back).unwrap();
        assert_eq!((sender.ip(), sender.port(), received), (local(from).into(), clients.port(), bytes));
        assert!(back[..bytes].iter().all(|byte| *byte == value));
    }
    let stats = clients.send_stats();
    assert_eq!((stats.datagrams, stats.bytes, stats.lost()), (42, 41 * 1200 + 7, 2));
}

#[test]
fn what_its_own_buffer_loses_is_counted() {
    let mut clients = Impersonator::bind(0, 1, 1 << 20).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..300 {
        peer.send_to(&[0; 1000], (local(7), clients.port())).unwrap();
    }
    let mut received = 0;
    while clients.drain(1000, |_, _, _, _| received += 1).unwrap() > 0 {}
    let stats = clients.receive_stats();
    assert!(received < 20);
    assert_eq!(stats.kernel_drops + received, 300, "{stats:?}");
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    let holder = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let error = Impersonator::bind(port, 1 << 20, 1 << 20).err().unwrap();
    assert!(matches!(error, BindError::PortInUse(address) if address.port() == port));
}
