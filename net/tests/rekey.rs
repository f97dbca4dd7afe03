//! Keys change at every 2^20th datagram of a direction, on both sides at once and without a word.

mod world;

use throng_net::limits::{GENERATION_BITS, HEADER_BYTES, SEAL_BYTES};
use throng_net::protocol::{ClientEvent, Received, ServerConfig};
use world::{MS, Random, address, config, connect, runs, seed, server_with};

/// Both directions run through a few generations on a network that loses a fifth and delivers a tenth late.
#[test]
fn keys_change_under_loss_and_reordering_without_losing_a_datagram_more() {
    const LATE: usize = 900;
    let mut random =
        Random::new(seed("keys_change_under_loss_and_reordering_without_losing_a_datagram_more"));
    let mut server =
        server_with(ServerConfig { input_rate_hz: 1_000_000, input_burst: 1_000_000, ..config() });
    let (mut client, session) = connect(&mut server, 1, 0);
    let per_generation = 1u64 << GENERATION_BITS;
    let rounds = runs(2 * per_generation + per_generation / 4);
    const BYTES: usize = HEADER_BYTES + 8 + SEAL_BYTES;
    // What is late comes after up to 900 others: within the window, so it must still open.
    let mut late: Vec<Vec<(usize, [u8; BYTES])>> = vec![Vec::new(); LATE];
    let (mut sent, mut received) = ([0u64; 2], [0u64; 2]);
    for round in 0..rounds {
        let now_us = round * MS;
        let mut up = [0; BYTES];
        up[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&round.to_le_bytes());
        client.finish(now_us, 1, &mut up, 8).unwrap();
        let mut down = [0; BYTES];
        down[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&round.to_le_bytes());
        server.transmit_halves().get(session.get()).unwrap().finish(now_us, 2, &mut down, 8).unwrap();
        let mut arrived = std::mem::take(&mut late[(round % LATE as u64) as usize]);
        for (direction, datagram) in [(0, up), (1, down)] {
            match random.below(100) {
                0..20 => {}
                20..30 => {
                    let due = round + 1 + u64::from(random.below(LATE as u32 - 1));
                    late[(due % LATE as u64) as usize].push((direction, datagram));
                }
                _ => arrived.push((direction, datagram)),
            }
        }
        for (direction, mut datagram) in arrived {
            sent[direction] += 1;
            let is_data = match direction {
                0 => {
                    matches!(server.handle(now_us, address(1), &mut datagram), Received::Data { kind: 1, .. })
                }
                _ => matches!(client.handle(now_us, &mut datagram), ClientEvent::Data { kind: 2, .. }),
            };
            received[direction] += u64::from(is_data);
        }
    }
    let info = server.session(session).unwrap();
    println!("{sent:?} arrived, {received:?} were opened; {} rekeys each", info.sent >> GENERATION_BITS);
    if rounds >= 2 * per_generation {
        assert!(info.sent >> GENERATION_BITS >= 2 && info.received >> GENERATION_BITS >= 2);
    }
    assert_eq!(sent, received, "whatever arrives opens");
    let counters = server.counters();
    assert_eq!((counters.rejected_forged, counters.rejected_too_far_ahead), (0, 0), "{counters:?}");
    assert_eq!(counters.data, received[0]);
}
