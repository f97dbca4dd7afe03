//! What sealing adds to a send: a payload is copied into its slot, headed, sealed in place and sent, for 10,000 sessions
//! with a key each; against the same copy and the same bare `sendmmsg` without a seal.
//!
//! A key is 600 bytes that were last looked at a tick ago; as in the server it is asked for a few datagrams ahead.

use std::hint::black_box;

use criterion::Criterion;
use throng_benches::raw::udp::{Parcel, RawSender, Sink};
use throng_benches::{Race, criterion, field};
use throng_net::limits::{HEADER_BYTES, PAYLOAD_BYTES_MAX, SEAL_BYTES};
use throng_net::protocol::ServerConfig;
use throng_net::testing::Gateway;

fn sealing(criterion: &mut Criterion) {
    let clients = field::unless_smoke(field::CLIENTS) as usize;
    let sink = Sink::open().expect("a socket can be had");
    let addresses = sink.addresses(clients).expect("it has a port");
    let mut gateway = Gateway::default();
    let mut server = gateway.server(ServerConfig { sessions_max: clients as u32, ..gateway.config() });
    for (number, address) in addresses.iter().enumerate() {
        // At a pace that no limit minds.
        gateway.connect(&mut server, 1_000 * number as u64, (*address).into());
    }
    let halves = server.transmit_halves();
    assert_eq!(halves.iter().count(), clients);
    let payloads = vec![0x5a_u8; clients * PAYLOAD_BYTES_MAX];

    for payload_bytes in [200, 600, 1_200 - HEADER_BYTES - SEAL_BYTES] {
        let payload = |number: usize| &payloads[number * PAYLOAD_BYTES_MAX..][..payload_bytes];
        let parcels = |more: usize| -> Vec<Parcel> {
            addresses.iter().map(|to| Parcel::new(*to, HEADER_BYTES + payload_bytes + more)).collect()
        };
        let (plain, sealed) = (parcels(0), parcels(SEAL_BYTES));
        let copied = |number: usize, slot: &mut [u8]| {
            slot[HEADER_BYTES..HEADER_BYTES + payload_bytes].copy_from_slice(payload(number));
        };
        let sealed_in = |number: usize, slot: &mut [u8]| {
            halves.prefetch(number + 4);
            copied(number, slot);
            let half = halves.get(number).expect("a session lives there");
            black_box(half.finish(0, 2, slot, payload_bytes));
        };
        let mut raw = RawSender::open().expect("a socket can be had");
        let mut raw_sealed = RawSender::open().expect("a socket can be had");
        let mut slots = vec![[0; 2048]; 256];
        let mut sealed_slots = vec![[0; 2048]; 256];

        let mut race = Race::new(format!("sealing {payload_bytes} B"), clients as u64);
        race.whole_lap("copy, send", move || {
            let sent = raw.send_filled(&plain, copied);
            assert_eq!(sent, clients);
        });
        race.whole_lap("copy, seal, send", move || {
            let sent = raw_sealed.send_filled(&sealed, sealed_in);
            assert_eq!(sent, clients);
        });
        race.whole_lap("copy", move || {
            (0..clients).for_each(|number| copied(number, &mut slots[number % 256]));
            black_box(&mut slots);
        });
        race.whole_lap("copy, seal", move || {
            (0..clients).for_each(|number| sealed_in(number, &mut sealed_slots[number % 256]));
            black_box(&mut sealed_slots);
        });
        match payload_bytes {
            600 => race.goal("copy, seal, send", "copy, send", 1.15),
            _ => race.compare("copy, seal, send", "copy, send"),
        };
        race.run(criterion);
    }
}

fn main() {
    let mut criterion = criterion();
    sealing(&mut criterion);
    criterion.final_summary();
}
