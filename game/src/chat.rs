//! What players say: who hears it, how often they may speak, and what is text at all.

use throng_engine::{Digest, Found, World};

use crate::characters::{Character, Characters, MUTED_MAX};
use crate::notices::{Hearing, Notices};
use crate::players::{Player, Players};
use crate::{AVATAR, AccountId, GameCounters, Outcome, PlayerId, Rules, Traits};

/// Longest text, bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// How far a voice carries, metres.
pub const SAY_RADIUS_M: f32 = 30.0;

/// Most players that are told what one says: in a crowd those who stand nearest. A thousand players talking at once
/// on one spot would otherwise be a million notices.
pub const SAY_HEARERS_MAX: usize = 64;

/// How often something may be done: once in `interval_ticks`, and `burst` times at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub interval_ticks: u32,
    pub burst: u32,
}

/// A token bucket whose clock is the tick: the tick at which it will be full. (The generic cell rate algorithm of
/// ITU-T I.371: one number, and nothing to refill.)
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_tick: u32,
}

impl Bucket {
    /// Whether there is a token.
    pub fn has(self, tick: u32, rate: Rate) -> bool {
        self.full_tick.saturating_sub(tick) <= rate.interval_ticks * (rate.burst - 1)
    }

    /// Takes a token; `false` when there is none.
    pub fn take(&mut self, tick: u32, rate: Rate) -> bool {
        let has = self.has(tick, rate);
        if has {
            self.full_tick = self.full_tick.max(tick) + rate.interval_ticks;
        }
        has
    }
}

/// The buckets of one character.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budgets {
    pub commands: Bucket,
    pub drops: Bucket,
    /// Questions whether somebody wants to trade.
    pub asks: Bucket,
    talk: Bucket,
    shouts: Bucket,
}

impl Budgets {
    pub fn digest(&self, digest: &mut Digest) {
        let Self { commands, drops, asks, talk, shouts } = self;
        digest.push(asks.full_tick.into());
        digest.push(u64::from(commands.full_tick) << 32 | u64::from(drops.full_tick));
        digest.push(u64::from(talk.full_tick) << 32 | u64::from(shouts.full_tick));
    }
}

/// The rates of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    /// Of one player, near or to one other.
    talk: Rate,
    /// Of one player, to all.
    shout: Rate,
    /// Of all players together, to all.
    shouts: Rate,
}

/// Speech of a whole realm.
#[derive(Debug)]
pub(crate) struct Chat {
    rates: Rates,
    pub shouts: Bucket,
    /// When somebody last shouted.
    shouted_tick: u32,
    found: Found,
    /// Squared distance in bits, and who.
    hearers: Vec<(u32, PlayerId)>,
}

/// Whether it is one line of text, not empty and not too long. What looks like a space but is no character of one
/// line (line ends, tabs), or turns the direction of writing around so that a line reads as another's, is none.
pub(crate) fn is_text(text: &str) -> bool {
    let is_line = |symbol: char| {
        let turns =
            matches!(symbol, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !symbol.is_control() && !turns && symbol != '\u{feff}'
    };
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.chars().all(is_line) && !text.trim().is_empty()
}

/// What speaking needs to see of the game.
pub(crate) struct Audience<'a> {
    pub world: &'a World<Traits>,
    pub players: &'a Players,
    pub characters: &'a mut Characters,
    pub notices: &'a mut Notices,
    pub counters: &'a mut GameCounters,
}

impl Chat {
    pub fn new(tick_hz: u16, rules: &Rules) -> Self {
        let rates = Rates {
            talk: Rate { interval_ticks: tick_hz.into(), burst: 5 },
            shout: Rate { interval_ticks: rules.shout_ticks, burst: 2 },
            shouts: Rate { interval_ticks: rules.shouts_ticks, burst: 10 },
        };
        // As many as may hear, and as many again that are left out.
        let hearers = Vec::with_capacity(2 * SAY_HEARERS_MAX);
        Self { rates, shouts: Bucket::default(), shouted_tick: 0, found: Found::default(), hearers }
    }

    pub fn digest(&self, digest: &mut Digest) {
        digest.push(u64::from(self.shouted_tick) << 32 | u64::from(self.shouts.full_tick));
    }

    /// To everybody near.
    pub fn say(&mut self, from: PlayerId, text: &str, audience: Audience<'_>) -> Outcome {
        let Audience { world, players, characters, notices, counters } = audience;
        let tick = world.tick();
        let Some(speaker) = players.get(from) else { return Outcome::Gone };
        if !characters.get_mut(speaker.character).budgets.talk.take(tick, self.rates.talk) {
            return Outcome::TooFast;
        }
        let Some(slot) = world.slot(speaker.avatar) else { return Outcome::Gone };
        let (x, y) = (world.body.x[slot.row()], world.body.y[slot.row()]);
        let (avatar, speaker) = (speaker.avatar, characters.get(speaker.character));
        let heard = notices.say(Hearing::Said, avatar.to_bits(), &speaker.name, text);
        let near = world.within(x, y, SAY_RADIUS_M, &mut self.found).iter().map(|row| *row as usize);
        let avatars = near.filter(|row| world.game.kind[*row] == AVATAR);
        self.hearers.clear();
        self.hearers.extend(avatars.map(|row| {
            let (dx, dy) = (world.body.x[row] - x, world.body.y[row] - y);
            // The bits of floats that are not negative are ordered as they are.
            ((dx * dx + dy * dy).to_bits(), PlayerId(world.game.owner[row]))
        }));
        if self.hearers.len() > SAY_HEARERS_MAX {
            counters.say_cut += 1;
            self.hearers.select_nth_unstable(SAY_HEARERS_MAX);
            self.hearers.truncate(SAY_HEARERS_MAX);
        }
        // In an order that does not depend on how a selection shuffles.
        self.hearers.sort_unstable();
        for &(_, hearer) in &self.hearers {
            if may_hear(players, characters, hearer, speaker) {
                notices.hear(hearer, &heard);
            }
        }
        Outcome::Done
    }

    /// To the whole realm. One in a tick: each is as many notices as there are players.
    pub fn shout(&mut self, from: PlayerId, text: &str, audience: Audience<'_>) -> Outcome {
        let Audience { world, players, characters, notices, .. } = audience;
        let tick = world.tick();
        let Some(speaker) = players.get(from) else { return Outcome::Gone };
        let own = &mut characters.get_mut(speaker.character).budgets.shouts;
        // What the realm does not bear costs the speaker nothing.
        let is_borne = self.shouted_tick != tick && self.shouts.has(tick, self.rates.shouts);
        if !is_borne || !own.take(tick, self.rates.shout) {
            return Outcome::TooFast;
        }
        self.shouted_tick = tick;
        self.shouts.take(tick, self.rates.shouts);
        let (avatar, speaker) = (speaker.avatar, characters.get(speaker.character));
        let heard = notices.say(Hearing::Shouted, avatar.to_bits(), &speaker.name, text);
        for (hearer, player) in players.iter() {
            if player.is_connected && !characters.get(player.character).muted.contains(&speaker.id) {
                notices.hear(hearer, &heard);
            }
        }
        Outcome::Done
    }

    /// To one player.
    pub fn whisper(&mut self, from: PlayerId, to: &str, text: &str, audience: Audience<'_>) -> Outcome {
        let Audience { world, players, characters, notices, .. } = audience;
        let Some(speaker) = players.get(from) else { return Outcome::Gone };
        if !characters.get_mut(speaker.character).budgets.talk.take(world.tick(), self.rates.talk) {
            return Outcome::TooFast;
        }
        let (avatar, speaker) = (speaker.avatar, characters.get(speaker.character));
        let Some(hearer) = characters.by_name(to).and_then(|index| characters.get(index).player) else {
            return Outcome::Gone;
        };
        if hearer == from {
            return Outcome::Oneself;
        }
        if !players.get(hearer).is_some_and(|player| player.is_connected) {
            return Outcome::Gone;
        }
        if !may_hear(players, characters, hearer, speaker) {
            return Outcome::Muted;
        }
        let heard = notices.say(Hearing::Whispered, avatar.to_bits(), &speaker.name, text);
        notices.hear(hearer, &heard);
        Outcome::Done
    }
}

fn may_hear(players: &Players, characters: &Characters, hearer: PlayerId, speaker: &Character) -> bool {
    players.get(hearer).is_some_and(|player: &Player| {
        player.is_connected && !characters.get(player.character).muted.contains(&speaker.id)
    })
}

/// Hears a character no more, or again.
pub(crate) fn mute(characters: &mut Characters, listener: AccountId, name: &str, is_muted: bool) -> Outcome {
    let Some(other) = characters.by_name(name) else { return Outcome::Gone };
    if other == listener {
        return Outcome::Oneself;
    }
    let id = characters.get(other).id;
    let muted = &mut characters.get_mut(listener).muted;
    let place = muted.iter().position(|known| *known == id);
    match (place, is_muted) {
        (None, true) if muted.len() == MUTED_MAX => return Outcome::Full,
        (None, true) => muted.push(id),
        (Some(place), false) => {
            muted.swap_remove(place);
        }
        _ => {}
    }
    Outcome::Done
}
