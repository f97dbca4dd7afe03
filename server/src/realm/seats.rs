//! All seats, found by session and visited by place in the world.
//!
//! ```text
//!   of_place    session 0 ─► 2     session 1 ─► 0     session 2: vacant     session 3 ─► 1
//!   in_order    [ seat of 1 ]  [ seat of 3 ]  [ seat of 0 ]                  by the avatar's cell
//! ```
//!
//! Snapshots of players who stand together read the same rows of the world. Visited one after another they find those in
//! the cache, and the seats themselves lie in memory in that order: together a fifth of what encoding costs at 10,000
//! players. The order is put right once in a while; between that, players walk a few metres, and newcomers are at the
//! end.

use rayon::prelude::*;
use throng_game::{EntityId, Game};

use super::seat::Seat;

const VACANT: u32 = u32::MAX;

/// The seats of all connected players.
#[derive(Debug, Default)]
pub(super) struct Seats {
    in_order: Vec<Seat>,
    of_place: Vec<u32>,
    /// Scratch of [`Seats::sort`]: cell and index of each seat, and room for the new order.
    keys: Vec<(u32, u32)>,
    spare: Vec<Seat>,
}

/// Seats that are copied together when they are put in order: a task of some 2 us.
const SORT_SEATS_MIN: usize = 64;

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
        self.in_order.get_mut(index as usize)
    }

    /// Gives the session at `place`, which has none, a seat for an avatar.
    pub fn insert(&mut self, place: usize, entity: EntityId) {
        if self.of_place.len() <= place {
            self.of_place.resize(place + 1, VACANT);
        }
        debug_assert_eq!(self.of_place[place], VACANT);
        self.of_place[place] = self.in_order.len() as u32;
        self.in_order.push(Seat::new(place as u32, entity));
    }

    /// Takes the seat of the session at `place` away.
    pub fn remove(&mut self, place: usize) -> Option<Seat> {
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
    pub fn in_order(&mut self) -> &mut [Seat] {
        &mut self.in_order
    }

    /// How many places sessions have had so far.
    pub fn place_count(&self) -> usize {
        self.of_place.len()
    }

    /// Puts the seats in the order of their avatars' cells. Nearly all are copied from and to the places next to their
    /// predecessors', which is 4 MB in and out for 10,000 seats: cheap once a second.
    pub fn sort(&mut self, game: &Game) {
        self.keys.clear();
        let cell = |seat: &Seat| game.world().cell_of(seat.entity).unwrap_or(u32::MAX);
        self.keys.extend(self.in_order.iter().zip(0..).map(|(seat, index)| (cell(seat), index)));
        self.keys.sort_unstable();
        let Self { in_order, keys, spare, .. } = self;
        let seats = keys.par_iter().with_min_len(SORT_SEATS_MIN);
        seats.map(|(_, index)| in_order[*index as usize].clone()).collect_into_vec(spare);
        std::mem::swap(in_order, spare);
        for (index, seat) in self.in_order.iter().enumerate() {
            self.of_place[seat.place as usize] = index as u32;
        }
    }
}
