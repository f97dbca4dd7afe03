//! What creatures decide.

use glam::Vec2;
use throng_engine::angle::{Yaw, direction, facing};
use throng_engine::limits::{BLOCK_ROWS, VIEW_RADIUS_M_MAX};
use throng_engine::simd::{Kernel, dispatch};
use throng_engine::{Random, Slot, World};
use throng_motion::Land;

use super::{CALM_TICKS, Effect, FOLLOW_TICKS, Species, THINK_TICKS, mood, prey};
use crate::combat::is_clear;
use crate::{AVATAR, CREATURE, SPEED_MAX_M_S, Traits, buttons};

/// Creatures notice players this much before they may be near enough, metres: see [`CALM_TICKS`].
const AHEAD_M: f32 = SPEED_MAX_M_S * CALM_TICKS as f32 / 20.0;
/// Home is this near, metres; more than a creature walks between two thoughts.
const HOME_M: f32 = 3.0;
/// A target that is so many times as far as it would be noticed is lost.
const LOST: f32 = 2.0;
/// And never nearer than this, metres: creatures that notice nobody chase whoever hits them.
const LOST_M_MIN: f32 = 30.0;
/// It bites from this share of its reach, so that a target that walks away is still in reach when the jaws close.
const REACH_SHARE: f32 = 0.9;

/// The players near a block of creatures: blocks of rows, of which those who are no players, or not near, lie at infinity.
#[derive(Debug)]
pub(super) struct Scratch {
    x: Vec<[f32; BLOCK_ROWS]>,
    y: Vec<[f32; BLOCK_ROWS]>,
    blocks: Vec<u32>,
}

impl Scratch {
    /// With room for as many as are usually near.
    pub(super) fn usual() -> Self {
        let room = 256;
        let (x, y) = (Vec::with_capacity(room), Vec::with_capacity(room));
        Self { x, y, blocks: Vec::with_capacity(room) }
    }

    fn clear(&mut self) {
        self.x.clear();
        self.y.clear();
        self.blocks.clear();
    }
}

/// One region's minds, by row from its first.
pub(super) struct Rows<'a> {
    pub mood: &'a mut [u8],
    pub target: &'a mut [u32],
    pub think_tick: &'a mut [u32],
    pub wish_x: &'a mut [f32],
    pub wish_y: &'a mut [f32],
    pub yaw: &'a mut [Yaw],
    pub buttons: &'a mut [u16],
}

/// One creature's mind while it thinks.
#[derive(Clone, Copy)]
struct Mind {
    mood: u8,
    target: u32,
    wish: Vec2,
    yaw: Yaw,
    buttons: u16,
}

impl Rows<'_> {
    fn mind(&self, index: usize) -> Mind {
        let wish = Vec2::new(self.wish_x[index], self.wish_y[index]);
        Mind {
            mood: self.mood[index],
            target: self.target[index],
            wish,
            yaw: self.yaw[index],
            buttons: self.buttons[index],
        }
    }

    fn set_mind(&mut self, index: usize, mind: Mind) {
        self.mood[index] = mind.mood;
        self.target[index] = mind.target;
        (self.wish_x[index], self.wish_y[index]) = (mind.wish.x, mind.wish.y);
        self.yaw[index] = mind.yaw;
        self.buttons[index] = mind.buttons;
    }
}

impl Mind {
    /// Wants to go `way`, at most as fast as `speed_m_s`.
    fn go(&mut self, way: Vec2, speed_m_s: f32) {
        let length = way.length();
        if length > 0.0 {
            self.wish = way * ((speed_m_s / SPEED_MAX_M_S).min(1.0) / length);
            self.yaw = facing(way.x, way.y);
        } else {
            self.wish = Vec2::ZERO;
        }
    }

    fn enter(&mut self, mood: u8, target: u32) {
        (self.mood, self.target, self.buttons) = (mood, target, 0);
    }
}

/// The least of the squared distances to a place.
struct Nearest<'a> {
    x: &'a [[f32; BLOCK_ROWS]],
    y: &'a [[f32; BLOCK_ROWS]],
    at: Vec2,
}

impl Nearest<'_> {
    /// Of a row. Not negative, so ordered as its bits are; and a minimum of integers becomes vector code.
    #[inline(always)]
    fn square(&self, x: f32, y: f32) -> u32 {
        let (dx, dy) = (x - self.at.x, y - self.at.y);
        (dx * dx + dy * dy).to_bits()
    }

    /// The first row with this squared distance.
    fn find(&self, square: f32) -> Option<usize> {
        let mut places = self.x.as_flattened().iter().zip(self.y.as_flattened());
        places.position(|(x, y)| self.square(*x, *y) == square.to_bits())
    }
}

impl Kernel for &Nearest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let mut least = [u32::MAX >> 1; BLOCK_ROWS];
        for (x, y) in self.x.iter().zip(self.y) {
            for row in 0..BLOCK_ROWS {
                least[row] = least[row].min(self.square(x[row], y[row]));
            }
        }
        f32::from_bits(least.into_iter().fold(u32::MAX >> 1, u32::min))
    }
}

/// Copies the living players within a circle.
struct LookAround<'a, B> {
    blocks: B,
    world: &'a World<Traits>,
    middle: Vec2,
    radius_m: f32,
    scratch: &'a mut Scratch,
}

impl<B: Iterator<Item = usize>> Kernel for LookAround<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { world, middle, radius_m, scratch, .. } = self;
        let (body, game) = (&world.body, &world.game);
        let rows = |block: usize| block * BLOCK_ROWS..(block + 1) * BLOCK_ROWS;
        for block in self.blocks {
            let live = world.live()[block];
            let (Some(x), Some(y)) = (
                body.x[rows(block)].first_chunk::<BLOCK_ROWS>(),
                body.y[rows(block)].first_chunk::<BLOCK_ROWS>(),
            ) else {
                continue;
            };
            let (Some(kind), Some(health)) = (
                game.kind[rows(block)].first_chunk::<BLOCK_ROWS>(),
                game.health[rows(block)].first_chunk::<BLOCK_ROWS>(),
            ) else {
                continue;
            };
            let (mut seen_x, mut any) = ([f32::INFINITY; BLOCK_ROWS], 0);
            for row in 0..BLOCK_ROWS {
                let (dx, dy) = (x[row] - middle.x, y[row] - middle.y);
                let is_near = dx * dx + dy * dy <= radius_m * radius_m;
                let is_player = (kind[row] == AVATAR) & (health[row] != 0) & (live >> row & 1 == 1);
                seen_x[row] = if is_player & is_near { x[row] } else { f32::INFINITY };
                any |= u32::from(is_player & is_near);
            }
            if any != 0 {
                scratch.x.push(seen_x);
                scratch.y.push(*y);
                scratch.blocks.push(block as u32);
            }
        }
    }
}

/// All that a thought may look at.
pub(super) struct Scene<'a> {
    pub world: &'a World<Traits>,
    pub land: &'a Land,
    pub species: &'a [Species],
    pub tick: u32,
    pub think_divisor: u32,
    pub random: Random,
    /// How far the sharpest species notices.
    pub notice_m: f32,
}

impl Scene<'_> {
    /// One region, block by block; `first` is its first row.
    pub(super) fn region(
        &self,
        first: usize,
        minds: &mut Rows<'_>,
        effects: &mut Vec<Effect>,
        scratch: &mut Scratch,
    ) {
        let blocks = minds.mood.len() / BLOCK_ROWS;
        for block in 0..blocks {
            let turn = self.tick.wrapping_add((first / BLOCK_ROWS + block) as u32);
            if turn.is_multiple_of(THINK_TICKS) {
                self.think(first, block * BLOCK_ROWS, minds, effects, scratch);
            }
            if turn.is_multiple_of(FOLLOW_TICKS) {
                self.follow(first, block * BLOCK_ROWS, turn, minds);
            }
        }
    }

    /// Those of a block whose time has come.
    fn think(
        &self,
        first: usize,
        block: usize,
        minds: &mut Rows<'_>,
        effects: &mut Vec<Effect>,
        scratch: &mut Scratch,
    ) {
        let game = &self.world.game;
        let live = self.world.live()[(first + block) / BLOCK_ROWS];
        if live == 0 {
            return;
        }
        let mut thinkers = [0; BLOCK_ROWS];
        let mut count = 0;
        let (mut least, mut most) = (Vec2::INFINITY, Vec2::NEG_INFINITY);
        for index in block..block + BLOCK_ROWS {
            let row = first + index;
            let is_live = live >> (row % BLOCK_ROWS) & 1 == 1;
            if !is_live || game.kind[row] != CREATURE || minds.think_tick[index] > self.tick {
                continue;
            }
            if game.health[row] == 0 {
                if (1..=self.tick).contains(&game.expire_tick[row]) {
                    effects.push(Effect::Stand { row: row as u32 });
                }
                continue;
            }
            (thinkers[count], count) = (index, count + 1);
            (least, most) = (least.min(self.place(row)), most.max(self.place(row)));
        }
        if count == 0 {
            return;
        }
        self.look_around((least + most) * 0.5, (most - least).length() * 0.5, scratch);
        let pause_ticks = if scratch.blocks.is_empty() { CALM_TICKS } else { THINK_TICKS };
        let think_tick = self.tick.saturating_add(pause_ticks * self.think_divisor);
        for &index in &thinkers[..count] {
            let mut mind = minds.mind(index);
            self.decide(first + index, &mut mind, effects, scratch);
            minds.set_mind(index, mind);
            minds.think_tick[index] = think_tick;
        }
    }

    /// Finds the living players that anybody within `spread_m` of `middle` might notice.
    fn look_around(&self, middle: Vec2, spread_m: f32, scratch: &mut Scratch) {
        scratch.clear();
        let radius_m = (spread_m + self.notice_m + AHEAD_M).min(VIEW_RADIUS_M_MAX);
        let blocks = self.world.blocks_around(middle.x, middle.y, radius_m);
        dispatch(self.world.level(), LookAround { blocks, world: self.world, middle, radius_m, scratch });
    }

    fn decide(&self, row: usize, mind: &mut Mind, effects: &mut Vec<Effect>, scratch: &Scratch) {
        let game = &self.world.game;
        let Some(species) = self.species.get(usize::from(game.species[row])) else { return };
        let here = self.place(row);
        let home = Vec2::new(game.home_x[row], game.home_y[row]) - here;
        if mind.mood == mood::CALM {
            return match self.notice(here, species, scratch) {
                Some(target) => mind.enter(mood::CHASE, target),
                None => self.roam(row, home, species, mind),
            };
        }
        if mind.mood != mood::RETURN {
            let lost_m = (species.notice_m * LOST).max(LOST_M_MIN);
            let leash_m = self.leash_m(row, species);
            let prey = prey(self.world, mind.target).map(|prey| self.place(prey) - here);
            let is_hurt = u32::from(game.health[row]) * 1_000
                < u32::from(game.health_max[row]) * u32::from(species.flee_permille);
            match prey {
                Some(way)
                    if way.length_squared() <= lost_m * lost_m
                        && home.length_squared() <= leash_m * leash_m =>
                {
                    if is_hurt {
                        mind.enter(mood::FLEE, mind.target);
                        mind.go(-way, species.speed_m_s);
                    }
                }
                _ => mind.enter(mood::RETURN, 0),
            }
        }
        if mind.mood == mood::RETURN {
            if home.length_squared() <= HOME_M * HOME_M {
                mind.enter(mood::CALM, 0);
                mind.wish = Vec2::ZERO;
                effects.push(Effect::Heal { row: row as u32 });
            } else {
                mind.go(home, species.speed_m_s);
            }
        }
    }

    /// The nearest player that the creature notices.
    fn notice(&self, here: Vec2, species: &Species, scratch: &Scratch) -> Option<u32> {
        let nearest = Nearest { x: &scratch.x, y: &scratch.y, at: here };
        let square = dispatch(self.world.level(), &nearest);
        if !(species.notice_m > 0.0 && square <= species.notice_m * species.notice_m) {
            return None;
        }
        let found = nearest.find(square)?;
        let (block, row) = (found / BLOCK_ROWS, found % BLOCK_ROWS);
        let there = Vec2::new(scratch.x[block][row], scratch.y[block][row]);
        let slot = Slot(scratch.blocks[block] * BLOCK_ROWS as u32 + row as u32);
        is_clear(self.land, here, there).then(|| self.world.id_at(slot).to_bits())
    }

    /// Ambles about its home, and stands still as often.
    fn roam(&self, row: usize, home: Vec2, species: &Species, mind: &mut Mind) {
        let mut random = self.random.fork(row as u32);
        mind.buttons = 0;
        if home.length_squared() > species.roam_m * species.roam_m {
            mind.go(home, species.speed_m_s * 0.5);
            return;
        }
        match random.below(8) {
            0 => {
                let (x, y) = direction(random.next_u32() as Yaw);
                mind.go(Vec2::new(x, y), species.speed_m_s * 0.5);
            }
            1 => mind.wish = Vec2::ZERO,
            _ => {}
        }
    }

    /// Those of a block that chase: to where their target is now, and at it when it is in reach.
    fn follow(&self, first: usize, block: usize, turn: u32, minds: &mut Rows<'_>) {
        let Some(moods) = minds.mood[block..].first_chunk::<BLOCK_ROWS>().copied() else { return };
        if u128::from_ne_bytes(moods) == 0 {
            return;
        }
        let live = self.world.live()[(first + block) / BLOCK_ROWS];
        let (mut chasers, mut count) = ([(0, None); BLOCK_ROWS], 0);
        for (row, mood) in moods.iter().enumerate() {
            let index = block + row;
            // Who bites already looks half as often.
            let looks = (minds.buttons[index] == 0) | turn.is_multiple_of(2 * FOLLOW_TICKS);
            // Written over by the next one if this one does not count.
            chasers[count].0 = index;
            count += usize::from((*mood == mood::CHASE) & looks & (live >> row & 1 == 1));
        }
        // Where the prey of all of them is, before any is led there: so their columns are waited for together.
        let chasers = &mut chasers[..count];
        for (index, place) in &mut *chasers {
            *place = prey(self.world, minds.target[*index]).map(|prey| self.place(prey));
        }
        for (index, place) in &*chasers {
            let (index, row) = (*index, first + *index);
            let Some(species) = self.species.get(usize::from(self.world.game.species[row])) else { continue };
            let mut mind = minds.mind(index);
            let Some(place) = place else {
                mind.enter(mood::RETURN, 0);
                mind.wish = Vec2::ZERO;
                minds.set_mind(index, mind);
                minds.think_tick[index] = 0;
                continue;
            };
            let way = *place - self.place(row);
            let reach_m = species.reach_m * REACH_SHARE;
            if way.length_squared() <= reach_m * reach_m {
                mind.yaw = facing(way.x, way.y);
                (mind.wish, mind.buttons) = (Vec2::ZERO, buttons::STRIKE);
            } else {
                mind.go(way, species.speed_m_s);
                mind.buttons = 0;
            }
            minds.set_mind(index, mind);
        }
    }

    fn leash_m(&self, row: usize, species: &Species) -> f32 {
        let area = self.land.spawn_areas().get(self.world.game.owner[row] as usize);
        area.map_or(species.leash_m, |area| area.leash_m)
    }

    fn place(&self, row: usize) -> Vec2 {
        Vec2::new(self.world.body.x[row], self.world.body.y[row])
    }
}
