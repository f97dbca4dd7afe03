//! Writers against the library's builder, and the reference encoder against the reference view.
#![allow(missing_docs)]

mod common;

use common::view::{Outcome, View};
use common::{Entity, encode};
use flatbuffers::FlatBufferBuilder;
use proptest::prelude::*;
use throng_schema::limits::{HELLO_BYTES_MAX, NAME_BYTES_MAX, SNAPSHOT_OVERHEAD_BYTES_MAX};
use throng_schema::wire::{Input, InputArgs, Intent};
use throng_schema::*;

fn built_input(sequence: u32, ack_tick: u32, i: IntentFields) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let intent = Intent::new(i.move_x, i.move_y, i.yaw, i.buttons);
    let input = Input::create(&mut builder, &InputArgs { sequence, ack_tick, intent: Some(&intent) });
    builder.finish_size_prefixed(input, None);
    builder.finished_data().to_vec()
}

fn entity() -> impl Strategy<Value = Entity> {
    (0_u32..40, any::<i16>(), any::<i16>(), any::<i16>(), any::<u8>(), any::<[u16; 4]>())
        .prop_map(|(id, x, y, z, yaw, attr)| Entity { id, x, y, z, yaw, attr })
}

/// Up to 40 entities in the order of their ids, so that survivors keep their order.
fn list() -> impl Strategy<Value = Vec<Entity>> {
    prop::collection::vec(entity(), 0..40).prop_map(|mut list| {
        list.sort_by_key(|e| e.id);
        list.dedup_by_key(|e| e.id);
        list
    })
}

/// A second list: some of the first nudged or left, others new.
fn pair() -> impl Strategy<Value = (Vec<Entity>, Vec<Entity>)> {
    (list(), list(), any::<[i8; 40]>()).prop_map(|(old, other, nudges)| {
        let mut new = old.clone();
        new.retain(|e| nudges[e.id as usize] % 5 != 0);
        for e in &mut new {
            let nudge = nudges[e.id as usize];
            e.x = e.x.wrapping_add(nudge.into());
            e.y = e.y.wrapping_sub((nudge / 2).into());
            e.z = e.z.saturating_add((nudge / 4).into());
            e.attr[nudge as usize % 4] ^= u16::from(nudge > 60);
        }
        new.extend(other.into_iter().filter(|e| e.id % 3 == 0 && old.iter().all(|o| o.id != e.id)));
        new.sort_by_key(|e| e.id);
        (old, new)
    })
}

proptest! {
    #[test]
    fn input_equals_the_builders(
        sequence: u32, ack_tick: u32, bits: [u32; 2], yaw: u16, buttons: u16,
    ) {
        let [move_x, move_y] = bits.map(f32::from_bits);
        let mut ours = [0xAA; INPUT_BYTES];
        write_input(&mut ours, sequence, ack_tick, IntentFields { move_x, move_y, yaw, buttons });
        let built = built_input(sequence, ack_tick, IntentFields { move_x, move_y, yaw, buttons });
        let decoded = [decode_input(&ours), decode_input(&built)];
        let (ours, built) = (read_input(&ours).unwrap(), read_input(&built).unwrap());
        for read in [ours, built] {
            prop_assert_eq!(read.sequence(), sequence);
            prop_assert_eq!(read.ack_tick(), ack_tick);
            let intent = read.intent().unwrap();
            prop_assert_eq!([intent.move_x().to_bits(), intent.move_y().to_bits()], bits);
            prop_assert_eq!((intent.yaw(), intent.buttons()), (yaw, buttons));
        }
        prop_assert_eq!(check_input(&ours), check_input(&built));
        let sound = sequence != 0 && move_x.is_finite() && move_y.is_finite();
        prop_assert_eq!(check_input(&ours).is_ok(), sound);
        for decoded in decoded {
            prop_assert_eq!(decoded, check_input(&ours).map_err(InputRefusal::from));
        }
    }

    #[test]
    fn a_view_follows_any_pair_of_lists((old, new) in pair()) {
        let mut view = View::default();
        let fresh = encode::Draft { tick: 5, world: true, digest: true, ..Default::default() };
        prop_assert_eq!(view.receive(&fresh.encode(&[], &old)), Ok(Outcome::Applied));
        let delta = encode::Draft { tick: 6, baseline: 5, digest: true, ..Default::default() };
        prop_assert_eq!(view.receive(&delta.encode(&old, &new)), Ok(Outcome::Applied));
        prop_assert_eq!(view.near(), new.as_slice());
    }

    #[test]
    fn overhead_bound_holds_for_the_builder((old, new) in pair()) {
        let records = encode::records(&old, &new);
        let bytes = encode::Draft { tick: 6, baseline: 5, input: 4, digest: true, world: true, far: &old }
            .encode(&old, &new)
            .len();
        let payload = 2 * records.gone.len() + 24 * records.full.len() + records.changed.len()
            + 4 * records.moved.len() + 4 * records.attr.len() + 12 * old.len();
        prop_assert!(bytes <= payload + SNAPSHOT_OVERHEAD_BYTES_MAX, "{bytes} for {payload} of records");
    }
}

#[test]
fn hello_of_every_length_fits() {
    for bytes in 1..=NAME_BYTES_MAX {
        let name = "n".repeat(bytes);
        let hello = write_hello(SCHEMA_VERSION, &name);
        assert!(hello.len() <= HELLO_BYTES_MAX, "{} bytes for a name of {bytes}", hello.len());
        assert_eq!(check_hello(&read_hello(&hello).unwrap()), Ok(name.as_str()));
    }
}
