//! Writers against the library's builder, and the reference encoder against the reference view.
#![allow(missing_docs)]

mod common;

use common::view::{Outcome, View};
use common::{Entity, encode};
use flatbuffers::FlatBufferBuilder;
use proptest::prelude::*;
use throng_schema::limits::*;
use throng_schema::wire::{
    Command, CommandArgs, CommandId, Event, Input, InputArgs, Intent, Notice, NoticeArgs,
    Outcome as CommandOutcome, Told, Verb,
};
use throng_schema::*;

fn built_input(sequence: u32, ack_tick: u32, shown_tick: u32, intents: &[IntentFields]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let intents: Vec<Intent> =
        intents.iter().map(|i| Intent::new(i.move_x, i.move_y, i.yaw, i.buttons)).collect();
    let past = Some(builder.create_vector(&intents[1..]));
    let args = InputArgs { sequence, ack_tick, intent: Some(&intents[0]), past, shown_tick };
    let input = Input::create(&mut builder, &args);
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
        sequence in prop_oneof![0_u32..6, any::<u32>()], ack_tick: u32, shown_tick: u32,
        numbers: [(u32, u32, u16, u16); INTENTS_SENT],
    ) {
        let intents = numbers.map(|(x, y, yaw, buttons)| {
            IntentFields { move_x: f32::from_bits(x), move_y: f32::from_bits(y), yaw, buttons }
        });
        let mut ours = [0xAA; INPUT_BYTES];
        write_input(&mut ours, sequence, ack_tick, shown_tick, &intents);
        let built = built_input(sequence, ack_tick, shown_tick, &intents);
        let decoded = [decode_input(&ours), decode_input(&built)];
        let (ours, built) = (read_input(&ours).unwrap(), read_input(&built).unwrap());
        for read in [ours, built] {
            prop_assert_eq!(read.sequence(), sequence);
            prop_assert_eq!(read.ack_tick(), ack_tick);
            prop_assert_eq!(read.shown_tick(), shown_tick);
            let all = [read.intent().unwrap()].into_iter().chain(read.past().unwrap());
            let bits = |i: &Intent| (i.move_x().to_bits(), i.move_y().to_bits(), i.yaw(), i.buttons());
            prop_assert!(all.map(bits).eq(numbers));
        }
        prop_assert_eq!(check_input(&ours), check_input(&built));
        let counted = &intents[..INTENTS_SENT.min(sequence as usize)];
        let sound = sequence != 0 && counted.iter().all(|i| i.move_x.is_finite() && i.move_y.is_finite());
        prop_assert_eq!(check_input(&ours).is_ok(), sound);
        for decoded in decoded {
            prop_assert_eq!(decoded, check_input(&ours).map_err(InputRefusal::from));
        }
    }

    #[test]
    fn commands_and_notices_equal_the_builders(
        id in prop_oneof![Just(0), any::<u128>()],
        money in prop_oneof![Just(0), any::<i64>()],
        words in prop::array::uniform5(prop_oneof![Just(0), any::<u32>()]),
        bytes in prop::array::uniform2(prop_oneof![Just(0), any::<u8>()]),
        (text, name) in ("[ -~é孫]{0,85}", "[a-zß]{0,23}"),
    ) {
        let [entity, item, quantity, revision, tick] = words;
        let [first, second] = bytes;
        let mut builder = FlatBufferBuilder::new();
        let (text_at, name_at) = (Some(builder.create_string(&text)), Some(builder.create_string(&name)));
        let wire_id = CommandId::new(id as u64, (id >> 64) as u64);
        let args = CommandArgs {
            id: Some(&wire_id), verb: Verb(first), entity, item, quantity, money, revision, text: text_at, name: name_at,
        };
        let command = Command::create(&mut builder, &args);
        builder.finish_size_prefixed(command, None);
        let built = check_command(&read_command(builder.finished_data()).unwrap());
        let fields = CommandFields {
            id, verb: Verb(first), entity, item, quantity, money, revision, text: &text, name: &name,
        };
        let mut out = [0xAA; COMMAND_BYTES_MAX];
        let length = write_command(&mut out, &fields).unwrap();
        prop_assert!(length <= builder.finished_data().len() + 4);
        prop_assert!(out[length..].iter().all(|byte| *byte == 0xAA));
        prop_assert_eq!(check_command(&read_command(&out[..length]).unwrap()), built);
        prop_assert!(built.is_err() || built == Ok(fields));

        let mut builder = FlatBufferBuilder::new();
        let (text_at, name_at) = (Some(builder.create_string(&text)), Some(builder.create_string(&name)));
        let (told, outcome) = (Told(first), CommandOutcome(second));
        let args = NoticeArgs {
            id: Some(&wire_id), tick, told, outcome, entity, item, quantity, money, revision, text: text_at, name: name_at,
        };
        let notice = Notice::create(&mut builder, &args);
        builder.finish_size_prefixed(notice, None);
        let built = check_notice(&read_notice(builder.finished_data()).unwrap());
        let fields = NoticeFields {
            id, tick, told, outcome, entity, item, quantity, money, revision, text: &text, name: &name,
        };
        let mut out = [0xAA; NOTICE_BYTES_MAX];
        let length = write_notice(&mut out, &fields).unwrap();
        prop_assert!(length <= builder.finished_data().len() + 4);
        prop_assert_eq!(check_notice(&read_notice(&out[..length]).unwrap()), Ok(fields));
        prop_assert_eq!(built, Ok(fields));
        for short in 0..length {
            prop_assert_eq!(write_notice(&mut out[..short], &fields), None);
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
        let events = vec![Event::new(1, 0, 2, 3, 4, 5, 6); old.len() % 7];
        let draft = encode::Draft {
            tick: 6, baseline: 5, input: 4, digest: true, world: true, far: &old, events: &events, ..Default::default()
        };
        let bytes = encode::Draft { own_attr: Some([1; 4]), pace: Some([2; 2]), ..draft }.encode(&old, &new).len();
        let payload = 2 * records.gone.len() + 24 * records.full.len() + records.changed.len()
            + 4 * records.moved.len() + 4 * records.attr.len() + 12 * old.len() + 16 * events.len();
        prop_assert!(bytes <= payload + SNAPSHOT_OVERHEAD_BYTES_MAX, "{bytes} for {payload} of records");
    }
}

#[test]
fn the_longest_command_and_notice_fit() {
    let (text, name) = ("x".repeat(TEXT_BYTES_MAX), "n".repeat(CHARACTER_NAME_BYTES_MAX));
    let (id, entity, item, quantity, money, revision) = (u128::MAX, 1, 2, 3, i64::MAX, 4);
    let command = CommandFields {
        id,
        verb: Verb::Whisper,
        entity,
        item,
        quantity,
        money,
        revision,
        text: &text,
        name: &name,
    };
    let (tick, told, outcome) = (5, Told::Whispered, CommandOutcome::Muted);
    let notice = NoticeFields {
        id,
        tick,
        told,
        outcome,
        entity,
        item,
        quantity,
        money,
        revision,
        text: &text,
        name: &name,
    };
    let mut out = [0; 600];
    let bytes = write_command(&mut out, &command).unwrap();
    assert!((COMMAND_BYTES_MAX - 12..=COMMAND_BYTES_MAX).contains(&bytes), "{bytes}");
    let bytes = write_notice(&mut out, &notice).unwrap();
    assert!((NOTICE_BYTES_MAX - 12..=NOTICE_BYTES_MAX).contains(&bytes), "{bytes}");
    // Most say little: what a player has now takes 48 bytes.
    let money = NoticeFields { tick, told: Told::Money, money: 7, ..NoticeFields::default() };
    assert_eq!(write_notice(&mut out, &money), Some(48));
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
