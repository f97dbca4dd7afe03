//! The same swarm on the real thing: one socket, many addresses, a server thread on loopback.

mod gate;
#[path = "../../client/tests/reference/mod.rs"]
mod reference;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gate::Gate;
use reference::Server as World;
use throng_net::io::{BackendChoice, SocketConfig};
use throng_net::limits::{HEADER_BYTES, PAYLOAD_BYTES_MAX};
use throng_net::protocol::{Admission, Received, Server};
use throng_net::{Address, Peer};
use throng_schema::{KIND_SNAPSHOT, check_input, read_input};
use throng_tools::bots::{BotsConfig, run};

/// Serves a little world of its own to each client until `stop` is set; returns how many peers there were.
fn serve(mut bound: throng_net::io::Bound, mut net: Server, stop: &AtomicBool) -> usize {
    let mut sender = bound.senders.make().expect("a sender");
    let mut peers: BTreeMap<_, (Peer, World, u32)> = BTreeMap::new();
    let mut addresses = std::collections::BTreeSet::new();
    let start = Instant::now();
    let mut tick = 0;
    while !stop.load(Ordering::Relaxed) {
        let now_us = start.elapsed().as_micros() as u64;
        let mut answers = Vec::new();
        bound
            .receiver
            .drain(4096, &mut |from, datagram| match net.handle(now_us, from, datagram) {
                Received::Reply(reply) => answers.push((from, reply)),
                Received::Asking(asking) => match net.admit(now_us, asking) {
                    Admission::Opened { reply, .. } | Admission::Refused { reply } => {
                        answers.push((from, reply));
                    }
                    Admission::Dropped(_) => {}
                },
                Received::Connected { session, .. } => {
                    addresses.insert(from.address);
                    let mut world = World::new(addresses.len() as u64, 15);
                    (world.tick, world.calm) = (tick, true);
                    peers.insert(session, (from, world, 0));
                }
                Received::Data { session, payload, .. } => {
                    let input = read_input(payload).ok().and_then(|input| check_input(&input).ok());
                    if let (Some(input), Some(peer)) = (input, peers.get_mut(&session)) {
                        peer.2 = input.ack_tick;
                    }
                }
                Received::Disconnected { session, .. } => drop(peers.remove(&session)),
                Received::Strayed { .. } | Received::Moved { .. } => panic!("bots stay where they are"),
                Received::Handled | Received::Dropped(_) => {}
            })
            .expect("a healthy socket");
        for (to, reply) in answers {
            sender.send(&reply, &Address::from(to));
        }
        if now_us / 50_000 > u64::from(tick) {
            tick += 1;
            for (session, (address, world, acked)) in &mut peers {
                world.step();
                let baseline = if world.sent.contains_key(acked) && tick - *acked <= 32 { *acked } else { 0 };
                let (mut parts, _) = world.snapshot(baseline, true);
                if baseline == 0 {
                    parts.far.clear();
                }
                let payload = parts.bytes();
                if payload.len() <= PAYLOAD_BYTES_MAX
                    && let Some(transmit) = net.transmit_halves().get(session.get())
                {
                    let slot = sender.slot();
                    slot[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(&payload);
                    let bytes = transmit.finish(now_us, KIND_SNAPSHOT, slot, payload.len());
                    sender.commit(bytes.expect("sequences left"), &Address::from(*address));
                }
            }
        }
        sender.flush();
        std::thread::sleep(Duration::from_micros(500));
    }
    addresses.len()
}

#[test]
fn thirty_addresses_from_one_socket() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let config = SocketConfig { backend: BackendChoice::Mmsg, ..SocketConfig::new(listen) };
    let bound = throng_net::io::bind(&config).expect("a free port");
    let server = SocketAddr::from(([127, 0, 0, 1], bound.report.local_addr.port()));
    let stop = AtomicBool::new(false);
    let mut gate = Gate::open_to(30);
    let net = gate.gateway.server(gate.gateway.config());
    let (report, peers) = std::thread::scope(|scope| {
        let serving = scope.spawn(|| serve(bound, net, &stop));
        let config = BotsConfig { settle_seconds: 0, ..BotsConfig::new(server, 30, 1) };
        let report = run(&config, &mut gate, |_| (), &AtomicBool::new(false));
        stop.store(true, Ordering::Relaxed);
        (report, serving.join().expect("the server thread"))
    });
    let report = report.expect("a run");
    // How fast it went is this machine's affair today; that nothing was wrong is not.
    assert_eq!((report.clients, report.connected, peers), (30, 30, 30));
    assert_eq!((report.view_mismatches, report.decode_errors, report.snapshots_unusable), (0, 0, 0));
    assert!(report.digests_checked > 0);
    assert!(report.inputs_sent > 30);
    assert!(report.bots_cpu_us_per_client_tick > 0.0);
}
