//! Meaning, after form: what the verifier cannot know. Each server and client must check these the same way.

use crate::error::{CommandError, HelloError, InputError, NameError, TextError, WorldError};
use crate::limits::{
    CHARACTER_NAME_BYTES_MAX, INTENTS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, TICK_HZ_MAX, TICK_HZ_MIN,
    UNITS_PER_METRE, VIEW_RADIUS_M_MAX,
};
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

/// A checked input: sequence is at least 1, all movements are finite. It brings its own intent and those of inputs
/// before it, for what one datagram lost the next one brings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InputFields {
    /// Number of this input, from 1.
    pub sequence: u32,
    /// Newest tick that the client says it reconstructed; 0 asks for a fresh start. Not checked against any
    /// server's clock here: that is the session's business.
    pub ack_tick: u32,
    /// Tick at which the client says it showed the others; `ack_tick` when it does not say. Not checked either.
    pub shown_tick: u32,
    /// The newest first; behind `count` all zero.
    intents: [IntentFields; INTENTS_MAX],
    count: u8,
}

impl InputFields {
    /// An input of these intents, the newest first. At most [`INTENTS_MAX`] are taken, and none that would be numbered
    /// below 1. Nothing is checked.
    #[inline]
    pub fn new(sequence: u32, ack_tick: u32, shown_tick: u32, intents: &[IntentFields]) -> Self {
        let count = intents.len().min(INTENTS_MAX).min(sequence as usize);
        let shown_tick = if shown_tick == 0 { ack_tick } else { shown_tick };
        let mut fields = Self { sequence, ack_tick, shown_tick, count: count as u8, ..Self::NONE };
        fields.intents[..count].copy_from_slice(&intents[..count]);
        fields
    }

    /// No input: sequence 0.
    pub const NONE: Self = {
        let intent = IntentFields { move_x: 0.0, move_y: 0.0, yaw: 0, buttons: 0 };
        Self { sequence: 0, ack_tick: 0, shown_tick: 0, intents: [intent; INTENTS_MAX], count: 0 }
    };

    /// The newest intent: that of input `sequence`.
    #[inline]
    pub fn intent(&self) -> IntentFields {
        self.intents[0]
    }

    /// The intents, the newest first: that of input `sequence`, of `sequence - 1` ...
    #[inline]
    pub fn intents(&self) -> &[IntentFields] {
        &self.intents[..usize::from(self.count)]
    }

    /// The intents with the numbers of their inputs, the oldest first: the order in which they are applied.
    #[inline]
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (u32, IntentFields)> {
        // Never below 1: no more intents are kept.
        let sequence = self.sequence;
        self.intents().iter().enumerate().rev().map(move |(age, intent)| (sequence - age as u32, *intent))
    }
}

/// Checks an input's meaning.
///
/// # Errors
/// Its number is 0, its intent is absent, or one of its intents is not finite. Past intents beyond [`INTENTS_MAX`] and
/// those that would be numbered below 1 are not looked at.
#[inline]
pub fn check_input(input: &wire::Input<'_>) -> Result<InputFields, InputError> {
    if input.sequence() == 0 {
        return Err(InputError::NoSequence);
    }
    let newest = intent_fields(input.intent().ok_or(InputError::NoIntent)?);
    let (mut intents, mut count) = ([newest; INTENTS_MAX], 1);
    for (place, past) in intents[1..].iter_mut().zip(input.past().unwrap_or_default()) {
        *place = intent_fields(past);
        count += 1;
    }
    let (ack_tick, shown_tick) = (input.ack_tick(), input.shown_tick());
    input_fields(InputFields::new(input.sequence(), ack_tick, shown_tick, &intents[..count]))
}

/// [`check_input`] for numbers already taken from their bytes.
#[inline]
pub(crate) fn input_fields(fields: InputFields) -> Result<InputFields, InputError> {
    if fields.sequence == 0 {
        return Err(InputError::NoSequence);
    }
    // Times zero, a finite number is zero and anything else is not: one sum instead of a branch for each.
    let nothing = |sum, intent: &IntentFields| sum + intent.move_x * 0.0 + intent.move_y * 0.0;
    match fields.intents().iter().fold(0.0, nothing) == 0.0 {
        true => Ok(fields),
        false => Err(InputError::NotFinite),
    }
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
    match first_unprintable(name, true) {
        Some((at, found)) => Err(NameError::Unprintable { found, at }),
        None => Ok(()),
    }
}

/// Whether a text can be shown: at most 256 bytes, and no character that [`check_name`] refuses. Spaces may be anywhere.
///
/// # Errors
/// Which rule it breaks and where.
pub fn check_text(text: &str) -> Result<(), TextError> {
    shown(text, TEXT_BYTES_MAX, false)
}

fn shown(text: &str, most: usize, is_name: bool) -> Result<(), TextError> {
    if text.len() > most {
        return Err(TextError::TooLong { found: text.len(), most });
    }
    match first_unprintable(text, is_name) {
        Some((at, found)) => Err(TextError::Unprintable { found, at }),
        None => Ok(()),
    }
}

/// The first character that cannot be shown, and its byte. A name has no space at its ends.
fn first_unprintable(text: &str, is_name: bool) -> Option<(usize, char)> {
    let at_an_end = |at, c: char| at == 0 || at + c.len_utf8() == text.len();
    text.char_indices().find(|&(at, c)| !is_printable(c) || (is_name && c == ' ' && at_an_end(at, c)))
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

/// A command, as plain numbers and texts. Which of them count depends on the verb: see [`wire::Verb`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandFields<'m> {
    /// Drawn by the client for a command of value, which takes effect at most once by it; 0 when absent.
    pub id: u128,
    /// What is asked for.
    pub verb: wire::Verb,
    /// An entity's id as the client knows it.
    pub entity: u32,
    /// Number of a kind of thing, or of a zone.
    pub item: u32,
    /// How many.
    pub quantity: u32,
    /// Never negative once checked.
    pub money: i64,
    /// Of a trade.
    pub revision: u32,
    /// Empty when absent.
    pub text: &'m str,
    /// Empty when absent.
    pub name: &'m str,
}

/// The number by which a command's answer names it; 0 when it has none. For answering one that
/// [`check_command`] refuses.
pub fn command_id(command: &wire::Command<'_>) -> u128 {
    id_fields(command.id())
}

fn id_fields(id: Option<&wire::CommandId>) -> u128 {
    id.map_or(0, |id| u128::from(id.high()) << 64 | u128::from(id.low()))
}

/// Checks a command's meaning, as far as it can be told without the world.
///
/// # Errors
/// A verb that this schema does not have, negative money, a text that [`check_text`] refuses, or a name of more than 47
/// bytes or with what [`check_name`] refuses in it.
pub fn check_command<'m>(command: &wire::Command<'m>) -> Result<CommandFields<'m>, CommandError> {
    let fields = CommandFields {
        id: command_id(command),
        verb: command.verb(),
        entity: command.entity(),
        item: command.item(),
        quantity: command.quantity(),
        money: command.money(),
        revision: command.revision(),
        text: command.text().unwrap_or_default(),
        name: command.name().unwrap_or_default(),
    };
    if !(wire::Verb::Buy.0..=wire::Verb::ENUM_MAX).contains(&fields.verb.0) {
        return Err(CommandError::Verb { found: fields.verb.0 });
    }
    if fields.money < 0 {
        return Err(CommandError::Negative);
    }
    check_text(fields.text)?;
    shown(fields.name, CHARACTER_NAME_BYTES_MAX, true).map_err(CommandError::Name)?;
    Ok(fields)
}

/// A notice, as plain numbers and texts. Which of them count depends on what is told: see [`wire::Told`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeFields<'m> {
    /// Of the command that this answers; 0 when nobody asked.
    pub id: u128,
    /// Tick in which it was so.
    pub tick: u32,
    /// What is told. Clients pass over what they do not know.
    pub told: wire::Told,
    /// What became of the command.
    pub outcome: wire::Outcome,
    /// An entity's id.
    pub entity: u32,
    /// Number of a kind of thing, or of a zone.
    pub item: u32,
    /// How many.
    pub quantity: u32,
    /// An amount, or experience.
    pub money: i64,
    /// Of a trade.
    pub revision: u32,
    /// Empty when absent.
    pub text: &'m str,
    /// Empty when absent.
    pub name: &'m str,
}

/// Checks that a notice's texts can be shown.
///
/// # Errors
/// As [`check_command`] for text and name.
pub fn check_notice<'m>(notice: &wire::Notice<'m>) -> Result<NoticeFields<'m>, TextError> {
    let fields = NoticeFields {
        id: id_fields(notice.id()),
        tick: notice.tick(),
        told: notice.told(),
        outcome: notice.outcome(),
        entity: notice.entity(),
        item: notice.item(),
        quantity: notice.quantity(),
        money: notice.money(),
        revision: notice.revision(),
        text: notice.text().unwrap_or_default(),
        name: notice.name().unwrap_or_default(),
    };
    check_text(fields.text)?;
    shown(fields.name, CHARACTER_NAME_BYTES_MAX, true)?;
    Ok(fields)
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
