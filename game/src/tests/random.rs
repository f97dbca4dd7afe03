//! Players who do anything at all, in any order: every command is answered once, all adds up, nothing panics.

use glam::Vec2;
use throng_engine::Random;

use super::*;

const PLAYERS: u64 = 40;
const TICKS: u32 = 1_500;

/// Some entity, or none, or nonsense.
fn entity(game: &Game, random: &mut Random) -> u32 {
    let mut rows = throng_engine::live_rows(0..game.world.rows(), game.world.live());
    match random.below(10) {
        0 => random.next_u32(),
        _ => {
            let count = game.world.entity_count() as u32;
            let row = rows.nth(random.below(count) as usize).unwrap();
            game.world.id_at(throng_engine::Slot(row as u32)).to_bits()
        }
    }
}

fn command<'a>(game: &Game, random: &mut Random, texts: &'a [String]) -> Command<'a> {
    let item = ItemId(random.below(8));
    let quantity = match random.below(12) {
        0 => u32::MAX,
        1 => 0,
        _ => random.below(4),
    };
    let money = match random.below(12) {
        0 => i64::MIN,
        1 => i64::MAX,
        _ => i64::from(random.below(500)),
    };
    let text = &texts[random.below(texts.len() as u32) as usize];
    let name = &texts[random.below(texts.len() as u32) as usize];
    match random.below(20) {
        0 => Command::Buy { shop: game.shopkeepers[0].to_bits(), item, quantity, money },
        1 => Command::Buy { shop: entity(game, random), item, quantity, money },
        2 => Command::Sell { shop: game.shopkeepers[0].to_bits(), item, quantity, money },
        3 | 4 => Command::PickUp { drop: entity(game, random) },
        5 | 6 => Command::Drop { item, quantity },
        7 => Command::Use { item },
        8 => Command::TradeOpen { with: entity(game, random) },
        9 => {
            let other = game.player_of(u64::from(random.below(PLAYERS as u32)));
            Command::TradeOpen { with: other.map_or(0, |other| bits(game, other)) }
        }
        10 | 11 => Command::TradeOffer { item, quantity, money },
        12 | 13 => Command::TradeConfirm { revision: random.below(6) },
        14 => Command::TradeCancel,
        15 => Command::Say { text },
        16 => Command::Shout { text },
        17 => Command::Whisper { name, text },
        18 => Command::Mute { name, is_muted: random.below(2) == 0 },
        _ if random.below(2) == 0 => Command::EnterZone { zone: random.below(3), instance: random.below(5) },
        _ => Command::LeaveZone,
    }
}

#[test]
fn a_digest_sees_all_that_a_tick_depends_on() {
    let start = || {
        let mut game = game_on_land();
        for character in 1..=2 {
            enter(&mut game, character);
        }
        game.tick();
        game
    };
    let queued = |command| {
        let mut game = start();
        ask(&mut game, PlayerId(0), 1, command);
        game.digest()
    };
    let mut digests = vec![
        start().digest(),
        queued(Command::Say { text: "ab" }),
        queued(Command::Say { text: "ac" }),
        queued(Command::Shout { text: "ab" }),
        queued(Command::Whisper { name: "a", text: "b" }),
        queued(Command::Whisper { name: "ab", text: "c" }),
        queued(Command::Whisper { name: "a", text: "bc" }),
        queued(Command::Drop { item: ItemId(1), quantity: 2 }),
        queued(Command::Drop { item: ItemId(1), quantity: 3 }),
        queued(Command::Drop { item: ItemId(2), quantity: 2 }),
        queued(Command::Buy { shop: 1, item: ItemId(1), quantity: 2, money: 3 }),
        queued(Command::Sell { shop: 1, item: ItemId(1), quantity: 2, money: 3 }),
        queued(Command::EnterZone { zone: 1, instance: 0 }),
        queued(Command::EnterZone { zone: 0, instance: 1 }),
        queued(Command::Mute { name: "a", is_muted: true }),
        queued(Command::Mute { name: "a", is_muted: false }),
    ];
    let changed = |change: fn(&mut Game)| {
        let mut game = start();
        change(&mut game);
        game.digest()
    };
    digests.extend([
        changed(|game| game.characters.rename(AccountId(0), "Another")),
        changed(|game| assert_eq!(game.lying.put(DropId::from_bits(0), EntityId::from_bits(1)), 0)),
        changed(|game| assert!(game.chat.shouts.take(1, crate::chat::Rate { interval_ticks: 1, burst: 1 }))),
        changed(|game| game.newcomers.push(PlayerId(0))),
    ]);
    assert_eq!(digests[0], start().digest());
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn anything_at_all() {
    for seed in 0..4 {
        anything(seed);
    }
}

fn anything(seed: u64) {
    println!("seed {seed}");
    let mut config = config(400, Spawn::Land);
    config.land = LandSource::Given(land());
    config.rules.instance_players_max = 3;
    config.rules.drop_ticks = 100;
    let mut game = Game::new(config).unwrap();
    let mut texts: Vec<_> = (0..PLAYERS).map(|character| format!("Player {character}")).collect();
    texts.extend(["\n".into(), String::new(), "x".repeat(300), "héllo".into()]);
    let mut sequences = [0; PLAYERS as usize];
    let mut is_here = [false; PLAYERS as usize];
    let mut commands = 0;
    for tick in 1..=TICKS {
        let mut random = Random::of_tick(seed, tick, 1);
        let mut asked = Vec::new();
        for character in 0..PLAYERS {
            if !is_here[character as usize] {
                if random.below(20) == 0 {
                    enter(&mut game, character);
                    (is_here[character as usize], sequences[character as usize]) = (true, 0);
                }
                continue;
            }
            let player = game.player_of(character).unwrap();
            if random.below(300) == 0 {
                game.take(Input::Leave { player });
                is_here[character as usize] = false;
            }
            let direction = Vec2::new(random.unit() - 0.5, random.unit() - 0.5) * 4.0;
            let intent = Intent { direction, yaw: random.next_u32() as u16, buttons: random.below(8) as u16 };
            let sequence = &mut sequences[character as usize];
            // Now and then a number that has been, or more than there is time for.
            for _ in 0..if random.below(50) == 0 { 10 } else { random.below(3) } {
                *sequence += u32::from(random.below(10) != 0);
                game.take(Input::Intent { player, sequence: *sequence, shown_tick: tick - 1, intent });
            }
            for _ in 0..if random.below(100) == 0 { 12 } else { random.below(2) } {
                commands += 1;
                // Now and then a number that was used before, maybe for something else.
                let back = if random.below(10) == 0 { random.below(50) } else { 0 };
                let id =
                    CommandId(u128::from(character) << 32 | u128::from(commands - back.min(commands - 1)));
                if game.take(Input::Command { player, id, command: command(&game, &mut random, &texts) })
                    == Taken::Queued
                {
                    asked.push(id);
                }
            }
        }
        game.tick();
        let mut answered: Vec<_> = game
            .notices()
            .filter_map(|(_, notice)| match notice {
                Notice::Answer { id, .. } => Some(id),
                _ => None,
            })
            .collect();
        answered.sort_unstable_by_key(|id| id.0);
        asked.sort_unstable_by_key(|id| id.0);
        // Those of a player who left after asking are not answered.
        assert!(answered.iter().all(|id| asked.contains(id)) && answered.len() <= asked.len());
        assert_eq!(game.counters().ledger_imbalance, 0);
        assert_eq!(lying(&game).len(), game.economy().drop_count());
        if tick % 100 == 0 {
            assert_sound(&game);
            let visitors: u32 = game.visitors.iter().sum();
            assert_eq!(visitors, game.player_count());
        }
    }
    let counters = game.counters();
    assert!(counters.commands_done > 1_000 && counters.commands_refused > 1_000, "{counters:?}");
    assert!(
        counters.avatars_died > 0 && counters.creatures_died > 0 && counters.departed > 0,
        "{counters:?}"
    );
    assert!(game.economy().transfers() > 500);
}
