//! What death leads to: loot, experience, accomplishments, and standing up again.

use glam::Vec2;
use throng_engine::{Event, Random};

use crate::combat::Death;
use crate::{
    AVATAR, AccountId, CREATURE, Counter, Gain, Game, Notice, Outcome, PlayerId, Source, Stream, content,
    events,
};

impl Game {
    /// Rewards whoever slew, and sets when the slain will stand again.
    pub(crate) fn bury(&mut self) {
        let deaths = std::mem::take(&mut self.deaths);
        self.creatures.bury(&mut self.world, &deaths);
        for death in &deaths {
            let Some(row) = self.world.slot(death.victim).map(|slot| slot.row()) else { continue };
            match self.world.game.kind[row] {
                AVATAR => self.bury_avatar(row, death),
                CREATURE => self.bury_creature(row, death),
                _ => {}
            }
        }
        self.deaths = deaths;
        self.deaths.clear();
    }

    fn bury_avatar(&mut self, row: usize, death: &Death) {
        self.counters.avatars_died += 1;
        let player = PlayerId(self.world.game.owner[row]);
        self.world.game.expire_tick[row] = self.world.tick() + self.config.rules.respawn_ticks;
        (self.world.body.vx[row], self.world.body.vy[row]) = (0.0, 0.0);
        self.notices.tell(player, Notice::Died { by: death.killer.to_bits() });
        if let Some(slain) = self.players.get(player).map(|player| player.character) {
            self.economy.stop_trading(slain);
            self.count(slain, Counter::Deaths);
            if let Some(killer) = self.slayer(death).filter(|killer| *killer != slain) {
                self.count(killer, Counter::Duels);
            }
        }
    }

    fn bury_creature(&mut self, row: usize, death: &Death) {
        self.counters.creatures_died += 1;
        let Some(killer) = self.slayer(death) else { return };
        let (species, level) = (self.world.game.species[row], self.world.game.level[row]);
        let stream = Random::of_tick(self.config.world.seed, self.world.tick(), Stream::Loot as u32);
        let goods = content::loot(species, level, stream.fork(death.victim.to_bits()));
        if !goods.is_empty() {
            let has_place = self.places_left() > 0;
            match has_place.then(|| self.economy.put_drop(&goods, Source::Loot)).flatten() {
                Some(drop) => self.lay_down(drop, Vec2::new(death.x, death.y)),
                None => self.counters.loot_refused += 1,
            }
        }
        self.count(killer, Counter::Kills);
        let rules = &self.progression;
        let gain = self.characters.get_mut(killer).sheet.gain_experience(rules, content::experience(level));
        self.gained(killer, gain);
        let sheet = &self.characters.get(killer).sheet;
        let (level, experience) = (sheet.level(), sheet.experience());
        if let Some(player) = self.characters.get(killer).player {
            self.notices.tell(player, Notice::Progress { level, experience });
        }
    }

    /// The character whose avatar brought the last blow, if it is still there.
    fn slayer(&self, death: &Death) -> Option<AccountId> {
        let row = self.world.slot(death.killer)?.row();
        let is_avatar = self.world.game.kind[row] == AVATAR;
        let player = is_avatar.then(|| self.players.get(PlayerId(self.world.game.owner[row])))??;
        Some(player.character)
    }

    /// Counts one thing that a character did.
    pub(crate) fn count(&mut self, account: AccountId, counter: Counter) {
        let gain = self.characters.get_mut(account).sheet.count(&self.progression, counter, 1);
        self.gained(account, gain);
    }

    /// Counts it if it was done.
    pub(crate) fn count_done(&mut self, account: AccountId, outcome: Outcome, counter: Counter) {
        if outcome == Outcome::Done {
            self.count(account, counter);
        }
    }

    fn gained(&mut self, account: AccountId, gain: Gain) {
        if gain == Gain::default() {
            return;
        }
        let character = self.characters.get(account);
        let level = character.sheet.level();
        let Some(player) = character.player else { return };
        for what in gain.accomplished.iter() {
            self.notices.tell(player, Notice::Accomplished { what });
        }
        if gain.levels > 0
            && let Some(row) = self.row_of(player)
        {
            self.set_level(row, level as u8);
            let (x, y) = (self.world.body.x[row], self.world.body.y[row]);
            let target = self.avatar(player).map_or(0, |id| id.to_bits());
            self.world.tell(Event {
                kind: events::LEVEL_UP,
                value: level as u16,
                source: target,
                target,
                x_m: x,
                y_m: y,
            });
        }
    }
}
