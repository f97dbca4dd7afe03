//! Meaning, after form: what the verifier cannot know. Each server and client must check these the same way.

use crate::error::{HelloError, InputError, NameError, WorldError};
use crate::limits::{NAME_BYTES_MAX, TICK_HZ_MAX, TICK_HZ_MIN, UNITS_PER_METRE, VIEW_RADIUS_M_MAX};
use crate::{SCHEMA_VERSION, wire};

/// What an avatar is asked to do, as plain numbers: the wire's [`wire::Intent`] without its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IntentFields {
    /// Wanted ground direction along x; a vector longer than 1 means full speed.
    pub move_x: f32,
    /// Along y.
    pub move_y: f32,
    /// Facing, in 1/65536 of a turn counter-clockwise from +x.
    pub yaw: u16,
    /// Buttons held, by the game's own meaning.
    pub buttons: u16,
}

/// A checked input: sequence is at least 1, the movement is finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InputFields {
    /// Number of this input, from 1.
    pub sequence: u32,
    /// Newest tick that the client says it reconstructed; 0 asks for a fresh start. Not checked against any
    /// server's clock here: that is the session's business.
    pub ack_tick: u32,
    /// What the avatar shall do.
    pub intent: IntentFields,
}

/// Checks an input's meaning.
///
/// # Errors
/// Its number is 0, or its intent is absent or not finite.
#[inline]
pub fn check_input(input: &wire::Input<'_>) -> Result<InputFields, InputError> {
    if input.sequence() == 0 {
        return Err(InputError::NoSequence);
    }
    let intent = intent_fields(input.intent().ok_or(InputError::NoIntent)?);
    input_fields(InputFields { sequence: input.sequence(), ack_tick: input.ack_tick(), intent })
}

/// [`check_input`] for numbers already taken from their bytes.
#[inline]
pub(crate) fn input_fields(fields: InputFields) -> Result<InputFields, InputError> {
    if fields.sequence == 0 {
        return Err(InputError::NoSequence);
    }
    finite(fields.intent)?;
    Ok(fields)
}

/// Checks an intent's meaning: any finite movement is allowed, however long (the game clamps it).
///
/// # Errors
/// [`InputError::NotFinite`] upon NaN or infinity.
#[inline]
pub fn check_intent(intent: &wire::Intent) -> Result<IntentFields, InputError> {
    finite(intent_fields(intent))
}

fn intent_fields(i: &wire::Intent) -> IntentFields {
    IntentFields { move_x: i.move_x(), move_y: i.move_y(), yaw: i.yaw(), buttons: i.buttons() }
}

#[inline]
fn finite(intent: IntentFields) -> Result<IntentFields, InputError> {
    if intent.move_x.is_finite() && intent.move_y.is_finite() {
        Ok(intent)
    } else {
        Err(InputError::NotFinite)
    }
}

/// Checks a hello's meaning and yields the player's name.
///
/// # Errors
/// Another schema version, or a name that [`check_name`] refuses. The version is looked at first.
pub fn check_hello<'a>(hello: &wire::Hello<'a>) -> Result<&'a str, HelloError> {
    let version = hello.version();
    if version != SCHEMA_VERSION {
        return Err(HelloError::Version { found: version, needed: SCHEMA_VERSION });
    }
    let name = hello.name().unwrap_or_default();
    check_name(name)?;
    Ok(name)
}

/// Whether a name can be shown: 1 to 32 bytes, no space at either end, and no character that is invisible,
/// reorders text, or has no agreed shape. The exact set is in `PROTOCOL.md`.
///
/// # Errors
/// Which rule it breaks and where.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { found: name.len() });
    }
    for (at, found) in name.char_indices() {
        let at_an_end = at == 0 || at + found.len_utf8() == name.len();
        if !is_printable(found) || (found == ' ' && at_an_end) {
            return Err(NameError::Unprintable { found, at });
        }
    }
    Ok(())
}

/// Fixed ranges instead of a Unicode table, so that every implementation agrees whatever its Unicode version.
fn is_printable(c: char) -> bool {
    !matches!(u32::from(c),
        0x0000..=0x001F | 0x007F..=0x00A0 // controls, no-break space
        | 0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x1680 | 0x17B4..=0x17B5 | 0x180B..=0x180F
        | 0x2000..=0x200F // spaces of odd widths, zero-width, direction marks
        | 0x2028..=0x202F // line and paragraph separators, direction overrides
        | 0x205F..=0x206F | 0x2800 | 0x3000 | 0x3164
        | 0xE000..=0xF8FF // private use
        | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF
        | 0xE0000..=0x10FFFF // tags, variation selectors, private use
    ) && u32::from(c) & 0xFFFE != 0xFFFE
}

/// Checks that a client can work with a world description.
///
/// # Errors
/// Sizes that are not positive and finite, a view radius beyond what wrapped positions allow, a tick rate or
/// a position unit outside this schema's.
pub fn check_world(world: &wire::World) -> Result<(), WorldError> {
    let positive = |v: f32| v.is_finite() && v > 0.0;
    if !(positive(world.width()) && positive(world.height()) && positive(world.view_radius()))
        || world.view_radius() > VIEW_RADIUS_M_MAX as f32
    {
        return Err(WorldError::Size);
    }
    if !(TICK_HZ_MIN..=TICK_HZ_MAX).contains(&world.tick_hz()) {
        return Err(WorldError::TickRate { found: world.tick_hz() });
    }
    if i32::from(world.units_per_metre()) != UNITS_PER_METRE {
        return Err(WorldError::Units { found: world.units_per_metre() });
    }
    Ok(())
}
