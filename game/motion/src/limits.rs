//! Limits of lands and steps: each with its unit and why it is what it is.

/// Lengths in a world file are whole numbers of 1/32 m, the unit that positions travel in: no value of a file can be
/// infinite or not a number, and all are exact in `f32`.
pub const UNITS_PER_METRE: u32 = 32;

/// Longest side of a zone, and of the world that its copies are laid out in, metres.
pub const SIDE_M_MAX: u32 = 65_536;

/// Shortest side of a zone, metres.
pub const SIDE_M_MIN: u32 = 8;

/// A body is a disc of this radius to obstacles, metres.
pub const BODY_RADIUS_M: f32 = 0.3;

/// Farthest that one step moves a body, metres: 10 m/s at 10 Hz, 20 m/s at 20 Hz.
pub const STEP_M_MAX: f32 = 1.0;

/// Near obstacles a step is taken in pieces of at most this length, metres.
pub const PIECE_M: f32 = 0.2;

/// A piece, with what pushes it out of obstacles, ends at most this far from where it began, metres. Below the body's
/// radius: from outside an obstacle nothing gets past its middle in one piece, however thin it is.
pub const PIECE_M_MAX: f32 = 0.25;

/// A step up to this is taken whole where its end is no steeper than anybody walks, metres: one at 5 m/s and 20 Hz, and what
/// rounding adds. In pieces it would take five times as long.
pub const WHOLE_M: f32 = 0.26;

/// How far outside a surface a body is put that ran into it, metres. More than rounding to `f32` can undo: 65 km from
/// the origin its steps are 1/256 m.
pub const SKIN_M: f32 = 0.01;

/// How near an obstacle may be to a tile that does not list it, metres: whoever begins a step in the tile meets it in
/// this step in no case.
pub const REACH_M: f32 = STEP_M_MAX + BODY_RADIUS_M + 0.1;

/// Nobody walks up steeper than this, metres up per metre ahead.
pub const SLOPE_MAX: f32 = 1.0;

/// On ground that is too steep to walk up, ways that rise less than this count as level, metres up per metre ahead.
pub const LEVEL_SLOPE: f32 = 0.1;

/// Side of the smallest tile, metres; tiles are as wide as the terrain's spacing where that is wider.
pub const TILE_M_MIN: u32 = 4;

/// Widest spacing of terrain heights, metres.
pub const SPACING_M_MAX: u32 = 64;

/// Most obstacles that one tile may list: the work of a step is bounded by it.
pub const OBSTACLES_PER_TILE_MAX: usize = 255;

/// Most entries in the lists of all tiles of a zone.
pub const TILE_ENTRIES_MAX: usize = 1 << 22;

/// Largest radius of a circle, metres. It touches 81 tiles at most, and no wall many more: the index of all obstacles
/// that a file may have stays below 128 MiB.
pub const RADIUS_M_MAX: u32 = 16;

/// Longest wall, metres; a longer one is several.
pub const WALL_M_MAX: u32 = 64;

/// Greatest thickness of a wall, metres.
pub const THICKNESS_M_MAX: u32 = 4;

/// Most bytes of a world file: the terrain of 65 x 65 km with a height each 16 m, twice over.
pub const FILE_BYTES_MAX: usize = 64 << 20;

/// Most zones of a file: the main zone and the templates.
pub const ZONES_MAX: u32 = 64;

/// Most terrain heights of a file.
pub const HEIGHTS_MAX: u32 = 1 << 24 | 1 << 20;

/// Most obstacles, circles and walls together, of a file.
pub const OBSTACLES_MAX: u32 = 1 << 18;

/// Most spawn areas of a file.
pub const AREAS_MAX: u32 = 1 << 16;

/// Most creatures of one spawn area.
pub const AREA_CREATURES_MAX: u32 = 1 << 14;

/// Highest level of a creature.
pub const LEVEL_MAX: u32 = 255;

/// Most discs in which players appear, for each zone.
pub const PLAYER_SPAWNS_MAX: u32 = 256;

/// Most shops of a file, and of all zones that are laid out: the rules keep a stock for each.
pub const SHOPS_MAX: u32 = 4_096;

/// Most zones that are laid out, copies counted.
pub const COPIES_MAX: u32 = 4_096;

/// Most spawn areas and shops that are laid out, copies counted.
pub const PLACED_MAX: u32 = 1 << 20;

/// Longest line of sight, metres.
pub const SIGHT_M_MAX: f32 = 256.0;

/// A line of sight is looked at this often, metres. At most twice [`REACH_M`], so that the tiles looked at list
/// whatever the line touches between.
pub const SIGHT_STEP_M: f32 = 2.0;

const _: () = {
    assert!(PIECE_M + 2.0 * SKIN_M < PIECE_M_MAX && PIECE_M_MAX < BODY_RADIUS_M);
    assert!(SIGHT_STEP_M <= 2.0 * REACH_M);
    // Every length in units is exact in 24 bits of an f32.
    assert!(SIDE_M_MAX * UNITS_PER_METRE < 1 << 24);
    // 65 x 65 km with a height each 16 m.
    assert!(4_097 * 4_097 <= HEIGHTS_MAX && 2 * HEIGHTS_MAX < FILE_BYTES_MAX as u32);
    // What an entry of a tile has bits for.
    assert!(TILE_ENTRIES_MAX <= 1 << 22 && OBSTACLES_PER_TILE_MAX < 256);
};
