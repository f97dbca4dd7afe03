//! What happened in view: each event once, however often a snapshot tells it.

use throng_schema::wire;

use super::{ViewError, nearest};

/// Something that happened in view: a hit, a death, a flash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Happening {
    /// Tick in which it happened.
    pub tick: u32,
    /// The game's own meaning.
    pub kind: u8,
    /// The game's own meaning.
    pub value: u16,
    /// Id of who did it; 0 for nobody.
    pub source: u32,
    /// Id of to whom; 0 for nobody.
    pub target: u32,
    /// Metres.
    pub x: f32,
    /// Metres.
    pub y: f32,
}

/// Checks that events are of ticks after the baseline, or of the snapshot's own without one, the oldest first.
pub(super) fn check(snapshot: &wire::Snapshot<'_>) -> Result<(), ViewError> {
    let mut age_max = match snapshot.baseline() {
        0 => 0,
        baseline => snapshot.tick() - baseline - 1,
    };
    for event in snapshot.events().iter().flatten() {
        let age = u32::from(event.age());
        if age > age_max {
            return Err(ViewError::Event { age: event.age() });
        }
        age_max = age;
    }
    Ok(())
}

/// Lists the events of a checked snapshot that are of ticks after `known`, of which all have been listed.
pub(super) fn list(
    snapshot: &wire::Snapshot<'_>,
    known: u32,
    own_units: [i32; 3],
    units_per_metre: f32,
    happenings: &mut Vec<Happening>,
) {
    happenings.clear();
    let metres = |axis: usize, low: i16| nearest(own_units[axis], low) as f32 / units_per_metre;
    for event in snapshot.events().iter().flatten() {
        let tick = snapshot.tick() - u32::from(event.age());
        if tick > known {
            happenings.push(Happening {
                tick,
                kind: event.kind(),
                value: event.value(),
                source: event.source(),
                target: event.target(),
                x: metres(0, event.x()),
                y: metres(1, event.y()),
            });
        }
    }
}
