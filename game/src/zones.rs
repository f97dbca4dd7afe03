//! Ways into instances of zones and back. All of them lie in the one plane of the world, too far apart to be seen from
//! one another, so going there is being put elsewhere.

use glam::Vec2;
use throng_engine::{Digest, Random};
use throng_motion::ZoneId;

use crate::{AccountId, Counter, Game, Notice, Outcome, PlayerId, Stream};

/// The main zone.
pub(crate) const MAIN: ZoneId = ZoneId(0);

/// Seconds from one entry into a zone to the next.
const ENTRY_REST_S: u32 = 1;

/// Where a player stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stay {
    pub zone: ZoneId,
    /// Where in the main zone it came from, metres.
    pub way_back: Vec2,
    /// From which tick on it may enter a zone again: each arrival is a fresh start of the client's view, and of what
    /// others see there.
    pub enters_from: u32,
}

impl Stay {
    pub const MAIN: Self = Self { zone: MAIN, way_back: Vec2::ZERO, enters_from: 0 };

    pub fn digest(&self, digest: &mut Digest) {
        digest.push(u64::from(self.enters_from) << 32 | u64::from(self.zone.0));
        digest.push(u64::from(self.way_back.x.to_bits()) << 32 | u64::from(self.way_back.y.to_bits()));
    }
}

impl Game {
    /// Into an instance of a zone: the one asked for, or with 0 the fullest that has room, so that people meet.
    pub(crate) fn enter_zone(
        &mut self,
        id: PlayerId,
        account: AccountId,
        zone: u32,
        instance: u32,
    ) -> Outcome {
        let row = match self.traveller(id) {
            Ok(row) => row,
            Err(outcome) => return outcome,
        };
        if zone == 0 {
            return Outcome::NotAllowed;
        }
        let room = self.config.rules.instance_players_max;
        let land = self.land.clone();
        let mut instances =
            land.instances(zone).filter(|(_, placed)| instance == 0 || placed.instance == instance);
        let Some(first) = instances.next() else { return Outcome::Gone };
        let visitors = |id: ZoneId| self.visitors[id.0 as usize];
        let open = std::iter::once(first).chain(instances).filter(|(id, _)| visitors(*id) < room);
        // Of equally full ones the first.
        let Some((to, _)) = open.max_by_key(|(id, _)| (visitors(*id), std::cmp::Reverse(*id))) else {
            return Outcome::Full;
        };
        let (here, tick) = (self.place_of(row), self.world.tick());
        let enters_from = tick.saturating_add(u32::from(self.config.world.tick_hz) * ENTRY_REST_S);
        let Some(player) = self.players.get_mut(id) else { return Outcome::Gone };
        if player.stay.zone == to {
            return Outcome::NotAllowed;
        }
        if tick < player.stay.enters_from {
            return Outcome::TooFast;
        }
        let way_back = if player.stay.zone == MAIN { here } else { player.stay.way_back };
        let from = std::mem::replace(&mut player.stay, Stay { zone: to, way_back, enters_from }).zone;
        self.visitors[from.0 as usize] -= 1;
        self.visitors[to.0 as usize] += 1;
        let place = self.player_place(to, id.0);
        self.put(row, place);
        self.tell_zone(id, to);
        self.count(account, Counter::Visits);
        Outcome::Done
    }

    /// Back to where the player came from.
    pub(crate) fn leave_zone(&mut self, id: PlayerId) -> Outcome {
        let row = match self.traveller(id) {
            Ok(row) => row,
            Err(outcome) => return outcome,
        };
        let Some(player) = self.players.get_mut(id).filter(|player| player.stay.zone != MAIN) else {
            return Outcome::NotAllowed;
        };
        let Stay { zone: from, way_back, enters_from } = player.stay;
        player.stay = Stay { enters_from, ..Stay::MAIN };
        self.visitors[from.0 as usize] -= 1;
        self.visitors[MAIN.0 as usize] += 1;
        self.put(row, way_back);
        self.tell_zone(id, MAIN);
        Outcome::Done
    }

    /// The row of somebody who may go elsewhere: neither dead nor fighting.
    fn traveller(&self, id: PlayerId) -> Result<usize, Outcome> {
        let row = self.row_of(id).ok_or(Outcome::Gone)?;
        match () {
            _ if self.is_dead(row) => Err(Outcome::Dead),
            _ if self.world.tick() < self.world.game.fight_until[row] => Err(Outcome::Fighting),
            _ => Ok(row),
        }
    }

    pub(crate) fn tell_zone(&mut self, id: PlayerId, to: ZoneId) {
        if let Some(placed) = self.land.zone(to) {
            let (zone, instance) = (placed.zone, placed.instance);
            self.notices.tell(id, Notice::Zone { zone, instance });
        }
    }

    /// Where a player appears in a zone, at this tick.
    pub(crate) fn player_place(&self, zone: ZoneId, key: u32) -> Vec2 {
        let stream = Random::of_tick(self.config.world.seed, self.world.tick(), Stream::Place as u32);
        self.config.player_place(&self.land, zone, &mut stream.fork(key))
    }

    /// Puts a body down, at rest, as near to a place as it can stand.
    pub(crate) fn put(&mut self, row: usize, place: Vec2) {
        let place = self.land.nearest_free(place.x, place.y);
        let body = &mut self.world.body;
        (body.x[row], body.y[row], body.z[row]) = (place.x, place.y, place.z);
        (body.vx[row], body.vy[row]) = (0.0, 0.0);
    }
}
