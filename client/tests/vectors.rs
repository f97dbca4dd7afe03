//! The golden snapshots of the wire contract, applied by this client.

mod reference;

use std::path::Path;

use reference::{Parts, digest, full, own, world};
use serde_json::Value;
use throng_client::{Applied, Entity, Happening, Pace, View, ViewError};

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hexadecimal");
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a whole number")
}

fn list(value: &Value) -> Vec<Entity> {
    let entity = |row: &Value| {
        let at = |column: usize| number(&row[column]);
        Entity {
            id: at(0) as u32,
            x: at(1) as i16,
            y: at(2) as i16,
            z: at(3) as i16,
            yaw: at(4) as u8,
            attr: [at(5) as u16, at(6) as u16, at(7) as u16, at(8) as u16],
        }
    };
    value.as_array().expect("a list").iter().map(entity).collect()
}

/// Far entities as the vectors write them, by id.
fn far_rows(view: &View) -> Vec<Vec<i64>> {
    let row = |e: &throng_client::FarEntity| {
        vec![
            e.id.into(),
            e.x.into(),
            e.y.into(),
            e.z.into(),
            e.yaw.into(),
            e.attr0_high.into(),
            e.tick.into(),
        ]
    };
    let mut rows: Vec<Vec<i64>> = view.far().iter().map(row).collect();
    rows.sort_unstable();
    rows
}

fn rows(value: &Value) -> Vec<Vec<i64>> {
    let mut rows: Vec<Vec<i64>> = value
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row.as_array().expect("a row").iter().map(number).collect())
        .collect();
    rows.sort_unstable();
    rows
}

fn numbers(numbers: impl IntoIterator<Item = u16>) -> Value {
    numbers.into_iter().collect()
}

/// Events as the vectors write them: positions wrapped.
fn event_rows(view: &View) -> Value {
    let row = |e: &Happening| {
        let wrapped = [e.x, e.y].map(|metres| (metres * 32.0) as i32 as i16);
        [e.tick.into(), e.kind.into(), e.value.into(), e.source.into(), e.target.into()]
            .into_iter()
            .chain(wrapped.map(i64::from))
            .collect::<Value>()
    };
    view.events().iter().map(row).collect()
}

fn outcome(result: &Result<Applied, ViewError>) -> &'static str {
    match result {
        Ok(Applied::Reconstructed { .. }) => "applied",
        Ok(Applied::Stale) => "stale",
        Err(ViewError::Unusable { .. }) => "unusable",
        Err(ViewError::Mismatch { .. }) => "digest differs",
        Err(_) => "refused",
    }
}

#[test]
fn single_snapshots() {
    let cases = vectors("snapshots.json");
    let cases = cases.as_array().expect("cases");
    assert!(cases.len() >= 20);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let (start, start_tick) = (list(&case["start"]), number(&case["start_tick"]) as u32);
        let mut view = View::new();
        if start_tick != 0 {
            let parts = Parts {
                tick: start_tick,
                own: Some(own(1023.5, 480.25)),
                world: Some(world(1, 8)),
                full: start.iter().zip(0..).map(|(entity, index)| full(entity, index)).collect(),
                ..Parts::default()
            };
            view.apply_bytes(&parts.bytes()).expect("the start");
        }
        let result = view.apply_bytes(&bytes(&case["message"]));
        let expect = &case["expect"];
        match expect["outcome"].as_str() {
            Some("applied") => {
                let tick = number(&expect["tick"]) as u32;
                let checked = expect["digest_carried"] == Value::Bool(true);
                assert_eq!(result, Ok(Applied::Reconstructed { tick, checked }), "{name}");
                assert_eq!(view.near(), list(&expect["near"]), "{name}");
                assert_eq!(i64::from(digest(view.near())), number(&expect["digest"]), "{name}");
                assert_eq!(far_rows(&view), rows(&expect["far"]), "{name}");
                assert_eq!(i64::from(view.input_applied()), number(&expect["input"]), "{name}");
                let own = view.own();
                let floats = [&own.position[..], &own.velocity[..]].concat();
                let wanted =
                    expect["own"].as_array().expect("own").iter().map(|f| f.as_f64().expect("a float"));
                assert!(floats.iter().map(|f| f64::from(*f)).eq(wanted), "{name}");
                assert_eq!(i64::from(own.yaw), number(&expect["own_yaw"]), "{name}");
                assert_eq!(i64::from(own.queued), number(&expect["queued"]), "{name}");
                assert_eq!(numbers(own.attr), expect["own_attr"], "{name}");
                let pace = match &expect["pace"] {
                    Value::Null => Pace { speed: 1000, refresh_ticks: 8 },
                    told => Pace { speed: number(&told[0]) as u16, refresh_ticks: number(&told[1]) as u16 },
                };
                assert_eq!(view.pace(), pace, "{name}");
                assert_eq!(event_rows(&view), expect["events"], "{name}");
                for (entity, wanted) in
                    view.near().iter().zip(expect["near_units"].as_array().expect("units"))
                {
                    let units = view.units_of(entity.x, entity.y, entity.z);
                    assert_eq!((units[0].into(), units[1].into()), (number(&wanted[0]), number(&wanted[1])));
                }
            }
            Some(wanted) => {
                assert_eq!(outcome(&result), wanted, "{name}");
                assert_eq!((view.near(), view.ack_tick()), (&start[..], start_tick), "{name}");
            }
            None => {
                let reason = expect["refused"].as_str().expect("a reason");
                let wanted = if reason == "digest differs" { reason } else { "refused" };
                assert_eq!(outcome(&result), wanted, "{name}");
                assert_eq!((view.near(), view.ack_tick()), (&start[..], 0), "{name}");
            }
        }
    }
}

#[test]
fn malformed_messages() {
    let cases = vectors("malformed.json");
    for case in cases.as_array().expect("cases") {
        let result = View::new().apply_bytes(&bytes(&case["message"]));
        assert!(result.is_err(), "{}: {result:?}", case["name"]);
    }
}

#[test]
fn a_sequence_with_losses_a_stall_and_a_fresh_start() {
    let sequence = vectors("sequence.json");
    let mut view = View::new();
    for step in sequence["steps"].as_array().expect("steps") {
        if step["lost"] == Value::Bool(true) {
            continue;
        }
        let result = view.apply_bytes(&bytes(&step["message"]));
        let (expect, tick) = (&step["expect"], &step["tick"]);
        assert_eq!(Some(outcome(&result)), expect["outcome"].as_str(), "tick {tick}: {result:?}");
        assert_eq!(i64::from(view.ack_tick()), number(&expect["ack_tick"]), "tick {tick}");
        if let Some(wanted) = expect["digest"].as_i64() {
            assert_eq!(i64::from(digest(view.near())), wanted, "tick {tick}");
            let lengths = (view.near().len() as i64, view.far().len() as i64);
            assert_eq!(lengths, (number(&expect["near"]), number(&expect["far"])), "tick {tick}");
            assert_eq!(numbers(view.own().attr), expect["own_attr"], "tick {tick}");
            let events =
                if outcome(&result) == "applied" { event_rows(&view) } else { Value::Array(Vec::new()) };
            assert_eq!(events, expect["events"], "tick {tick}");
        }
    }
    let last = &sequence["final"];
    assert_eq!(i64::from(view.newest_tick()), number(&last["tick"]));
    assert_eq!(view.near(), list(&last["near"]));
    assert_eq!(far_rows(&view), rows(&last["far"]));
}
