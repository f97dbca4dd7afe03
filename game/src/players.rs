//! Who is in the world: one place per player, used again after its player has departed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use throng_engine::schedule::each_region;
use throng_engine::{Digest, EntityId};

use crate::intents::{Intents, Numbered, Order, Orders};
use crate::zones::Stay;
use crate::{AccountId, PlayerId};

/// A player whose body is in the world.
#[derive(Debug)]
pub(crate) struct Player {
    pub character: AccountId,
    pub avatar: EntityId,
    pub intents: Intents,
    /// False once it has left: then its body only waits to be taken out.
    pub is_connected: bool,
    /// It has just entered and knows nothing yet.
    pub is_new: bool,
    /// Its body is not taken out before this tick.
    pub stays_until: u32,
    /// Commands that wait for the coming tick.
    pub command_count: u8,
    /// Which zone it is in.
    pub stay: Stay,
}

/// The table of players.
#[derive(Debug, Default)]
pub(crate) struct Players {
    places: Vec<Option<Player>>,
    free: VecDeque<u32>,
    count: u32,
}

impl Players {
    pub fn insert(&mut self, player: Player) -> PlayerId {
        self.count += 1;
        match self.free.pop_front() {
            Some(place) => {
                self.places[place as usize] = Some(player);
                PlayerId(place)
            }
            None => {
                self.places.push(Some(player));
                // So that a departure, which happens within a tick, takes nothing from the heap.
                self.free.reserve(self.places.len());
                PlayerId(self.places.len() as u32 - 1)
            }
        }
    }

    /// Takes a player out; its place is the last to be used again.
    pub fn remove(&mut self, id: PlayerId) -> Option<Player> {
        let player = self.places.get_mut(id.0 as usize)?.take()?;
        self.free.push_back(id.0);
        self.count -= 1;
        Some(player)
    }

    pub fn get(&self, id: PlayerId) -> Option<&Player> {
        self.places.get(id.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: PlayerId) -> Option<&mut Player> {
        self.places.get_mut(id.0 as usize)?.as_mut()
    }

    /// How many have a body.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// One more than the highest place in use, ever.
    pub fn place_count(&self) -> u32 {
        self.places.len() as u32
    }

    pub fn iter(&self) -> impl Iterator<Item = (PlayerId, &Player)> {
        let places = self.places.iter().zip(0..);
        places.filter_map(|(player, place)| Some((PlayerId(place), player.as_ref()?)))
    }

    /// Writes the orders of this tick, by place; returns how many intents they are made of.
    pub fn take_intents(&mut self, orders: &mut Orders) -> u64 {
        let Orders { orders, earlier } = orders;
        let places = self.places.len();
        orders.resize(places, Order::default());
        earlier.resize(places, Numbered::default());
        let total = AtomicU64::new(0);
        let columns = (&mut self.places[..], &mut orders[..], &mut earlier[..]);
        each_region(places, columns, |_, (places, orders, earlier)| {
            let mut count = 0;
            for ((player, order), earlier) in places.iter_mut().zip(orders).zip(earlier) {
                *order = player.as_mut().map_or(Order::default(), |player| player.intents.take(earlier));
                count += u64::from(order.count);
            }
            total.fetch_add(count, Ordering::Relaxed);
        });
        total.into_inner()
    }

    pub fn digest(&self, digest: &mut Digest) {
        digest.push(u64::from(self.count));
        self.free.iter().for_each(|place| digest.push(u64::from(*place)));
        for (id, player) in self.iter() {
            digest.push(u64::from(id.0) << 32 | u64::from(player.avatar.to_bits()));
            digest.push(u64::from(player.character.0) << 32 | u64::from(player.stays_until));
            digest.push(u64::from(player.is_connected) << 1 | u64::from(player.is_new));
            player.intents.digest(digest);
            player.stay.digest(digest);
        }
    }
}
