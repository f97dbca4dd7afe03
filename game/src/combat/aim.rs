//! Who is hit: reads the whole world, writes one region's list of effects.

use std::ops::Range;

use glam::Vec2;
use throng_engine::angle::direction;
use throng_engine::limits::{BLOCK_ROWS, REGION_ROWS};
use throng_engine::simd::{Kernel, dispatch};
use throng_engine::{EntityId, Slot, World};
use throng_motion::Land;

use super::rules::{drift_m, rewind_ticks_max};
use super::{Attack, CombatRules, Effect, Scratch, is_clear};
use crate::creatures::Species;
use crate::{AVATAR, CREATURE, PROJECTILE, Traits, buttons};

const ATTACKS: u16 = buttons::STRIKE | buttons::SHOOT | buttons::BLAST;

/// What [`Marks`] finds of a row.
mod mark {
    pub const ATTACKS: u8 = 1;
    pub const FLIES: u8 = 2;
}

/// Marks who acts in this tick: most rows do not, and they cost this much only.
struct Marks<'a> {
    kind: &'a [u8],
    health: &'a [u16],
    buttons: &'a [u16],
    ready_tick: &'a [u32],
    live: &'a [u16],
    tick: u32,
    marks: &'a mut [u8; REGION_ROWS],
}

impl Kernel for Marks<'_> {
    /// How many would attack but rest, and how many are dead.
    type Output = (u32, u32);

    #[inline(always)]
    fn run(self) -> (u32, u32) {
        let (mut resting, mut dead) = (0u32, 0u32);
        let blocks =
            self.kind.as_chunks::<BLOCK_ROWS>().0.iter().zip(self.health.as_chunks::<BLOCK_ROWS>().0);
        let orders =
            self.buttons.as_chunks::<BLOCK_ROWS>().0.iter().zip(self.ready_tick.as_chunks::<BLOCK_ROWS>().0);
        let marks = self.marks.as_chunks_mut::<BLOCK_ROWS>().0.iter_mut().zip(self.live);
        for (((kind, health), (buttons, ready_tick)), (marks, &live)) in blocks.zip(orders).zip(marks) {
            for row in 0..BLOCK_ROWS {
                let is_live = live >> row & 1 == 1;
                let is_able = kind[row] == AVATAR || kind[row] == CREATURE;
                let wants = is_live & is_able & (buttons[row] & ATTACKS != 0);
                let (lives, rests) = (health[row] != 0, ready_tick[row] > self.tick);
                let attacks = wants & lives & !rests;
                let flies = is_live & (kind[row] == PROJECTILE);
                marks[row] = (u8::from(attacks) * mark::ATTACKS) | (u8::from(flies) * mark::FLIES);
                resting = resting.wrapping_add(u32::from(wants & lives & rests));
                dead = dead.wrapping_add(u32::from(wants & !lives));
            }
        }
        (resting, dead)
    }
}

fn attacked(row: usize, attack: Attack, rest_ticks: u32, hits: u16) -> Effect {
    Effect::Attacked { row: row as u32, attack, rest_ticks, hits }
}

/// All that an attack may look at.
pub(super) struct Scene<'a> {
    pub world: &'a World<Traits>,
    pub land: &'a Land,
    pub species: &'a [Species],
    pub rules: &'a CombatRules,
    pub tick: u32,
    kind: &'a [u8],
    health: &'a [u16],
    live: &'a [u16],
    x: &'a [f32],
    y: &'a [f32],
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        world: &'a World<Traits>,
        land: &'a Land,
        species: &'a [Species],
        rules: &'a CombatRules,
    ) -> Self {
        Self {
            world,
            land,
            species,
            rules,
            tick: world.tick(),
            // What is asked of everybody who is near: as slices, for a column finds its own at each question.
            kind: &world.game.kind,
            health: &world.game.health,
            live: world.live(),
            x: &world.body.x,
            y: &world.body.y,
        }
    }
}

impl Scene<'_> {
    /// One region's attackers and projectiles, in the order of their rows.
    pub(super) fn resolve(&self, rows: Range<usize>, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let game = &self.world.game;
        let mut marks = [0; REGION_ROWS];
        let (resting, dead) = dispatch(
            self.world.level(),
            Marks {
                kind: &game.kind[rows.clone()],
                health: &game.health[rows.clone()],
                buttons: &game.buttons[rows.clone()],
                ready_tick: &game.ready_tick[rows.clone()],
                live: &self.world.live()[rows.start / BLOCK_ROWS..rows.end / BLOCK_ROWS],
                tick: self.tick,
                marks: &mut marks,
            },
        );
        scratch.counts.refused_resting += u64::from(resting);
        scratch.counts.refused_dead += u64::from(dead);
        for (block, marks) in marks.as_chunks::<BLOCK_ROWS>().0.iter().enumerate() {
            if u128::from_ne_bytes(*marks) == 0 {
                continue;
            }
            for (row, mark) in marks.iter().enumerate().filter(|(_, mark)| **mark != 0) {
                let row = rows.start + block * BLOCK_ROWS + row;
                match *mark {
                    mark::FLIES => self.fly(row, effects, scratch),
                    _ => self.attack(row, effects, scratch),
                }
            }
        }
    }

    fn attack(&self, row: usize, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let (kind, held) = (self.world.game.kind[row], self.world.game.buttons[row]);
        if kind == CREATURE {
            self.bite(row, effects, scratch);
        } else if held & buttons::STRIKE != 0 {
            self.strike(row, effects, scratch);
        } else if held & buttons::SHOOT != 0 {
            let attack = Attack::Shot { flight_ticks: self.flight_ticks(row, scratch) };
            effects.push(attacked(row, attack, self.rules.shot_rest_ticks, 0));
        } else {
            self.blast(row, effects, scratch);
        }
    }

    /// Whoever is nearest in front, within reach, where the attacker's client showed them.
    fn strike(&self, row: usize, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let rules = self.rules;
        let (here, then) = (self.place(row), self.seen_tick(row, scratch));
        let (cos, sin) = direction(self.world.body.yaw[row]);
        let ahead = Vec2::new(cos, sin);
        let is_hit = |away: Vec2, distance: f32| away.dot(ahead) >= rules.strike_cos * distance;
        self.aim(row, here, rules.strike_reach_m, then, is_hit, scratch);
        let most = rules.strike_targets_max as usize;
        let points = rules.at_level(rules.strike_points, self.world.game.level[row]);
        let hits = self.hit_nearest(row, here, here, then, most, |_| points, effects, scratch);
        effects.push(attacked(row, Attack::Strike, rules.strike_rest_ticks, hits));
    }

    /// Everybody around a place ahead; less towards the rim.
    fn blast(&self, row: usize, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let rules = self.rules;
        let (here, middle) = (self.place(row), self.blast_middle(row));
        let mut hits = 0;
        if is_clear(self.land, here, middle) {
            let then = self.seen_tick(row, scratch);
            self.aim(row, middle, rules.blast_radius_m, then, |_, _| true, scratch);
            let most = rules.blast_targets_max as usize;
            let full = rules.at_level(rules.blast_points, self.world.game.level[row]);
            let points = |distance: f32| {
                ((f32::from(full) * (1.0 - 0.5 * distance / rules.blast_radius_m)) as u16).max(1)
            };
            hits = self.hit_nearest(row, middle, middle, then, most, points, effects, scratch);
        } else {
            scratch.counts.blocked += 1;
        }
        effects.push(attacked(row, Attack::Blast, rules.blast_rest_ticks, hits));
    }

    /// The middle of a blast by who is in `row`.
    pub(super) fn blast_middle(&self, row: usize) -> Vec2 {
        let (cos, sin) = direction(self.world.body.yaw[row]);
        self.place(row) + Vec2::new(cos, sin) * self.rules.blast_ahead_m
    }

    /// A creature knows whom it is after, sees the present and faces as it likes.
    fn bite(&self, row: usize, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let (world, game) = (self.world, &self.world.game);
        let target = world.slot(EntityId::from_bits(game.target[row])).map(Slot::row);
        let (Some(species), Some(target)) = (self.species.get(usize::from(game.species[row])), target) else {
            scratch.counts.refused_gone += 1;
            return;
        };
        let (here, there) = (self.place(row), self.place(target));
        if here.distance_squared(there) > species.reach_m * species.reach_m
            || !self.may_hurt(CREATURE, row, target)
        {
            scratch.counts.refused_gone += 1;
            return;
        }
        let mut hits = 0;
        if is_clear(self.land, here, there) {
            let points = self.rules.at_level(species.points, game.level[row]);
            effects.push(Effect::Blow { row: target as u32, source: self.bits(row), points });
            hits = 1;
        } else {
            scratch.counts.blocked += 1;
        }
        effects.push(attacked(row, Attack::Bite, species.rest_ticks, hits));
    }

    /// Fills `aims` with those within `reach_m` of `middle` at tick `then` whom `is_hit` takes by their offset and
    /// distance.
    ///
    /// Asks for who is near now, by as much more as they may have walked since: so whoever has changed rows meanwhile is
    /// found by its row of today, and the past is read for candidates only.
    fn aim(
        &self,
        row: usize,
        middle: Vec2,
        reach_m: f32,
        then: u32,
        is_hit: impl Fn(Vec2, f32) -> bool,
        scratch: &mut Scratch,
    ) {
        let ticks = self.tick.saturating_sub(then);
        let around_m = reach_m + drift_m(ticks, self.world.config().tick_hz);
        let Scratch { found, aims, .. } = scratch;
        aims.clear();
        let kind = self.world.game.kind[row];
        for &other in self.world.within(middle.x, middle.y, around_m, found) {
            if !self.may_hurt(kind, row, other as usize) {
                continue;
            }
            let away = self.place_at(other, then) - middle;
            let distance2 = away.length_squared();
            if distance2 <= reach_m * reach_m && is_hit(away, distance2.sqrt()) {
                // A float that is not negative is ordered as its bits are.
                aims.push(u64::from(distance2.to_bits()) << 32 | u64::from(other));
            }
        }
    }

    /// Blows at the nearest `most` of `aims` to which the line from `from` is clear; returns how many.
    #[allow(clippy::too_many_arguments)] // A record of them would be built once and read once.
    fn hit_nearest(
        &self,
        row: usize,
        from: Vec2,
        middle: Vec2,
        then: u32,
        most: usize,
        points: impl Fn(f32) -> u16,
        effects: &mut Vec<Effect>,
        scratch: &mut Scratch,
    ) -> u16 {
        let Scratch { aims, counts, .. } = scratch;
        let source = self.bits(row);
        // As many walls again as hits: what a crowd behind a wall costs is bounded.
        let tries = 2 * most;
        if aims.len() > tries {
            aims.select_nth_unstable(tries);
            aims.truncate(tries);
        }
        aims.sort_unstable();
        let mut hits = 0;
        for &aim in &aims[..] {
            let there = self.place_at(aim as u32, then);
            if !is_clear(self.land, from, there) {
                counts.blocked += 1;
                continue;
            }
            effects.push(Effect::Blow { row: aim as u32, source, points: points(there.distance(middle)) });
            hits += 1;
            if usize::from(hits) == most {
                break;
            }
        }
        hits
    }

    /// Whether somebody of `kind` in `row` may hurt who is in row `other`.
    pub(super) fn may_hurt(&self, kind: u8, row: usize, other: usize) -> bool {
        let is_foe = match (kind, self.kind[other]) {
            (AVATAR, CREATURE) | (CREATURE, AVATAR) => true,
            (AVATAR, AVATAR) => self.rules.pvp,
            _ => false,
        };
        // Whoever has left in this tick was still there at the published one.
        let is_live = self.live[other / BLOCK_ROWS] >> (other % BLOCK_ROWS) & 1 == 1;
        is_foe && is_live && self.health[other] != 0 && other != row
    }

    /// The tick at which an attacker saw the others: what its client says, within bounds. Creatures see the present.
    fn seen_tick(&self, row: usize, scratch: &mut Scratch) -> u32 {
        let newest = self.tick.saturating_sub(1);
        let oldest = newest.saturating_sub(rewind_ticks_max(self.world.config().tick_hz));
        let shown = self.world.game.shown_tick[row];
        scratch.counts.rewinds_cut += u64::from(shown < oldest);
        shown.clamp(oldest, newest)
    }

    /// Where who is in a row is, metres.
    pub(super) fn place(&self, row: usize) -> Vec2 {
        Vec2::new(self.x[row], self.y[row])
    }

    /// Where who is in a row was at a tick; where it is, when it came to that row later.
    fn place_at(&self, row: u32, tick: u32) -> Vec2 {
        self.world
            .place_at(Slot(row), tick)
            .map_or_else(|| self.place(row as usize), |[x, y, _]| Vec2::new(x, y))
    }

    pub(super) fn bits(&self, row: usize) -> u32 {
        self.world.id_at(Slot(row as u32)).to_bits()
    }
}
