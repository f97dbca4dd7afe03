//! What becomes of it: the effects of all regions, one after another.

use glam::{Vec2, Vec3};
use throng_engine::{EntityId, Event, Slot, World};

use super::{Attack, CHEST_M, Combat, Death, Effect};
use crate::{CREATURE, PROJECTILE, Traits, creatures, events};

impl Combat {
    pub(super) fn settle_score(&mut self, world: &mut World<Traits>, deaths: &mut Vec<Death>) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.drain(|effect| match effect {
            Effect::Attacked { row, attack, rest_ticks, hits } => {
                let tick = world.tick();
                self.counts.attacks += 1;
                world.game.ready_tick[row as usize] = tick.saturating_add(rest_ticks);
                // Whether it hits or not: else one could shoot and be elsewhere before the projectile arrives.
                world.game.fight_until[row as usize] = tick.saturating_add(self.rules.fight_ticks);
                self.tell(world, row as usize, attack, hits);
            }
            Effect::Blow { row, source, points } => self.blow(world, row as usize, source, points, deaths),
            Effect::Fly { row, to } => {
                let (body, row) = (&mut world.body, row as usize);
                (body.x[row], body.y[row], body.z[row]) = to.into();
            }
            Effect::Fall { row, is_hit } => self.fall(world, row as usize, is_hit),
        });
        self.effects = effects;
    }

    fn tell(&mut self, world: &mut World<Traits>, row: usize, attack: Attack, hits: u16) {
        let source = world.id_at(Slot(row as u32)).to_bits();
        let (here, yaw) = (Vec2::new(world.body.x[row], world.body.y[row]), world.body.yaw[row]);
        match attack {
            Attack::Shot { flight_ticks } => self.loose(world, row, flight_ticks),
            Attack::Blast => {
                self.counts.misses += u64::from(hits == 0);
                let (cos, sin) = throng_engine::angle::direction(yaw);
                let middle = here + Vec2::new(cos, sin) * self.rules.blast_ahead_m;
                let value = (self.rules.blast_radius_m * 100.0) as u16;
                world.tell(Event {
                    kind: events::BLAST,
                    value,
                    source,
                    target: 0,
                    x_m: middle.x,
                    y_m: middle.y,
                });
            }
            Attack::Strike if hits == 0 => {
                self.counts.misses += 1;
                world.tell(Event {
                    kind: events::MISS,
                    value: yaw,
                    source,
                    target: 0,
                    x_m: here.x,
                    y_m: here.y,
                });
            }
            Attack::Strike | Attack::Bite => {}
        }
    }

    /// From the middle of its shooter, lest it begin behind a wall.
    fn loose(&mut self, world: &mut World<Traits>, row: usize, flight_ticks: u32) {
        let (body, source) = (&world.body, world.id_at(Slot(row as u32)).to_bits());
        let (place, yaw) = (Vec3::new(body.x[row], body.y[row], body.z[row] + CHEST_M), body.yaw[row]);
        let is_room = self.shot_count < self.rules.shots_max && self.shots_left > 0;
        let Some((id, slot)) = is_room.then(|| world.spawn(place, yaw).ok()).flatten() else {
            self.counts.refused_full += 1;
            return;
        };
        self.shot_count += 1;
        self.shots_left -= 1;
        self.counts.shots += 1;
        let (tick, game, to) = (world.tick(), &mut world.game, slot.row());
        game.kind[to] = PROJECTILE;
        game.species[to] = game.kind[row];
        game.level[to] = game.level[row];
        game.owner[to] = source;
        game.expire_tick[to] = tick.saturating_add(flight_ticks);
        let target = id.to_bits();
        world.tell(Event { kind: events::SHOT, value: yaw, source, target, x_m: place.x, y_m: place.y });
    }

    fn fall(&mut self, world: &mut World<Traits>, row: usize, is_hit: bool) {
        if is_hit && let Some(shooter) = world.slot(EntityId::from_bits(world.game.owner[row])) {
            let until = world.tick().saturating_add(self.rules.fight_ticks);
            world.game.fight_until[shooter.row()] = until;
        }
        world.despawn(world.id_at(Slot(row as u32)));
        self.shot_count = self.shot_count.saturating_sub(1);
    }

    fn blow(
        &mut self,
        world: &mut World<Traits>,
        row: usize,
        source: u32,
        points: u16,
        deaths: &mut Vec<Death>,
    ) {
        let (tick, victim) = (world.tick(), world.id_at(Slot(row as u32)));
        let (x, y) = (world.body.x[row], world.body.y[row]);
        let game = &mut world.game;
        let taken = points.min(game.health[row]);
        if taken == 0 {
            self.counts.late += 1;
            return;
        }
        game.health[row] -= taken;
        game.fight_until[row] = tick.saturating_add(self.rules.fight_ticks);
        self.counts.hits += 1;
        self.counts.points += u64::from(taken);
        let is_dead = game.health[row] == 0;
        if is_dead {
            (game.wish_x[row], game.wish_y[row], game.buttons[row]) = (0.0, 0.0, 0);
        } else if game.kind[row] == CREATURE {
            creatures::provoke(game, row, source);
        }
        let level = game.level[row].into();
        let target = victim.to_bits();
        world.tell(Event { kind: events::HIT, value: taken, source, target, x_m: x, y_m: y });
        if is_dead {
            self.counts.deaths += 1;
            deaths.push(Death { victim, killer: EntityId::from_bits(source), x, y });
            world.tell(Event { kind: events::DEATH, value: level, source, target, x_m: x, y_m: y });
        }
    }
}
