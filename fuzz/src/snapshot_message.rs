//! Snapshots from a server that is not to be trusted, against the client's view and a second implementation of it.
//!
//! The script is a list of steps: flags, then either a message with its length before it, or small numbers from which
//! a well-formed message with mostly wrong records is built.

use throng_client::{Applied, Entity as ClientEntity, View, ViewError};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, NEAR_MAX};
use throng_schema::wire::{Attr, Event, Full, Moved};
use throng_schema::{peek_snapshot, read_snapshot};

use crate::bytes::Bytes;
use crate::reference::Entity;
use crate::reference::encode::{Draft, Records, digest};
use crate::reference::view::near_list;

/// Build the message from the script instead of taking it.
pub const BUILD: u8 = 1;
/// Put the size prefix right.
pub const PREFIX: u8 = 2;
/// Built: no baseline, and a world.
pub const FRESH: u8 = 4;
/// Built: carry a digest, the right one if the records make sense.
pub const DIGEST: u8 = 8;
/// Built: as many `moved` records as bits are set.
pub const COUNTED: u8 = 16;
/// Built: places in ascending order.
pub const ORDERED: u8 = 32;

const STEPS_MAX: usize = 24;

/// Runs a script; panics if the view breaks a promise or differs from the reference.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut view = View::new();
    for _ in 0..STEPS_MAX {
        let Some(flags) = script.next() else { break };
        let mut message = match flags & BUILD {
            0 => script.run().to_vec(),
            _ => build(&mut script, flags, &view),
        };
        if flags & PREFIX != 0
            && let Some(rest) = message.len().checked_sub(4)
        {
            message[..4].copy_from_slice(&(rest as u32).to_le_bytes());
        }
        apply(&mut view, &message);
    }
}

fn apply(view: &mut View, message: &[u8]) {
    let newest = view.newest_tick();
    let near_before: Vec<ClientEntity> = view.near().to_vec();
    let snapshot = read_snapshot(message);
    // After a fresh start from far behind, nothing that was is known.
    let known = if snapshot.is_ok_and(|s| s.tick() <= newest) { 0 } else { newest };
    if message.len() <= DATAGRAM_BYTES_MAX {
        assert_eq!(peek_snapshot(message).err(), snapshot.err());
    }
    // Before the view moves on: what the reference makes of it on the same baseline.
    let expected = snapshot.ok().and_then(|s| {
        let base = match s.baseline() {
            0 => Vec::new(),
            tick => view.near_at(tick)?.iter().map(plain).collect(),
        };
        Some((near_list(&base, &s), s.digest()))
    });

    let result = view.apply_bytes(message);
    assert!(view.near().len() <= NEAR_MAX);
    assert!(view.ack_tick() == 0 || view.ack_tick() == view.newest_tick());
    match result {
        Ok(Applied::Reconstructed { tick, .. }) => {
            let Some((Ok(list), told)) = expected else { panic!("applied what the reference refuses") };
            assert_eq!(view.near().iter().map(plain).collect::<Vec<_>>(), list);
            assert!(told == 0 || told == digest(&list));
            assert_eq!(view.newest_tick(), tick);
            assert!(view.events().is_sorted_by_key(|event| event.tick));
            assert!(view.events().iter().all(|event| (known + 1..=tick).contains(&event.tick)));
            assert!(view.far().iter().all(|f| f.tick <= tick && list.iter().all(|e| e.id != f.id)));
            for e in view.near() {
                let _ = view.units_of(e.x, e.y, e.z);
            }
            assert_eq!(view.apply_bytes(message), Ok(Applied::Stale), "a copy changes nothing");
        }
        Ok(Applied::Stale) => assert_eq!(view.newest_tick(), newest),
        Err(error) => {
            assert_eq!((view.newest_tick(), view.near()), (newest, near_before.as_slice()), "all or nothing");
            let _ = error.to_string();
            match error {
                ViewError::Unusable { .. } => {}
                ViewError::Gone { .. }
                | ViewError::Full { .. }
                | ViewError::TooLong { .. }
                | ViewError::Changed { .. }
                | ViewError::Attr { .. } => {
                    let expected = expected.map(|(list, _)| list);
                    assert!(matches!(expected, Some(Err(_))), "{error} where the reference finds no fault");
                }
                ViewError::Mismatch { .. } => {
                    let Some((Ok(list), told)) = expected else { panic!("compared what makes no list") };
                    assert_ne!(told, digest(&list));
                }
                _ => assert_eq!(view.ack_tick(), 0),
            }
        }
    }
}

fn plain(e: &ClientEntity) -> Entity {
    Entity { id: e.id, x: e.x, y: e.y, z: e.z, yaw: e.yaw, attr: e.attr }
}

/// A message of small numbers: most hit the edges of the short lists that they are about.
fn build(script: &mut Bytes<'_>, flags: u8, view: &View) -> Vec<u8> {
    let tick = view.newest_tick().saturating_add(u32::from(script.byte()));
    let baseline = match flags & FRESH {
        0 => tick.saturating_sub(u32::from(script.byte())),
        _ => 0,
    };
    let mut places = |step: u8| -> Vec<u16> {
        let mut at = 0_u16;
        let count = script.byte() % 12;
        (0..count)
            .map(|_| {
                let byte = u16::from(script.byte());
                at = if flags & ORDERED != 0 { at + byte % 3 + u16::from(step) } else { byte };
                at
            })
            .collect()
    };
    let gone = places(1);
    let entering = places(1);
    let attributes = places(0);
    let changed: Vec<u8> = (0..script.byte() % 5).map(|_| script.byte()).collect();
    let set: u32 = changed.iter().map(|byte| byte.count_ones()).sum();
    let moved = if flags & COUNTED != 0 { set } else { u32::from(script.byte() % 16) };
    let records = Records {
        gone,
        full: entering
            .iter()
            .map(|&index| {
                let id = u32::from(script.byte());
                Full::new(id, script.half() as i16, 7, script.half() as i16, 3, 0, index, &[id as u16; 4])
            })
            .collect(),
        changed,
        moved: (0..moved).map(|_| Moved::new(script.byte() as i8, -128, 127, script.byte())).collect(),
        attr: attributes.iter().map(|&place| Attr::new(place | script.half() & 0xc000, 77)).collect(),
    };
    let far: Vec<Entity> =
        (0..script.byte() % 4).map(|_| Entity { id: script.byte().into(), ..Entity::default() }).collect();
    let events: Vec<Event> = (0..script.byte() % 4)
        .map(|_| Event::new(1, script.byte() % 8, 2, 3, 4, script.half() as i16, script.half() as i16))
        .collect();
    let (has_attr, has_pace) = (script.byte() & 1 == 1, script.byte() & 1 == 1);
    let draft = Draft {
        tick,
        baseline,
        world: baseline == 0,
        far: &far,
        events: &events,
        own_attr: has_attr.then_some([script.half(); 4]),
        pace: has_pace.then_some([script.half(), script.byte().into()]),
        ..Draft::default()
    };
    let message = draft.build(&records, 0);
    if flags & DIGEST == 0 {
        return message;
    }
    let base: Vec<Entity> = view.near_at(baseline).unwrap_or_default().iter().map(plain).collect();
    let told = match read_snapshot(&message).map(|s| near_list(&base, &s)) {
        Ok(Ok(list)) if !script.byte().is_multiple_of(8) => digest(&list),
        _ => 0x0bad_cafe,
    };
    draft.build(&records, told)
}
