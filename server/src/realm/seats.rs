//! All seats, found by session and visited by place in the world.
//!
//! ```text
//!   of_place    session 0 ─► 2     session 1 ─► 0     session 2: vacant     session 3 ─► 1
//!   in_order    [ seat of 1 ]  [ seat of 3 ]  [ seat of 0 ]                  by the avatar's cell
//! ```
//!
//! Snapshots of players who stand together read the same rows of the world. Visited one after another they find those in
//! the cache: that is a fifth of what encoding costs at 10,000 players. The order is put right once in a while; between
//! that, players walk a few metres, and newcomers are at the end.

use throng_game::{EntityId, Game};

use super::seat::Seat;

const VACANT: u32 = u32::MAX;

/// The seats of all connected players.
#[derive(Debug, Default)]
#[allow(clippy::vec_box)] // Sorting moves a pointer instead of 900 bytes.
pub(super) struct Seats {
    in_order: Vec<Box<Seat>>,
    of_place: Vec<u32>,
    /// Scratch of [`Seats::sort`]: cell and index of each seat, and the seats on their way.
    keys: Vec<(u32, u32)>,
    spare: Vec<Option<Box<Seat>>>,
}

impl Seats {
    /// Room for `most` seats, so that none of the vectors grows in the middle of a tick.
    pub fn with_capacity(most: usize) -> Self {
        Self {
            in_order: Vec::with_capacity(most),
            of_place: Vec::with_capacity(most),
            keys: Vec::with_capacity(most),
            spare: Vec::with_capacity(most),
        }
    }

    /// The seat of the session at `place`.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Seat> {
        let index = *self.of_place.get(place)?;
        self.in_order.get_mut(index as usize).map(|seat| &mut **seat)
    }

    /// Gives the session at `place`, which has none, a seat for an avatar.
    pub fn insert(&mut self, place: usize, entity: EntityId) {
        if self.of_place.len() <= place {
            self.of_place.resize(place + 1, VACANT);
        }
        debug_assert_eq!(self.of_place[place], VACANT);
        self.of_place[place] = self.in_order.len() as u32;
        self.in_order.push(Box::new(Seat::new(place as u32, entity)));
    }

    /// Takes the seat of the session at `place` away.
    pub fn remove(&mut self, place: usize) -> Option<Box<Seat>> {
        let index = std::mem::replace(self.of_place.get_mut(place)?, VACANT);
        if index == VACANT {
            return None;
        }
        let seat = self.in_order.swap_remove(index as usize);
        if let Some(moved) = self.in_order.get(index as usize) {
            self.of_place[moved.place as usize] = index;
        }
        Some(seat)
    }

    /// All seats, in the order of visits.
    pub fn in_order(&mut self) -> &mut [Box<Seat>] {
        &mut self.in_order
    }

    /// How many places sessions have had so far.
    pub fn place_count(&self) -> usize {
        self.of_place.len()
    }

    /// Puts the seats in the order of their avatars' cells.
    pub fn sort(&mut self, game: &Game) {
        self.keys.clear();
        let cell = |seat: &Seat| game.world().cell_of(seat.entity).unwrap_or(u32::MAX);
        self.keys.extend(self.in_order.iter().zip(0..).map(|(seat, index)| (cell(seat), index)));
        self.keys.sort_unstable();
        self.spare.extend(self.in_order.drain(..).map(Some));
        let Self { in_order, keys, spare, .. } = self;
        in_order.extend(keys.iter().filter_map(|(_, index)| spare[*index as usize].take()));
        spare.clear();
        for (index, seat) in self.in_order.iter().enumerate() {
            self.of_place[seat.place as usize] = index as u32;
        }
    }
}
