//! Coming, going, and standing up again.

use glam::Vec2;
use throng_engine::limits::BLOCK_ROWS;
use throng_engine::{EntityId, Event, Random};
use throng_motion::ZoneId;

use crate::characters::AWAY_S;
use crate::intents::Intents;
use crate::players::Player;
use crate::zones::{MAIN, Stay};
use crate::{
    AVATAR, AccountId, Game, GameError, NOBODY, Notice, PlayerId, SHOPKEEPER, Stream, Taken, content, events,
};

/// How many are looked at, in a full table of characters, to find one to forget: some 10 us. Who is refused may try again,
/// and then the next are looked at.
const FORGET_LOOKS: u32 = 256;

impl Game {
    /// Puts everybody into the new world who is there from the start.
    pub(crate) fn populate(&mut self) -> Result<(), GameError> {
        let Self { world, land, creatures, config, .. } = self;
        let random = Random::of_tick(config.world.seed, 0, Stream::Creatures as u32);
        creatures.populate(world, land, random)?;
        for number in 0..config.creatures {
            let mut random = Random::of_tick(config.world.seed, 0, Stream::Place as u32).fork(number);
            let place = config.place(land, &mut random);
            creatures.roam_free(world, land, place, &mut random)?;
        }
        for (number, shop) in (0..).zip(land.shops()) {
            let place = shop.place.extend(land.height_at(shop.place.x, shop.place.y));
            let (id, slot) = world.spawn(place, 0)?;
            let (game, row) = (&mut world.game, slot.row());
            (game.kind[row], game.owner[row], game.level[row]) = (SHOPKEEPER, number, 1);
            self.shopkeepers.push(id);
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self, id: u64, name: &str) -> Taken {
        let known = self.characters.by_id(id);
        if let Some(account) = known
            && let Some(player) = self.characters.get(account).player
        {
            self.characters.rename(account, name);
            self.come_back(player);
            return Taken::Entered(player);
        }
        if self.players.len() >= self.players_max {
            self.counters.refused_full += 1;
            return Taken::Full;
        }
        match self.embody(id, name) {
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
        (player.is_connected, player.is_new, player.command_count) = (true, true, 0);
        self.newcomers.push(id);
        let _ = self.economy.open(self.characters.get(player.character).id);
        self.counters.entered += 1;
    }

    fn embody(&mut self, id: u64, name: &str) -> Option<PlayerId> {
        // Where it stays: to begin all of them in one cell would take a walk along that cell's chain for each, and rows
        // far from where they belong.
        let known = self.characters.by_id(id);
        let place = known.and_then(|account| self.characters.get(account).last_place);
        let place = place.unwrap_or_else(|| self.player_place(MAIN, (id ^ id >> 32) as u32));
        // Spawned first: an account stays, an entity need not.
        let (avatar, slot) = self.world.spawn(self.land.nearest_free(place.x, place.y), 0).ok()?;
        let Some(account) = self.economy.open(id).or_else(|| self.take_over(id)) else {
            self.counters.refused_characters += 1;
            self.world.despawn(avatar);
            return None;
        };
        if known.is_none() {
            self.characters.add(account, id);
        }
        self.characters.rename(account, name);
        let player = self.players.insert(Player {
            character: account,
            avatar,
            intents: Intents::default(),
            is_connected: true,
            is_new: true,
            stays_until: 0,
            command_count: 0,
            stay: Stay::MAIN,
        });
        self.newcomers.push(player);
        self.visitors[MAIN.0 as usize] += 1;
        // A tick takes nothing from the heap: not even the one in which all of them leave.
        let places = self.players.place_count() as usize;
        self.departed.reserve(places);
        self.commands.reserve(places);
        self.notices.reserve(places);
        self.counters.entered += 1;

        let character = self.characters.get_mut(account);
        character.player = Some(player);
        let (level, last_health) = (character.sheet.level() as u8, character.last_health);
        let row = slot.row();
        (self.world.game.kind[row], self.world.game.owner[row]) = (AVATAR, player.0);
        self.set_level(row, level);
        let game = &mut self.world.game;
        game.health[row] = last_health.clamp(1, game.health_max[row]);
        Some(player)
    }

    /// The account of somebody who has long been away and would begin anew with the same, for a new character; `None` if
    /// there is none among the next few in turn.
    fn take_over(&mut self, id: u64) -> Option<AccountId> {
        let away_ticks = (AWAY_S * u32::from(self.config.world.tick_hz)).max(self.config.rules.ask_ticks);
        let since = self.world.tick().checked_sub(away_ticks)?;
        for _ in 0..FORGET_LOOKS {
            let account = self.characters.next_in_turn()?;
            if self.characters.get(account).may_be_forgotten(since) && self.economy.take_over(account, id) {
                self.counters.characters_forgotten += 1;
                return Some(account);
            }
        }
        None
    }

    /// Makes an avatar of a level, unhurt unless it is dead: only its respawn makes it stand again.
    pub(crate) fn set_level(&mut self, row: usize, level: u8) {
        let game = &mut self.world.game;
        game.level[row] = level;
        game.health_max[row] = content::health(level);
        if game.health[row] > 0 {
            game.health[row] = game.health_max[row];
        }
    }

    pub(crate) fn leave(&mut self, id: PlayerId) -> Taken {
        let stays_until = self.world.tick() + self.config.rules.linger_ticks;
        let Some(player) = self.players.get_mut(id).filter(|player| player.is_connected) else {
            self.counters.inputs_of_nobody += 1;
            return Taken::Nobody;
        };
        self.leavers.push(id);
        player.is_connected = false;
        player.stays_until = stays_until;
        player.intents.restart();
        self.counters.left += 1;
        self.economy.leave(player.character);
        if let Some(slot) = self.world.slot(player.avatar) {
            let row = slot.row();
            (self.world.body.vx[row], self.world.body.vy[row]) = (0.0, 0.0);
        }
        Taken::Queued
    }

    /// Tells those who have just entered how they stand.
    pub(crate) fn welcome(&mut self) {
        let mut newcomers = std::mem::take(&mut self.newcomers);
        for id in newcomers.drain(..) {
            let Some(player) = self.players.get_mut(id) else { continue };
            if std::mem::take(&mut player.is_new) {
                let (account, zone) = (player.character, player.stay.zone);
                self.tell_all(id, account, zone);
            }
        }
        self.newcomers = newcomers;
    }

    fn tell_all(&mut self, id: PlayerId, account: AccountId, zone: ZoneId) {
        self.tell_zone(id, zone);
        let sheet = &self.characters.get(account).sheet;
        let (level, experience) = (sheet.level(), sheet.experience());
        self.notices.tell(id, Notice::Progress { level, experience });
        let goods = self.economy.holdings(account);
        self.notices.tell(id, Notice::Money { money: goods.money() });
        for stack in goods.stacks() {
            self.notices.tell(id, Notice::Item { item: stack.item, quantity: stack.quantity });
        }
        if self.row_of(id).is_some_and(|row| self.is_dead(row)) {
            self.notices.tell(id, Notice::Died { by: 0 });
        }
    }

    /// Lets the dead stand up whose time has come.
    pub(crate) fn respawn(&mut self) {
        let tick = self.world.tick();
        let mut fallen = std::mem::take(&mut self.fallen);
        let game = &self.world.game;
        let blocks =
            game.kind.as_chunks::<BLOCK_ROWS>().0.iter().zip(game.health.as_chunks::<BLOCK_ROWS>().0);
        for (block, ((kind, health), live)) in blocks.zip(self.world.live()).enumerate() {
            if *live == 0 {
                continue;
            }
            let is_fallen = |row: usize| (kind[row] == AVATAR) & (health[row] == 0);
            // Sixteen at a time: hardly any block has one.
            if (0..BLOCK_ROWS).fold(false, |any, row| any | is_fallen(row)) {
                let rows = (0..BLOCK_ROWS).filter(|row| is_fallen(*row));
                fallen.extend(rows.map(|row| (block * BLOCK_ROWS + row) as u32));
            }
        }
        for row in fallen.drain(..) {
            let (row, id) = (row as usize, PlayerId(self.world.game.owner[row as usize]));
            // A row that somebody has left holds leftovers.
            if self.row_of(id) != Some(row) || tick < self.world.game.expire_tick[row] {
                continue;
            }
            let Some(player) = self.players.get(id) else { continue };
            let target = player.avatar.to_bits();
            let place = self.player_place(player.stay.zone, !id.0);
            self.put(row, place);
            let game = &mut self.world.game;
            (game.state[row], game.health[row]) = (0, game.health_max[row]);
            (game.fight_until[row], game.expire_tick[row]) = (0, 0);
            let (x_m, y_m) = (self.world.body.x[row], self.world.body.y[row]);
            self.world.tell(Event { kind: events::RESPAWN, value: 0, source: 0, target, x_m, y_m });
            self.notices.tell(id, Notice::Respawned);
        }
        self.fallen = fallen;
    }

    /// Takes out the bodies whose players have left, once they live and nobody fights them.
    pub(crate) fn depart(&mut self) {
        let tick = self.world.tick();
        let mut leavers = std::mem::take(&mut self.leavers);
        leavers.retain(|&id| {
            let Some(player) = self.players.get(id).filter(|player| !player.is_connected) else {
                return false;
            };
            if tick < player.stays_until {
                return true;
            }
            let (account, avatar, stay) = (player.character, player.avatar, player.stay);
            let Some(row) = self.row_of(id) else { return false };
            // The dead lie until their time has come, whether or not their players wait for it.
            if self.is_dead(row) || tick < self.world.game.fight_until[row] {
                return true;
            }
            let here = if stay.zone == MAIN { self.place_of(row) } else { stay.way_back };
            let character = self.characters.get_mut(account);
            character.player = None;
            character.left_tick = tick;
            character.last_place = Some(here);
            character.last_health = self.world.game.health[row];
            self.visitors[stay.zone.0 as usize] -= 1;
            self.despawn(avatar);
            self.players.remove(id);
            self.departed.push(id);
            self.counters.departed += 1;
            false
        });
        self.leavers = leavers;
    }

    /// Lets those who stand in one another give way, as far as the land lets them.
    pub(crate) fn give_way(&mut self) {
        let Self { world, separation, land, .. } = self;
        separation.find(world, land);
        separation.drain(|row, place| {
            (world.body.x[row], world.body.y[row], world.body.z[row]) = place.into();
        });
    }

    /// Takes an entity out, and leaves no trace of it in its row.
    pub(crate) fn despawn(&mut self, id: EntityId) {
        if let Some(slot) = self.world.slot(id) {
            (self.world.game.kind[slot.row()], self.world.game.steps[slot.row()]) = (NOBODY, 0);
            self.world.despawn(id);
        }
    }

    /// The row of a player's avatar.
    pub(crate) fn row_of(&self, id: PlayerId) -> Option<usize> {
        Some(self.world.slot(self.players.get(id)?.avatar)?.row())
    }

    pub(crate) fn is_dead(&self, row: usize) -> bool {
        self.world.game.health[row] == 0
    }

    /// Where who is in `row` is, metres.
    pub(crate) fn place_of(&self, row: usize) -> Vec2 {
        Vec2::new(self.world.body.x[row], self.world.body.y[row])
    }
}
