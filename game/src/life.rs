//! Coming, going, dying and standing up again.

use glam::Vec2;
use throng_engine::{EntityId, Random, Slot};

use crate::characters::CharacterIndex;
use crate::chat::Budgets;
use crate::intents::Intents;
use crate::players::Player;
use crate::zones::Stay;
use crate::{AVATAR, CREATURE, Game, GameError, NOBODY, Notice, PlayerId, Stream, Taken, state};

impl Game {
    /// Puts everybody into the new world who is there from the start.
    pub(crate) fn populate(&mut self) -> Result<(), GameError> {
        for _ in 0..self.config.creatures {
            let (place, yaw) = self.arrival();
            let (_, slot) = self.world.spawn(place.extend(0.0), yaw)?;
            self.equip(slot, CREATURE, 1);
        }
        Ok(())
    }

    /// Where, and facing which way, the next one arrives.
    fn arrival(&mut self) -> (Vec2, u16) {
        let stream = Random::of_tick(self.config.world.seed, self.world.tick(), Stream::Place as u32);
        let mut random = stream.fork(self.arrivals);
        self.arrivals = self.arrivals.wrapping_add(1);
        (self.config.place(&mut random), random.next_u32() as u16)
    }

    fn equip(&mut self, slot: Slot, kind: u8, level: u8) {
        let (game, row) = (&mut self.world.game, slot.row());
        let health = 100;
        (game.kind[row], game.level[row]) = (kind, level);
        (game.health[row], game.health_max[row]) = (health, health);
        (game.home_x[row], game.home_y[row]) = (self.world.body.x[row], self.world.body.y[row]);
    }

    pub(crate) fn enter(&mut self, id: u64, name: &str) -> Taken {
        let character = self.characters.enter(id, name);
        if let Some(player) = self.characters.get(character).player {
            self.come_back(player);
            return Taken::Entered(player);
        }
        if self.players.len() >= self.config.players_max() {
            self.counters.refused_full += 1;
            return Taken::Full;
        }
        match self.embody(character) {
            Some(player) => Taken::Entered(player),
            None => {
                self.counters.refused_full += 1;
                Taken::Full
            }
        }
    }

    /// The character's body is still there: whoever comes now steers it.
    fn come_back(&mut self, id: PlayerId) {
        let Some(player) = self.players.get_mut(id) else { unreachable!("characters know their players") };
        player.intents.restart();
        (player.is_connected, player.is_new) = (true, true);
        self.counters.entered += 1;
    }

    fn embody(&mut self, character: CharacterIndex) -> Option<PlayerId> {
        let (mut place, yaw) = self.arrival();
        let row = self.characters.get(character);
        place = row.last_place.unwrap_or(place);
        let last_health = row.last_health;
        let (avatar, slot) = self.world.spawn(place.extend(0.0), yaw).ok()?;
        self.equip(slot, AVATAR, 1);
        let player = self.players.insert(Player {
            character,
            avatar,
            intents: Intents::default(),
            is_connected: true,
            is_new: true,
            stays_until: 0,
            command_count: 0,
            budgets: Budgets::default(),
            stay: Stay::default(),
        });
        self.characters.get_mut(character).player = Some(player);
        let game = &mut self.world.game;
        game.owner[slot.row()] = player.0;
        game.health[slot.row()] = last_health.clamp(1, game.health_max[slot.row()]);
        // Room for the day on which all of them leave in one tick.
        self.departed.reserve(self.players.place_count() as usize);
        self.counters.entered += 1;
        Some(player)
    }

    pub(crate) fn leave(&mut self, id: PlayerId) -> Taken {
        let stays_until = self.world.tick() + self.config.rules.linger_ticks;
        let Some(player) = self.players.get_mut(id).filter(|player| player.is_connected) else {
            self.counters.inputs_of_nobody += 1;
            return Taken::Nobody;
        };
        player.is_connected = false;
        player.stays_until = stays_until;
        player.intents.restart();
        self.counters.left += 1;
        if let Some(slot) = self.world.slot(player.avatar) {
            let row = slot.row();
            (self.world.body.vx[row], self.world.body.vy[row]) = (0.0, 0.0);
        }
        Taken::Queued
    }

    /// Tells those who have just entered how they stand.
    pub(crate) fn welcome(&mut self) {
        for (id, player) in self.players.iter_mut() {
            player.command_count = 0;
            if std::mem::take(&mut player.is_new) {
                let Stay { zone, instance, .. } = player.stay;
                self.notices.tell(id, Notice::Zone { zone, instance });
            }
        }
    }

    /// Lets the dead stand up whose time has come.
    pub(crate) fn respawn(&mut self) {
        let tick = self.world.tick();
        for (id, player) in self.players.iter() {
            let Some(slot) = self.world.slot(player.avatar) else { continue };
            let (game, row) = (&mut self.world.game, slot.row());
            if game.state[row] & state::DEAD == 0 || tick < game.expire_tick[row] {
                continue;
            }
            let mut random = Random::of_tick(self.config.world.seed, tick, Stream::Place as u32).fork(!id.0);
            let place = self.config.place(&mut random);
            game.state[row] = 0;
            game.health[row] = game.health_max[row];
            (game.fight_until[row], game.expire_tick[row]) = (0, 0);
            (self.world.body.x[row], self.world.body.y[row]) = (place.x, place.y);
            self.notices.tell(id, Notice::Respawned);
        }
    }

    /// Takes out the bodies whose players have left, once nobody fights them.
    pub(crate) fn depart(&mut self) {
        let tick = self.world.tick();
        for place in 0..self.players.place_count() {
            let id = PlayerId(place);
            let Some(player) = self.players.get(id) else { continue };
            if player.is_connected || tick < player.stays_until {
                continue;
            }
            let Some(slot) = self.world.slot(player.avatar) else { continue };
            let (row, is_dead) = (slot.row(), self.world.game.state[slot.row()] & state::DEAD != 0);
            if !is_dead && tick < self.world.game.fight_until[row] {
                continue;
            }
            let (character, avatar) = (player.character, player.avatar);
            let character = self.characters.get_mut(character);
            character.player = None;
            let here = Vec2::new(self.world.body.x[row], self.world.body.y[row]);
            // The dead come back as the dead do: elsewhere, and well.
            character.last_place = (!is_dead).then_some(here);
            character.last_health = if is_dead { u16::MAX } else { self.world.game.health[row] };
            self.despawn(avatar);
            self.players.remove(id);
            self.departed.push(id);
            self.counters.departed += 1;
        }
    }

    /// Lets those who stand in one another give way.
    pub(crate) fn give_way(&mut self) {
        let Self { world, separation, .. } = self;
        separation.find(world);
        separation.drain(|row, push| {
            world.body.x[row] += push.x;
            world.body.y[row] += push.y;
        });
    }

    /// Takes an entity out, and leaves no trace of it in its row.
    pub(crate) fn despawn(&mut self, id: EntityId) {
        if let Some(slot) = self.world.slot(id) {
            self.world.game.kind[slot.row()] = NOBODY;
            self.world.despawn(id);
        }
    }
}
