//! All seats, found by session and visited by place in the world.
//!
//! ```text
//!   places      session 0 ─► 2     session 1 ─► 0     session 2: vacant     session 3 ─► 1       and what they said
//!   in_order    [ seat of 1 ]  [ seat of 3 ]  [ seat of 0 ]                  by the avatar's cell
//! ```
//!
//! What was said is kept by session, 32 bytes each, for it comes in any order and all at once; seats are 384 bytes.
//!
//! Snapshots of players who stand together read the same rows of the world. Visited one after another they find those in
//! the cache, and the seats themselves lie in memory in that order: together a fifth of what encoding costs at 10,000
//! players. The order is put right once in a while; between that, players walk a few metres, and newcomers are at the
//! end.

use rayon::prelude::*;
use throng_game::{Game, PlayerId};

use super::seat::{Said, Seat};

const VACANT: u32 = u32::MAX;

/// What is found by a session's place in the table.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Place {
    /// Index of its seat.
    seat: u32,
    said: Said,
}

const _: () = assert!(size_of::<Place>() == 32);

impl Place {
    const EMPTY: Self = Self { seat: VACANT, said: Said::nothing(PlayerId(u32::MAX)) };
}

/// The seats of all connected players.
#[derive(Debug, Default)]
pub(super) struct Seats {
    in_order: Vec<Seat>,
    places: Vec<Place>,
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
            places: Vec::with_capacity(most),
            keys: Vec::with_capacity(most),
            spare: Vec::with_capacity(most),
        }
    }

    /// What the session at `place` has said, if it has a seat.
    pub fn said(&mut self, place: usize) -> Option<&mut Said> {
        self.places.get_mut(place).filter(|place| place.seat != VACANT).map(|place| &mut place.said)
    }

    /// The seat of the session at `place`, if it has one.
    pub fn seat_mut(&mut self, place: usize) -> Option<&mut Seat> {
        let seat = self.places.get(place)?.seat;
        self.in_order.get_mut(seat as usize)
    }

    /// All seats in the order of visits, each with the newest acknowledgement since this was last asked.
    pub fn take_acks(&mut self) -> impl Iterator<Item = (&mut Seat, Option<u32>)> {
        let Self { in_order, places, .. } = self;
        in_order.iter_mut().map(|seat| {
            let said = &mut places[seat.place as usize].said;
            said.note_sent(seat.sent.newest());
            (seat, said.take_ack())
        })
    }

    /// Gives the session at `place`, which has none, a seat for a player.
    pub fn insert(&mut self, place: usize, player: PlayerId) {
        if self.places.len() <= place {
            self.places.resize(place + 1, Place::EMPTY);
        }
        // Two seats would seal two snapshots with one sequence, which gives both away.
        assert_eq!(self.places[place].seat, VACANT, "a session has one seat");
        self.places[place] = Place { seat: self.in_order.len() as u32, said: Said::nothing(player) };
        self.in_order.push(Seat::new(place as u32, player));
    }

    /// Takes the seat of the session at `place` away.
    pub fn remove(&mut self, place: usize) -> Option<Seat> {
        let Place { seat: index, .. } = std::mem::replace(self.places.get_mut(place)?, Place::EMPTY);
        if index == VACANT {
            return None;
        }
        let seat = self.in_order.swap_remove(index as usize);
        if let Some(moved) = self.in_order.get(index as usize) {
            self.places[moved.place as usize].seat = index;
        }
        Some(seat)
    }

    /// All seats, in the order of visits.
    pub fn in_order(&mut self) -> &mut [Seat] {
        &mut self.in_order
    }

    /// Puts the seats in the order of their avatars' cells. Nearly all are copied from and to the places next to their
    /// predecessors', which is 4 MB in and out for 10,000 seats: cheap once a second.
    pub fn sort(&mut self, game: &Game) {
        self.keys.clear();
        let cell = |seat: &Seat| {
            let avatar = game.avatar(seat.player);
            avatar.and_then(|avatar| game.world().cell_of(avatar)).unwrap_or(u32::MAX)
        };
        self.keys.extend(self.in_order.iter().zip(0..).map(|(seat, index)| (cell(seat), index)));
        self.keys.sort_unstable();
        let Self { in_order, keys, spare, .. } = self;
        let seats = keys.par_iter().with_min_len(SORT_SEATS_MIN);
        seats.map(|(_, index)| in_order[*index as usize].clone()).collect_into_vec(spare);
        std::mem::swap(in_order, spare);
        for (index, seat) in self.in_order.iter().enumerate() {
            self.places[seat.place as usize].seat = index as u32;
        }
    }
}
