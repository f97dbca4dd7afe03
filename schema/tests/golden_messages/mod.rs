//! Single messages with what a reader must make of them.

use crate::common::encode::{Draft, Records, digest, records};
use crate::common::view::{View, unwrap_units};
use crate::common::{Entity, encode, hex, written};
use serde_json::{Value, json};
use throng_schema::wire::{
    Attr, Event, Full, Input, InputArgs, Intent, Moved, Outcome, Own, Snapshot, SnapshotArgs, Told, Verb,
    World,
};
use throng_schema::*;

pub fn inputs() -> Value {
    let read = |name: &str, message: &[u8]| {
        let expect = match check_input(&read_input(message).unwrap()) {
            Ok(fields) => json!({
                "sequence": fields.sequence, "ack_tick": fields.ack_tick, "shown_tick": fields.shown_tick,
                "steps": fields.steps()
                    .map(|(number, i)| json!([number, i.move_x, i.move_y, i.yaw, i.buttons]))
                    .collect::<Value>(),
            }),
            Err(error) => json!({ "refused": error.to_string() }),
        };
        json!({ "name": name, "message": hex(message), "expect": expect })
    };
    let plain = |move_x, move_y, yaw, buttons| IntentFields { move_x, move_y, yaw, buttons };
    let (stand, walk) = (plain(0.0, 0.0, 0, 0), plain(1.0, 0.0, 16_384, 0));
    let (run, nowhere) = (plain(-3.0, 4.0, 65_535, 3), plain(f32::NAN, 0.0, 0, 0));
    let case =
        |name: &str, [sequence, ack_tick, shown_tick]: [u32; 3], intents: [IntentFields; INTENTS_SENT]| {
            let mut message = [0; INPUT_BYTES];
            write_input(&mut message, sequence, ack_tick, shown_tick, &intents);
            read(name, &message)
        };
    let built = |name: &str, sequence, past: &[IntentFields]| {
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let intent = |i: &IntentFields| Intent::new(i.move_x, i.move_y, i.yaw, i.buttons);
        let past: Vec<Intent> = past.iter().map(intent).collect();
        let past = (!past.is_empty()).then(|| builder.create_vector(&past));
        let args = InputArgs { sequence, ack_tick: 42, intent: Some(&intent(&walk)), past, shown_tick: 40 };
        let input = Input::create(&mut builder, &args);
        builder.finish_size_prefixed(input, None);
        read(name, builder.finished_data())
    };
    let far = plain(16_777_216.0, -0.003_906_25, 65_535, 65_535);
    let many: Vec<IntentFields> = (2..12).map(|age| plain(1.0 / age as f32, 0.0, age, 0)).collect();
    json!([
        case("first input, nothing acknowledged yet", [1, 0, 0], [stand; 4]),
        case("walking along +x, facing +y", [2, 41, 39], [walk, stand, stand, stand]),
        case("longer than 1: full speed", [6, 42, 40], [run, walk, walk, stand]),
        case("shown at the acknowledged tick", [7, 43, 0], [walk, run, walk, walk]),
        case("largest numbers", [u32::MAX; 3], [far, far, run, walk]),
        case("what would be numbered below 1 is not looked at", [2, 41, 39], [walk, stand, nowhere, nowhere]),
        built("without past", 9, &[]),
        built("of ten past ones seven are taken", 20, &many),
        case("sequence 0", [0, 42, 40], [walk; 4]),
        case("NaN", [5, 42, 40], [nowhere, walk, walk, walk]),
        case("infinity", [5, 42, 40], [plain(0.0, f32::NEG_INFINITY, 0, 0), walk, walk, walk]),
        case("NaN in the past", [5, 42, 40], [walk, walk, walk, nowhere]),
    ])
}

/// Numbers beyond 2^53 as text: not every reader of JSON has them.
pub fn commands() -> Value {
    let case = |name: &str, fields: CommandFields<'_>| {
        let message = written(|out| write_command(out, &fields));
        let expect = match check_command(&read_command(&message).unwrap()) {
            Ok(f) => json!({
                "id": format!("{:032x}", f.id), "verb": f.verb.0, "entity": f.entity, "item": f.item,
                "quantity": f.quantity, "money": f.money.to_string(), "revision": f.revision,
                "text": f.text, "name": f.name,
            }),
            Err(error) => json!({ "refused": error.to_string() }),
        };
        json!({ "name": name, "message": hex(&message), "expect": expect })
    };
    let id = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
    let buy =
        CommandFields { id, verb: Verb::Buy, entity: 0x0040_0007, item: 12, ..CommandFields::default() };
    let whisper =
        CommandFields { verb: Verb::Whisper, text: "psst", name: "Zoë", ..CommandFields::default() };
    json!([
        case("buys three", CommandFields { quantity: 3, money: 4_500, ..buy }),
        case(
            "largest numbers",
            CommandFields {
                id: u128::MAX,
                entity: u32::MAX,
                item: u32::MAX,
                quantity: u32::MAX,
                money: i64::MAX,
                revision: u32::MAX,
                ..buy
            }
        ),
        case("a verb alone", CommandFields { verb: Verb::LeaveZone, ..CommandFields::default() }),
        case("whispers", whisper),
        case(
            "says as much as is allowed",
            CommandFields { verb: Verb::Say, text: &"é".repeat(128), ..whisper }
        ),
        case("spaces around what is said", CommandFields { text: "  hm ", ..whisper }),
        case("no verb", CommandFields { verb: Verb::None, ..buy }),
        case("a verb that there is not", CommandFields { verb: Verb(200), ..buy }),
        case("negative money", CommandFields { money: -1, ..buy }),
        case("says too much", CommandFields { text: &"x".repeat(257), ..whisper }),
        case("a line break", CommandFields { text: "a\nb", ..whisper }),
        case("turns the text around", CommandFields { text: "a\u{202e}b", ..whisper }),
        case("a name too long", CommandFields { name: &"n".repeat(48), ..whisper }),
        case("a name with a space at its end", CommandFields { name: "Zoë ", ..whisper }),
    ])
}

pub fn notices() -> Value {
    let case = |name: &str, fields: NoticeFields<'_>| {
        let message = written(|out| write_notice(out, &fields));
        let expect = match check_notice(&read_notice(&message).unwrap()) {
            Ok(f) => json!({
                "id": format!("{:032x}", f.id), "tick": f.tick, "told": f.told.0, "outcome": f.outcome.0,
                "entity": f.entity, "item": f.item, "quantity": f.quantity, "money": f.money.to_string(),
                "revision": f.revision, "text": f.text, "name": f.name,
            }),
            Err(error) => json!({ "refused": error.to_string() }),
        };
        json!({ "name": name, "message": hex(&message), "expect": expect })
    };
    let none = NoticeFields::default();
    let id = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
    let said = NoticeFields { tick: 77, told: Told::Said, entity: 9, text: "well met", name: "Zoë", ..none };
    json!([
        case("bought", NoticeFields { id, tick: 77, told: Told::Answer, ..none }),
        case(
            "not bought",
            NoticeFields { id, tick: 77, told: Told::Answer, outcome: Outcome::NotEnoughMoney, ..none }
        ),
        case("money", NoticeFields { tick: 78, told: Told::Money, money: i64::MAX, ..none }),
        case(
            "less than none of it",
            NoticeFields { tick: 78, told: Told::Progress, money: i64::MIN, ..none }
        ),
        case("said", said),
        case("a kind that there is not yet", NoticeFields { told: Told(200), ..said }),
        case(
            "largest numbers",
            NoticeFields {
                id: u128::MAX,
                tick: u32::MAX,
                told: Told::Trade,
                entity: u32::MAX,
                item: u32::MAX,
                quantity: u32::MAX,
                revision: u32::MAX,
                ..none
            }
        ),
        case("too much", NoticeFields { text: &"x".repeat(257), ..said }),
        case("unseen", NoticeFields { name: "Z\u{200b}oë", ..said }),
    ])
}

pub fn hellos() -> Value {
    let case = |version, name: &str| {
        let message = write_hello(version, name);
        let accepted = check_hello(&read_hello(&message).unwrap()).is_ok();
        json!({ "message": hex(&message), "version": version, "name": name, "accepted": accepted })
    };
    json!([
        case(SCHEMA_VERSION, "a"),
        case(SCHEMA_VERSION, "Ann O'Hara"),
        case(SCHEMA_VERSION, "孫悟空"),
        case(SCHEMA_VERSION, &"x".repeat(32)),
        case(SCHEMA_VERSION, &"x".repeat(33)),
        case(SCHEMA_VERSION, ""),
        case(SCHEMA_VERSION, " a"),
        case(SCHEMA_VERSION, "a\u{202e}b"),
        case(SCHEMA_VERSION, "a\u{7}"),
        case(SCHEMA_VERSION + 1, "a"),
        case(0, "a"),
    ])
}

/// Bytes that a reader refuses by length and prefix alone, verifier or not.
pub fn malformed() -> Value {
    let good = crate::common::rich_snapshot();
    let with_prefix = |claimed: usize| {
        let mut message = good.clone();
        message[..4].copy_from_slice(&(claimed as u32).to_le_bytes());
        message
    };
    let followed = good.len() - 4;
    let cases = [
        ("nothing", vec![]),
        ("7 bytes", vec![3, 0, 0, 0, 0, 0, 0]),
        ("cut by one byte", good[..good.len() - 1].to_vec()),
        ("cut in half", good[..good.len() / 2].to_vec()),
        ("one byte behind the message", [good.as_slice(), &[0]].concat()),
        ("prefix one short", with_prefix(followed - 1)),
        ("prefix one long", with_prefix(followed + 1)),
        ("prefix counts itself", with_prefix(followed + 4)),
        ("prefix 0", with_prefix(0)),
        ("prefix 2^32 - 1", with_prefix(0xffff_ffff)),
    ];
    let mut list = Vec::new();
    for (name, message) in cases {
        assert!(read_snapshot(&message).is_err(), "{name}");
        list.push(json!({ "name": name, "message": hex(&message) }));
    }
    Value::Array(list)
}

pub fn row(e: &Entity) -> Value {
    let [a, b, c, d] = e.attr;
    json!([e.id, e.x, e.y, e.z, e.yaw, a, b, c, d])
}

pub fn rows(list: &[Entity]) -> Value {
    list.iter().map(row).collect()
}

pub fn far_rows(view: &View) -> Value {
    view.far
        .values()
        .map(|(tick, f)| json!([f.id(), f.x(), f.y(), f.z(), f.yaw(), f.attr0_high(), tick]))
        .collect()
}

pub fn event_rows(view: &View) -> Value {
    view.events
        .iter()
        .map(|(tick, e)| json!([tick, e.kind(), e.value(), e.source(), e.target(), e.x(), e.y()]))
        .collect()
}

fn base() -> Vec<Entity> {
    (0_u16..12)
        .map(|i| Entity {
            id: 100 + u32::from(i),
            x: 32_700 + 5 * i as i16,
            y: 15_000 + 9 * i as i16,
            z: 4 * i as i16 - 20,
            yaw: (20 * i) as u8,
            attr: [1000 + i, 2, 3, 4],
        })
        .collect()
}

const BASELINE: u32 = 40;

fn case(name: &str, start: &[Entity], message: Vec<u8>) -> Value {
    let mut view = if start.is_empty() { View::default() } else { View::standing_at(BASELINE, start) };
    let result = view.receive(&message);
    let expect = match &result {
        Ok(outcome) => {
            let snapshot = read_snapshot(&message).unwrap();
            let own = snapshot.own().unwrap();
            json!({
                "outcome": format!("{outcome:?}").to_lowercase(),
                "tick": snapshot.tick(), "baseline": snapshot.baseline(), "input": snapshot.input(),
                "digest": digest(view.near()), "digest_carried": snapshot.digest() != 0,
                "own": [own.x(), own.y(), own.z(), own.vx(), own.vy()], "own_yaw": own.yaw(),
                "own_attr": view.own_attrs.get(&view.newest), "queued": own.flags() & 15, "pace": view.pace,
                "events": event_rows(&view),
                "near": rows(view.near()), "far": far_rows(&view),
                "near_units": view.near().iter()
                    .map(|e| json!([unwrap_units(own.x(), e.x), unwrap_units(own.y(), e.y)]))
                    .collect::<Value>(),
            })
        }
        Err(reason) => json!({ "refused": reason }),
    };
    json!({
        "name": name, "start_tick": if start.is_empty() { 0 } else { BASELINE }, "start": rows(start),
        "message": hex(&message), "expect": expect,
    })
}

fn good_cases() -> Vec<Value> {
    let base = base();
    let fresh = Draft { tick: 1, world: true, digest: true, ..Draft::default() };
    let delta = Draft { tick: 42, baseline: BASELINE, input: 17, digest: true, ..Draft::default() };
    let plain = |new: &[Entity]| delta.encode(&base, new);

    let mut moved = base.clone();
    for (i, e) in moved.iter_mut().enumerate().filter(|(i, _)| i % 3 != 1) {
        // Some of these cross 32767 to -32768.
        e.x = e.x.wrapping_add(100 - 7 * i as i16);
        e.y = e.y.wrapping_sub(127);
        e.z = e.z.wrapping_add(i as i16);
        e.yaw = e.yaw.wrapping_sub(40);
    }
    let mut all = moved.clone();
    all.drain(2..5);
    all.remove(0);
    all.insert(0, Entity { id: 7001, x: -32_768, y: 32_767, z: -32_768, yaw: 255, attr: [0xffff, 0, 0, 1] });
    all.insert(5, Entity { id: u32::MAX, x: 1, y: -1, z: 0, yaw: 1, attr: [1, 2, 3, 4] });
    all.push(Entity { id: 7003, ..Entity::default() });
    all[3].attr = [9, 8, 3, 7];
    all[8].attr[3] = 0xbeef;
    let mut teleported = base.clone();
    teleported[4].x = teleported[4].x.wrapping_sub(128);
    teleported[9].z += 200;
    let far = [
        Entity { id: 9000, x: -20_000, y: 14_000, z: 3, yaw: 9, attr: [0xab12, 0, 0, 0] },
        Entity { id: 101, x: 5, y: 6, z: 7, yaw: 8, attr: [0; 4] },
    ];
    // The bits of `changed` may be followed by zeros, and zeros at the end may be left out.
    let mut one = base.clone();
    one[1].yaw = 200;
    let mut padded = records(&base, &one);
    padded.changed.resize(40, 0);

    let events = [
        Event::new(7, 1, 500, 101, 9001, -32_700, 15_010),
        Event::new(8, 1, 65_535, 0, 0, 32_767, 14_000),
        Event::new(7, 0, 3, u32::MAX, 101, -32_768, 15_020),
    ];

    vec![
        case("fresh, nobody near", &[], fresh.encode(&[], &[])),
        case("fresh, twelve near", &[], Draft { tick: 42, ..fresh }.encode(&[], &base)),
        case("delta without a change", &base, plain(&base)),
        case("delta without a digest", &base, Draft { digest: false, ..delta }.encode(&base, &moved)),
        case("some moved, wrapping", &base, plain(&moved)),
        case("gone, full, changed and attr at once", &base, plain(&all)),
        case("all gone", &base, plain(&[])),
        case("moved too far for a record: gone and full", &base, plain(&teleported)),
        case(
            "far records; one of an entity that is near",
            &base,
            Draft { far: &far, ..delta }.encode(&base, &base),
        ),
        case(
            "fresh start of a view that stands",
            &base,
            Draft { baseline: 0, world: true, ..delta }.encode(&[], &moved),
        ),
        case("change bits with zeros behind", &base, delta.build(&padded, digest(&one))),
        case(
            "older than the view",
            &base,
            Draft { tick: 39, baseline: 0, world: true, ..delta }.encode(&[], &base),
        ),
        case(
            "own attributes at a fresh start",
            &[],
            Draft { own_attr: Some([1, 2, 3, 65_535]), ..fresh }.encode(&[], &[]),
        ),
        case(
            "own attributes that changed",
            &base,
            Draft { own_attr: Some([9, 8, 7, 6]), ..delta }.encode(&base, &base),
        ),
        case("two inputs wait", &base, Draft { queued: 2, ..delta }.encode(&base, &base)),
        case(
            "reserved bits beside the inputs that wait",
            &base,
            Draft { queued: 0xfff2, ..delta }.encode(&base, &base),
        ),
        case(
            "slower, and refreshed less often",
            &base,
            Draft { pace: Some([850, 60]), ..delta }.encode(&base, &base),
        ),
        case("what happened", &base, Draft { events: &events, ..delta }.encode(&base, &base)),
        case(
            "what happened, at a fresh start",
            &[],
            Draft { events: &events[2..], ..fresh }.encode(&[], &[]),
        ),
        case("baseline unknown", &base, Draft { baseline: 41, ..delta }.encode(&base, &moved)),
    ]
}

fn refused_cases() -> Vec<Value> {
    let base = base();
    let delta = Draft { tick: 42, baseline: BASELINE, ..Draft::default() };
    let bad = |name: &str, edit: &dyn Fn(&mut Records)| {
        let mut records = Records::default();
        edit(&mut records);
        case(name, &base, delta.build(&records, 0))
    };
    let full = |index| Full::new(7000 + u32::from(index), 0, 0, 0, 0, 0, index, &[0; 4]);
    let step = Moved::new(1, 1, 1, 1);
    let raw = |name: &str, own: Option<Own>, world: Option<World>, baseline| {
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let args = SnapshotArgs {
            tick: 42,
            baseline,
            own: own.as_ref(),
            world: world.as_ref(),
            ..Default::default()
        };
        let snapshot = Snapshot::create(&mut builder, &args);
        builder.finish_size_prefixed(snapshot, None);
        case(name, &base, builder.finished_data().to_vec())
    };
    let own = Own::new(1.0, 2.0, 3.0, 0.0, 0.0, 0, 0);
    let nowhere = Own::new(f32::NAN, 2.0, 3.0, 0.0, 0.0, 0, 0);
    let frozen = World::new(7, 100.0, 100.0, 50.0, 8, 32, 0, 0);
    vec![
        case("digest differs", &base, delta.build(&Records::default(), digest(&base) ^ 1)),
        case("tick 0", &base, Draft { tick: 0, baseline: 0, world: true, ..delta }.encode(&[], &base)),
        case("baseline is its own tick", &base, Draft { baseline: 42, ..delta }.encode(&base, &base)),
        bad("gone beyond the baseline", &|r| r.gone = vec![12]),
        bad("gone descends", &|r| r.gone = vec![3, 2]),
        bad("gone twice", &|r| r.gone = vec![3, 3]),
        bad("full beyond the new list", &|r| r.full = vec![full(13)]),
        bad("full descends", &|r| r.full = vec![full(5), full(4)]),
        bad("full twice at one place", &|r| r.full = vec![full(5), full(5)]),
        bad("changed bit beyond the list", &|r| (r.changed, r.moved) = (vec![0, 0x10], vec![step])),
        bad("fewer records than changed bits", &|r| (r.changed, r.moved) = (vec![3], vec![step])),
        bad("more records than changed bits", &|r| (r.changed, r.moved) = (vec![1], vec![step, step])),
        bad("records without change bits", &|r| r.moved = vec![step]),
        bad("attribute beyond the list", &|r| r.attr = vec![Attr::new(12, 1)]),
        case(
            "an event before the baseline",
            &base,
            Draft { events: &[Event::new(1, 2, 0, 0, 0, 0, 0)], ..delta }.encode(&base, &base),
        ),
        case(
            "events out of order",
            &base,
            Draft { events: &[0, 1].map(|age| Event::new(1, age, 0, 0, 0, 0, 0)), ..delta }
                .encode(&base, &base),
        ),
        case(
            "an old event at a fresh start",
            &base,
            Draft { baseline: 0, world: true, events: &[Event::new(1, 1, 0, 0, 0, 0, 0)], ..delta }
                .encode(&[], &base),
        ),
        raw("no own state", None, Some(encode::world()), 0),
        raw("own state is NaN", Some(nowhere), Some(encode::world()), 0),
        raw("fresh without a world", Some(own), None, 0),
        raw("a world of no ticks", Some(own), Some(frozen), 0),
    ]
}

pub fn snapshots() -> Value {
    let (good, refused) = (good_cases(), refused_cases());
    assert!(good.iter().all(|c| c["expect"].get("refused").is_none()), "{good:#?}");
    assert!(refused.iter().all(|c| c["expect"].get("refused").is_some()), "{refused:#?}");
    good.into_iter().chain(refused).collect()
}
