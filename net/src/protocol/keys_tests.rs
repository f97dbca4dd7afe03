//! Keys against published vectors, against hostile bytes, and against ever being used twice.

use super::keys::{
    Entropy, NotOpened, Opener, PrivateKey, Sealer, SecretBytes, SessionKeys, Transcript, generation_of,
    hkdf, refused_tag, tags_equal,
};
use crate::limits::{
    GENERATION_BITS, HEADER_BYTES, PREPARE_PACKETS, SEAL_BYTES, SEQUENCE_AHEAD_MAX, TOKEN_BYTES,
    WINDOW_PACKETS,
};

const HEADER: [u8; HEADER_BYTES] = [5; HEADER_BYTES];
const GENERATION: u32 = 1 << GENERATION_BITS;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

fn secret(seed: u8) -> SecretBytes {
    SecretBytes::new([seed; 32])
}

fn seal(sealer: &Sealer, sequence: u32, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = body.to_vec();
    let tag = sealer.seal(&HEADER, sequence, &mut out)?;
    out.extend_from_slice(&tag);
    Some(out)
}

fn open(opener: &mut Opener, sequence: u32, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
    opener.open(&HEADER, sequence, &mut sealed.to_vec()).map(|body| body.to_vec())
}

#[test]
fn agreement_and_derivation_are_those_of_the_standards() {
    // RFC 7748 §6.1.
    let key = |hex| PrivateKey::new(bytes(hex).into());
    let alice = key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let bob = key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let alice_public = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    let bob_public = bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!((alice.public(), bob.public()), (alice_public, bob_public));
    assert_eq!(alice.agree(&bob_public).unwrap().expose(), &shared);
    assert_eq!(bob.agree(&alice_public).unwrap().expose(), &shared);
    // RFC 5869, test case 1: the first 32 bytes of 42.
    let salt: [u8; 13] = std::array::from_fn(|i| i as u8);
    let info: [u8; 10] = std::array::from_fn(|i| 0xf0 + i as u8);
    let expected = bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    assert_eq!(hkdf(&salt, &[0x0b; 22], &info), SecretBytes::new(expected));
}

#[test]
fn public_keys_of_small_order_give_no_session() {
    // All points of order 1, 2, 4 and 8 and of the twist, in every way to write them below 2^255, and with the top
    // bit set, which is ignored (RFC 7748 §5).
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for hex in small {
        for top_bit in [0, 0x80] {
            let mut public = bytes::<32>(hex);
            public[31] |= top_bit;
            for seed in [1, 77, 255] {
                assert!(PrivateKey::new(secret(seed)).agree(&public).is_none(), "{hex} {top_bit}");
            }
        }
    }
}

/// Both sides' keys from one handshake; `change` spoils something on the server's side.
fn both_sides(
    change: impl Fn(&mut [u8; TOKEN_BYTES], &mut u64, &mut [u8; 32], &mut [u8; 32]),
) -> [SessionKeys; 2] {
    let (client, server) = (PrivateKey::new(secret(1)), PrivateKey::new(secret(2)));
    let (mut token, mut salt, mut server_public, mut token_secret) =
        ([3; TOKEN_BYTES], 4, server.public(), [5; 32]);
    let transcript = Transcript { token: &token.clone(), salt, server_public: &server_public.clone() };
    let of_client =
        SessionKeys::derive(&client, &server_public, &SecretBytes::new(token_secret), transcript).unwrap();
    change(&mut token, &mut salt, &mut server_public, &mut token_secret);
    let transcript = Transcript { token: &token, salt, server_public: &server_public };
    let of_server = SessionKeys::derive(&server, &client.public(), &token_secret.into(), transcript).unwrap();
    [of_client, of_server]
}

#[test]
fn both_sides_find_the_same_keys_and_only_from_the_same_handshake() {
    let head = [9; 48];
    let [client, server] = both_sides(|_, _, _, _| ());
    assert_eq!(client.client_secret(), server.client_secret());
    assert_eq!(client.server_secret(), server.server_secret());
    assert_eq!(client.accept_tag(&head), server.accept_tag(&head));
    assert_ne!(client.client_secret(), client.server_secret());

    let differs = |[client, server]: [SessionKeys; 2]| {
        assert_ne!(client.client_secret(), server.client_secret());
        assert_ne!(client.server_secret(), server.server_secret());
        assert_ne!(client.accept_tag(&head), server.accept_tag(&head));
    };
    for bit in 0..TOKEN_BYTES * 8 {
        differs(both_sides(|token, _, _, _| token[bit / 8] ^= 1 << (bit % 8)));
    }
    for bit in 0..64 {
        differs(both_sides(|_, salt, _, _| *salt ^= 1 << bit));
    }
    for bit in 0..256 {
        differs(both_sides(|_, _, public, _| public[bit / 8] ^= 1 << (bit % 8)));
        differs(both_sides(|_, _, _, secret| secret[bit / 8] ^= 1 << (bit % 8)));
    }
    for bit in 0..48 * 8 {
        let mut other = head;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!tags_equal(&client.accept_tag(&head), &client.accept_tag(&other)), "bit {bit}");
    }
}

#[test]
fn a_refusal_is_proven_by_secret_salt_and_every_byte() {
    let head = [4; 16];
    let tag = refused_tag(&secret(1), 7, &head);
    assert!(tags_equal(&tag, &refused_tag(&secret(1), 7, &head)));
    assert!(!tags_equal(&tag, &refused_tag(&secret(2), 7, &head)));
    assert!(!tags_equal(&tag, &refused_tag(&secret(1), 8, &head)));
    for bit in 0..128 {
        let mut other = head;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!tags_equal(&tag, &refused_tag(&secret(1), 7, &other)), "bit {bit}");
    }
}

#[test]
fn what_is_sealed_opens_and_nothing_else_does() {
    let sealer = Sealer::new(&secret(1));
    for len in [0, 1, 15, 16, 17, 600, 1168] {
        let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let sealed = seal(&sealer, 7, &body).unwrap();
        assert_eq!(sealed.len(), len + SEAL_BYTES);
        let mut opener = Opener::new(&secret(1));
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&mut opener, 7, &forged), Err(NotOpened), "{len} bytes, bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert_eq!(open(&mut opener, 7, &sealed[..cut]), Err(NotOpened), "{len} bytes cut to {cut}");
        }
        for bit in 0..HEADER_BYTES * 8 {
            let mut header = HEADER;
            header[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opener.open(&header, 7, &mut sealed.clone()), Err(NotOpened), "header bit {bit}");
        }
        for sequence in [0, 6, 8, GENERATION + 7, u32::MAX] {
            assert_eq!(open(&mut opener, sequence, &sealed), Err(NotOpened), "sequence {sequence}");
        }
        assert_eq!(open(&mut Opener::new(&secret(2)), 7, &sealed), Err(NotOpened));
        assert_eq!(open(&mut opener, 7, &sealed).unwrap(), body);
    }
}

#[test]
fn a_sealer_has_this_key_and_near_its_end_the_next() {
    let mut sealer = Sealer::new(&secret(1));
    let at = |generation: u32| generation << GENERATION_BITS;
    for generation in 0..100 {
        let (first, last) = (at(generation), at(generation + 1) - 1);
        assert!(seal(&sealer, first, b"").is_some());
        assert!(seal(&sealer, last, b"").is_some());
        sealer.keep_up(last - PREPARE_PACKETS);
        let mut body = *b"untouched";
        assert!(sealer.seal(&HEADER, last + 1, &mut body).is_none());
        assert_eq!(&body, b"untouched");
        sealer.keep_up(last + 1 - PREPARE_PACKETS);
        assert!(seal(&sealer, last + 1, b"").is_some(), "the next is here in time");
        assert!(seal(&sealer, at(generation + 2) - 1, b"").is_some());
        sealer.keep_up(last);
        assert!(seal(&sealer, first, b"").is_some(), "kept up too early");
        sealer.keep_up(last + 1);
        assert!(seal(&sealer, last, b"").is_none(), "an old key is kept");
    }
    // The end of the number range, reached in one leap.
    sealer.keep_up(u32::MAX);
    assert!(seal(&sealer, u32::MAX, b"").is_some());
}

#[test]
fn an_opener_follows_over_boundaries_and_reaches_back_as_far_as_the_window() {
    let (mut sealer, mut opener) = (Sealer::new(&secret(1)), Opener::new(&secret(1)));
    let mut old_sealer = Sealer::new(&secret(1));
    for generation in 1..=50 {
        let boundary = generation << GENERATION_BITS;
        // From afar, as the horizon has it.
        for sequence in [boundary - (1 << 16) - 5000, boundary - 5000] {
            sealer.keep_up(sequence);
            let sealed = seal(&sealer, sequence, b"far").unwrap();
            assert_eq!(open(&mut opener, sequence, &sealed).unwrap(), b"far", "sequence {sequence}");
        }
        for sequence in (boundary - 1500..boundary + 3000).step_by(7) {
            sealer.keep_up(sequence);
            let sealed = seal(&sealer, sequence, b"new").unwrap();
            assert_eq!(open(&mut opener, sequence, &sealed).unwrap(), b"new", "sequence {sequence}");
            // As late as the replay window allows.
            let late = sequence - (WINDOW_PACKETS - 1);
            old_sealer.keep_up(late);
            let sealed = seal(&old_sealer, late, b"old").unwrap();
            assert_eq!(open(&mut opener, late, &sealed).unwrap(), b"old", "sequence {late}");
        }
        // The previous key is gone.
        let mut gone = Sealer::new(&secret(1));
        gone.keep_up(boundary - 1);
        let sealed = seal(&gone, boundary - 1, b"gone").unwrap();
        assert_eq!(open(&mut opener, boundary - 1, &sealed), Err(NotOpened));
    }
}

#[test]
fn a_forged_datagram_moves_no_key() {
    let (mut sealer, mut opener) = (Sealer::new(&secret(1)), Opener::new(&secret(1)));
    let strange = [0, 1, GENERATION - 1, GENERATION, 2 * GENERATION - 1, 2 * GENERATION, u32::MAX];
    let forge = |opener: &mut Opener, generation| {
        for sequence in strange {
            assert_eq!(open(opener, sequence, &[7; 40]), Err(NotOpened));
        }
        assert_eq!(format!("{opener:?}"), format!("Opener {{ generation: {generation}, .. }}"));
    };
    forge(&mut opener, 0);
    // The furthest leap that the horizon allows.
    for sequence in [GENERATION - SEQUENCE_AHEAD_MAX, GENERATION] {
        sealer.keep_up(sequence);
        let sealed = seal(&sealer, sequence, b"next").unwrap();
        assert!(open(&mut opener, sequence, &sealed).is_ok());
        forge(&mut opener, generation_of(sequence));
    }
    let sealed = seal(&Sealer::new(&secret(1)), GENERATION - 5, b"previous").unwrap();
    assert!(open(&mut opener, GENERATION - 5, &sealed).is_ok());
    forge(&mut opener, 1);
}

#[test]
fn the_last_generation_is_like_any_other() {
    let (mut sealer, mut opener) = (Sealer::new(&secret(1)), Opener::new(&secret(1)));
    for generation in 0..=generation_of(u32::MAX) {
        for offset in [1, WINDOW_PACKETS, GENERATION - 1] {
            let sequence = (generation << GENERATION_BITS) + offset;
            sealer.keep_up(sequence);
            let sealed = seal(&sealer, sequence, b"x").unwrap();
            assert!(open(&mut opener, sequence, &sealed).is_ok(), "sequence {sequence}");
        }
    }
}

#[test]
fn entropy_never_repeats_and_depends_on_its_seed() {
    let (mut a, mut b) = (Entropy::new(&[1; 32].into()), Entropy::new(&[2; 32].into()));
    let mut drawn: Vec<[u8; 8]> = (0..50_000).flat_map(|_| [*a.draw(), *b.draw()]).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 100_000);
    assert_eq!(Entropy::new(&[1; 32].into()).private_key(), Entropy::new(&[1; 32].into()).private_key());
    // A longer draw begins like a shorter one, but what follows it is new all the same.
    let (mut a, mut b) = (Entropy::new(&[1; 32].into()), Entropy::new(&[1; 32].into()));
    assert_eq!(a.draw::<64>()[..8], b.draw::<8>()[..]);
    assert_ne!(a.draw::<64>()[..8], Entropy::new(&[1; 32].into()).draw::<8>()[..]);
}

#[test]
fn nothing_secret_is_printed() {
    let canary = SecretBytes::new(*b"canary-canary-canary-canary-3210");
    let private = PrivateKey::new(canary.clone());
    let transcript = Transcript { token: &[0; TOKEN_BYTES], salt: 0, server_public: &[9; 32] };
    let keys = SessionKeys::derive(&private, &private.public(), &canary, transcript).unwrap();
    let entropy = Entropy::new(&canary);
    let texts = [
        format!("{canary:?} {canary:#?}"),
        format!("{private:?} {private:#?}"),
        format!("{keys:?} {keys:#?} {entropy:?} {entropy:#?}"),
        format!("{:?} {:?}", Sealer::new(&canary), Opener::new(&canary)),
    ];
    for text in texts {
        assert!(!text.contains("canary") && !text.contains("99, 97, 110"), "{text}");
    }
}
