//! Another game on the same engine: dogs frighten sheep, frightened sheep run and lose wool.
//!
//! It shows all that a game brings: its own columns, its own systems (one that asks who is near, one whose effects reach
//! other rows), and its own replicated attributes. The engine knows nothing of sheep.
//!
//! Run it with `cargo run -p throng-engine --example sheepdog`.

use glam::Vec3;
use throng_engine::angle::direction;
use throng_engine::schedule::each_region;
use throng_engine::{
    Effects, EntityId, Found, Random, Request, Slot, Viewer, World, WorldConfig, WorldError, columns,
    live_rows,
};

columns! {
    /// What the pasture knows of an animal beyond its body.
    pub struct Pasture {
        /// 0 nobody, 1 sheep, 2 dog.
        pub kind: u8,
        /// Ticks for which a sheep still runs.
        pub fear_ticks: u8,
        /// Wool left, grams.
        pub wool_g: u16,
    }
}

const SHEEP: u8 = 1;
const DOG: u8 = 2;
const BARK_RADIUS_M: f32 = 12.0;
const FEAR_TICKS: u8 = 30;

/// A dog at `dog_row` frightens the sheep at `sheep_row`.
struct Bark {
    dog_row: u32,
    sheep_row: u32,
}

struct Game {
    world: World<Pasture>,
    barks: Effects<Bark>,
}

impl Game {
    fn new(sheep: u32, dogs: u32) -> Result<Self, WorldError> {
        let config = WorldConfig {
            width_m: 400.0,
            height_m: 400.0,
            view_radius_m: 50.0,
            entities_max: sheep + dogs,
            tick_hz: 20,
            seed: 1,
            refresh_ticks: 40,
        };
        let mut world = World::<Pasture>::new(config)?;
        for number in 0..sheep + dogs {
            let mut random = Random::of_tick(1, 0, 0).fork(number);
            let place = Vec3::new(random.unit() * 400.0, random.unit() * 400.0, 0.0);
            let Ok((_, slot)) = world.spawn(place, random.next_u32() as u16) else { break };
            world.game.kind[slot.row()] = if number < sheep { SHEEP } else { DOG };
            world.game.wool_g[slot.row()] = 3_000;
        }
        Ok(Self { world, barks: Effects::default() })
    }

    fn tick(&mut self) {
        let tick = self.world.begin_tick();
        self.dogs_bark();
        self.sheep_run();
        self.everybody_walks(Random::of_tick(1, tick, 1));
        self.world.settle();
        self.world.publish(|pasture, first_row, rows| {
            for (row, attributes) in rows.iter_mut().enumerate() {
                let row = first_row + row;
                *attributes =
                    [pasture.wool_g[row], pasture.kind[row].into(), pasture.fear_ticks[row].into(), 0];
            }
        });
    }

    /// Dogs look around; what they do to sheep is an effect, for a system may write only its own rows.
    fn dogs_bark(&mut self) {
        if self.world.tick() == 1 {
            return; // Nothing is published yet, so there is nobody to see.
        }
        let world = &self.world;
        each_region(world.rows(), (self.barks.per_region(world.rows()),), |rows, (barks,)| {
            let mut found = Found::default();
            let live = &world.live()[rows.start / 16..rows.end / 16];
            for row in live_rows(rows, live).filter(|row| world.game.kind[*row] == DOG) {
                // Rows stay whose they are until the next settle, so last tick's frame names the same animals.
                let near = world.within(world.body.x[row], world.body.y[row], BARK_RADIUS_M, &mut found);
                let sheep = near.iter().filter(|other| world.game.kind[**other as usize] == SHEEP);
                barks.0[0].extend(sheep.map(|sheep_row| Bark { dog_row: row as u32, sheep_row: *sheep_row }));
            }
        });
    }

    /// Applies the barks in their fixed order: the last dog decides where a sheep runs.
    fn sheep_run(&mut self) {
        let Game { world, barks } = self;
        barks.drain(|bark| {
            let (dog, sheep) = (bark.dog_row as usize, bark.sheep_row as usize);
            let (dx, dy) = (world.body.x[sheep] - world.body.x[dog], world.body.y[sheep] - world.body.y[dog]);
            let length = (dx * dx + dy * dy).sqrt().max(0.01);
            (world.body.vx[sheep], world.body.vy[sheep]) = (dx / length * 4.0, dy / length * 4.0);
            world.game.fear_ticks[sheep] = FEAR_TICKS;
            world.game.wool_g[sheep] = world.game.wool_g[sheep].saturating_sub(1);
        });
    }

    fn everybody_walks(&mut self, random: Random) {
        let (rows, body, game) = (self.world.rows(), &mut self.world.body, &mut self.world.game);
        let columns = (
            (&mut body.x[..], &mut body.y[..], &mut body.vx[..], &mut body.vy[..]),
            (&game.kind[..], &mut game.fear_ticks[..]),
        );
        each_region(rows, columns, |rows, ((x, y, vx, vy), (kind, fear_ticks))| {
            for (index, row) in rows.enumerate() {
                let mut random = random.fork(row as u32);
                fear_ticks[index] = fear_ticks[index].saturating_sub(1);
                let is_grazing = kind[index] == SHEEP && fear_ticks[index] == 0;
                if is_grazing {
                    (vx[index], vy[index]) = (0.0, 0.0);
                } else if kind[index] == DOG && random.below(40) == 0 {
                    let (dx, dy) = direction(random.next_u32() as u16);
                    (vx[index], vy[index]) = (dx * 6.0, dy * 6.0);
                }
                x[index] = (x[index] + vx[index] * 0.05).clamp(0.0, 400.0);
                y[index] = (y[index] + vy[index] * 0.05).clamp(0.0, 400.0);
            }
        });
    }

    fn wool_g(&self) -> u64 {
        let rows = live_rows(0..self.world.rows(), self.world.live());
        rows.filter(|row| self.world.game.kind[*row] == SHEEP)
            .map(|row| u64::from(self.world.game.wool_g[row]))
            .sum()
    }

    fn first_of(&self, kind: u8) -> Option<EntityId> {
        let mut rows = live_rows(0..self.world.rows(), self.world.live());
        rows.find(|row| self.world.game.kind[*row] == kind).map(|row| self.world.id_at(Slot(row as u32)))
    }
}

fn main() -> Result<(), WorldError> {
    let mut game = Game::new(2_000, 20)?;
    let dog = game.first_of(DOG);
    let (mut viewer, mut message) = (Viewer::default(), [0; 1160]);
    for _ in 0..200 {
        game.tick();
        let tick = game.world.tick();
        let Some(own) = dog else { continue };
        let request = Request { acked_tick: tick - 1, budget_bytes: message.len(), ..Request::fresh(own) };
        let snapshot = game.world.encode(&mut viewer, &request, &mut message);
        if tick.is_multiple_of(50) {
            println!("tick {tick}: {} g of wool, the first dog's snapshot: {snapshot:?}", game.wool_g());
        }
    }
    println!("digest {:016x}", game.world.digest());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use throng_client::View;

    #[test]
    fn dogs_cost_wool_and_clients_see_it() {
        let mut game = Game::new(2_000, 20).unwrap();
        let before = game.wool_g();
        let own = game.first_of(DOG).unwrap();
        let (mut viewer, mut view, mut message) = (Viewer::default(), View::new(), [0; 1160]);
        for _ in 0..100 {
            game.tick();
            let request =
                Request { acked_tick: view.ack_tick(), budget_bytes: message.len(), ..Request::fresh(own) };
            let encoded = game.world.encode(&mut viewer, &request, &mut message).unwrap();
            view.apply_bytes(&message[..encoded.bytes]).unwrap();
            for seen in view.near() {
                let row = game.world.slot(EntityId::from_bits(seen.id)).unwrap().row();
                let told = [game.world.game.wool_g[row], game.world.game.kind[row].into()];
                assert_eq!(seen.attr[..2], told);
            }
        }
        assert!(game.wool_g() < before, "some sheep were frightened");
        assert_eq!(view.counters().mismatches, 0);
        assert!(!view.near().is_empty());
    }

    #[test]
    fn any_number_of_threads_tells_the_same_tale() {
        let tale = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                // Enough rows for regions to run in parallel.
                let mut game = Game::new(40_000, 400).unwrap();
                (0..40).for_each(|_| game.tick());
                (game.world.digest(), game.wool_g())
            })
        };
        assert_eq!(tale(1), tale(3));
    }
}
