//! No (key, nonce) pair seals two datagrams: not over rekeys, not over restarts, not in the other direction.
//!
//! Keys do not come out of the library, so pairs are told apart by what they do: AES-GCM hides a block of zeros as the
//! bare key stream, the same 64 bits for the same pair and the same ones for two pairs by accident once in 2^64.

use super::keys::{Entropy, PrivateKey, Sealer, SecretBytes, SessionKeys, Transcript, generation_of};
use crate::limits::{GENERATION_BITS, HEADER_BYTES, TOKEN_BYTES};

/// Everything that was ever sealed with, as the first bits of the key stream.
#[derive(Default)]
struct Recorder {
    streams: Vec<u64>,
}

impl Recorder {
    fn sealed(&mut self, sealer: &Sealer, sequence: u32) {
        let mut zeros = [0; 8];
        sealer.seal(&[0; HEADER_BYTES], sequence, &mut zeros).expect("the key is there");
        self.streams.push(u64::from_le_bytes(zeros));
    }

    fn repeats(mut self) -> usize {
        let sealed = self.streams.len();
        self.streams.sort_unstable();
        self.streams.dedup();
        sealed - self.streams.len()
    }
}

/// The same client with the same token and salt, as if the server forgot everything: only its entropy is new.
fn session(entropy: &mut Entropy) -> [Sealer; 2] {
    let client = PrivateKey::new(SecretBytes::new([1; 32]));
    let server = entropy.private_key();
    let transcript = Transcript { token: &[2; TOKEN_BYTES], salt: 3, server_public: &server.public() };
    let keys =
        SessionKeys::derive(&server, &client.public(), &SecretBytes::new([4; 32]), transcript).unwrap();
    [Sealer::new(keys.client_secret()), Sealer::new(keys.server_secret())]
}

/// A session that seals `packets` in each direction and spreads them over `rekeys` and one generations.
fn long_session(recorder: &mut Recorder, sealers: &mut [Sealer; 2], packets: u32, rekeys: u32) {
    let step = ((rekeys + 1) << GENERATION_BITS).div_ceil(packets);
    let mut sequence = 0;
    for _ in 0..packets {
        sequence += step;
        for sealer in sealers.iter_mut() {
            sealer.keep_up(sequence);
            recorder.sealed(sealer, sequence);
        }
    }
    assert!(generation_of(sequence) >= rekeys, "{} rekeys", generation_of(sequence));
}

/// Half of the packets over rekeys in one session, half over restarts.
fn repeats(packets: u32, rekeys: u32, restarts: u32, seed_of: impl Fn(u32) -> [u8; 32]) -> usize {
    let mut recorder = Recorder::default();
    let mut sealers = session(&mut Entropy::new(&seed_of(0).into()));
    long_session(&mut recorder, &mut sealers, packets / 4, rekeys);
    for restart in 1..=restarts {
        let mut sealers = session(&mut Entropy::new(&seed_of(restart).into()));
        long_session(&mut recorder, &mut sealers, packets / 4 / restarts, 1);
    }
    let sealed = recorder.streams.len();
    assert!(sealed as u32 >= packets - 4 * restarts, "{sealed} sealed");
    recorder.repeats()
}

fn new_seed(restart: u32) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&restart.to_le_bytes());
    seed
}

/// A second and a half.
#[test]
fn no_pair_seals_twice() {
    assert_eq!(repeats(10_000_000, 1_000, 1_000, new_seed), 0);
}

#[test]
fn the_recorder_sees_a_repeated_sequence() {
    let sealer = Sealer::new(&SecretBytes::new([1; 32]));
    let mut recorder = Recorder::default();
    for sequence in [1, 2, 3, 2] {
        recorder.sealed(&sealer, sequence);
    }
    assert_eq!(recorder.repeats(), 1);
}

#[test]
fn the_recorder_sees_a_restart_with_the_old_entropy() {
    let repeated = repeats(4_000, 1, 10, |restart| new_seed(restart.min(9)));
    assert_eq!(repeated, 200, "both directions of one restart in ten");
}
