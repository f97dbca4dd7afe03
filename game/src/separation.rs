//! Bodies do not stand in one another: whoever is not walking by its player's hand gives way, softly.
//!
//! Each body looks round in one tick of four, by its block, and is moved at most [`PUSH_M_MAX`] then, half of what it
//! overlaps with each neighbour: the other half is the neighbour's turn. Walking avatars are never moved, for their
//! clients predict them.

use glam::{Vec2, Vec3};
use throng_engine::angle::direction;
use throng_engine::limits::{BLOCK_ROWS, REGION_ROWS};
use throng_engine::schedule::{PerRegion, each_region};
use throng_engine::{Found, World};
use throng_motion::Land;

use crate::{AVATAR, CREATURE, SHOPKEEPER, Traits, state};

/// Two bodies closer than this overlap, metres.
pub const BODY_WIDTH_M: f32 = 0.8;

/// Furthest that one look round moves a body, metres.
pub const PUSH_M_MAX: f32 = 0.1;

/// A body looks round once in so many ticks.
const LOOK_TICKS: u32 = 4;

/// How far a neighbour may have gone since the published tick, by which it is found, metres.
const STRIDE_M: f32 = 0.5;

/// Bodies of a region that are usually pushed at most in one tick.
const PUSHES_USUAL: usize = REGION_ROWS / LOOK_TICKS as usize;

/// Scratch of the pushes, one for each region.
#[derive(Debug, Default)]
pub(crate) struct Separation {
    regions: Vec<Region>,
}

#[derive(Debug)]
struct Region {
    found: Found,
    /// Who must give way, and where to.
    pushes: Vec<(u32, Vec3)>,
}

impl Separation {
    /// Finds who must give way.
    pub fn find(&mut self, world: &World<Traits>, land: &Land) {
        let rows = world.rows();
        let fresh = || Region { found: Found::default(), pushes: Vec::with_capacity(PUSHES_USUAL) };
        self.regions.resize_with(rows.div_ceil(REGION_ROWS), fresh);
        each_region(rows, PerRegion(&mut self.regions[..]), |rows, regions| {
            let Region { found, pushes } = &mut regions.0[0];
            for block in rows.start / BLOCK_ROWS..rows.end / BLOCK_ROWS {
                if !world.tick().wrapping_add(block as u32).is_multiple_of(LOOK_TICKS) {
                    continue;
                }
                let mut live = world.live()[block];
                while live != 0 {
                    let row = block * BLOCK_ROWS + live.trailing_zeros() as usize;
                    live &= live - 1;
                    if gives_way(world, row)
                        && let Some(push) = push(world, row, found)
                    {
                        let (x, y) = (world.body.x[row] + push.x, world.body.y[row] + push.y);
                        if land.is_free(x, y) {
                            pushes.push((row as u32, Vec3::new(x, y, land.height_at(x, y))));
                        }
                    }
                }
            }
        });
    }

    /// Hands each row that must give way, and where to, to `moved`, in the order of rows.
    pub fn drain(&mut self, mut moved: impl FnMut(usize, Vec3)) {
        let pushes = self.regions.iter_mut().flat_map(|region| region.pushes.drain(..));
        pushes.for_each(|(row, place)| moved(row as usize, place));
    }
}

fn gives_way(world: &World<Traits>, row: usize) -> bool {
    let (body, game) = (&world.body, &world.game);
    let is_soft = match game.kind[row] {
        CREATURE => true,
        AVATAR => body.vx[row] == 0.0 && body.vy[row] == 0.0,
        _ => false,
    };
    is_soft && game.state[row] & state::DEAD == 0
}

/// Where to a body is pushed by all that it overlaps with.
fn push(world: &World<Traits>, row: usize, found: &mut Found) -> Option<Vec2> {
    let (body, game) = (&world.body, &world.game);
    let at = |row: usize| Vec2::new(body.x[row], body.y[row]);
    let here = at(row);
    let mut push = Vec2::ZERO;
    for &other in world.within(here.x, here.y, BODY_WIDTH_M + STRIDE_M, found) {
        let other = other as usize;
        let is_solid = matches!(game.kind[other], AVATAR | CREATURE | SHOPKEEPER);
        if other == row || !is_solid || game.state[other] & state::DEAD != 0 {
            continue;
        }
        let apart = here - at(other);
        let distance = apart.length();
        if distance >= BODY_WIDTH_M {
            continue;
        }
        // Two on one spot part along a line that only their rows decide, one to either side.
        let away = if distance > 1e-3 {
            apart / distance
        } else {
            let (x, y) = direction((row.min(other) as u32).wrapping_mul(0x9e37) as u16);
            if row < other { Vec2::new(x, y) } else { Vec2::new(-x, -y) }
        };
        push += away * ((BODY_WIDTH_M - distance) * 0.5);
    }
    let length = push.length();
    match length {
        _ if length < 1e-4 => None,
        _ if length > PUSH_M_MAX => Some(push * (PUSH_M_MAX / length)),
        _ => Some(push),
    }
}
