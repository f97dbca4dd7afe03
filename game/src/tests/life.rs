//! Coming, going, dying, standing up; and configs that cannot be.

use glam::Vec2;

use super::*;
use crate::characters::AWAY_S;

#[test]
fn a_body_stays_for_a_while_and_its_character_comes_back_to_it() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let (player, other) = (enter(&mut game, 1), enter(&mut game, 2));
    let body = game.avatar(player);
    game.tick();
    game.take(Input::Leave { player });
    game.tick();
    assert_eq!(game.avatar(player), body, "still there");
    assert_eq!(enter(&mut game, 1), player);
    for _ in 0..60 {
        game.tick();
        assert!(game.departed().is_empty());
    }
    let here = place(&game, player);
    game.take(Input::Leave { player });
    let departed: Vec<_> = (0..60)
        .flat_map(|_| {
            game.tick();
            game.departed().to_vec()
        })
        .collect();
    assert_eq!(departed, [player]);
    assert_eq!((game.avatar(player), game.player_of(1)), (None, None));
    // Somebody else gets the place; the character appears where it was.
    let third = enter(&mut game, 3);
    assert_eq!(third, player);
    let player = enter(&mut game, 1);
    assert_ne!(player, third);
    assert_eq!(place(&game, player), here);
    assert_eq!(game.player_of(2), Some(other));
}

#[test]
fn creatures_wander() {
    let mut game = Game::new(config(5_000, Spawn::Everywhere)).unwrap();
    let before = game.world.body.x.to_vec();
    for _ in 0..200 {
        game.tick();
    }
    let moved = before.iter().zip(&game.world.body.x[..]).filter(|(was, is)| was != is).count();
    assert!(moved > 2_000, "{moved}");
}

#[test]
fn impossible_configs_are_refused_with_a_remedy() {
    assert!(
        Game::new(config(10_001, Spawn::Everywhere)).unwrap_err().to_string().contains("raise entities_max")
    );
    for radius_m in [0.0, -1.0, 401.0, f32::NAN] {
        assert!(matches!(Game::new(config(0, Spawn::Disc { radius_m })), Err(GameError::Disc { .. })));
    }
}

/// Two players face to face, the first facing the second.
fn duellists(game: &mut Game) -> [PlayerId; 2] {
    let players = [1, 2].map(|character| enter(game, character));
    put(game, players[0], Vec2::new(100.0, 100.0));
    put(game, players[1], Vec2::new(101.5, 100.0));
    game.tick();
    players
}

fn strike(game: &mut Game, player: PlayerId, sequence: u32) {
    let intent = Intent { buttons: buttons::STRIKE, ..Intent::default() };
    let shown_tick = game.current_tick();
    assert_eq!(game.take(Input::Intent { player, sequence, shown_tick, intent }), Taken::Queued);
}

#[test]
fn who_fights_does_not_vanish() {
    let mut game = game_on_land();
    let [one, two] = duellists(&mut game);
    strike(&mut game, one, 1);
    game.tick();
    let struck = game.current_tick();
    assert!(game.world.game.health[row(&game, two)] < 100, "it was hit");
    game.take(Input::Leave { player: two });
    let fight_ticks = game.config.rules.combat.fight_ticks;
    while game.avatar(two).is_some() {
        game.tick();
    }
    assert_eq!(game.current_tick(), struck + fight_ticks);
    // It comes back as it was: hurt, but for what has mended by then.
    let two = enter(&mut game, 2);
    assert!(game.world.game.health[row(&game, two)] < 100);
}

#[test]
fn the_slain_stand_up_again_and_the_slayer_is_known() {
    let mut game = game_on_land();
    let [one, two] = duellists(&mut game);
    let body = row(&game, two);
    game.world.game.health[body] = 1;
    strike(&mut game, one, 1);
    game.tick();
    let by = bits(&game, one);
    assert!(told(&game, two).contains(&Notice::Died { by }));
    let first = Notice::Accomplished { what: content::accomplishments::FIRST_DUEL };
    assert!(told(&game, one).contains(&first));
    assert_eq!(game.sheet_of(2).unwrap().counter(Counter::Deaths), 1);
    assert_eq!(game.counters().avatars_died, 1);
    // The dead neither walk nor strike, but their intents are counted.
    let lies = place(&game, two);
    for sequence in 1..=5 {
        let intent = Intent { direction: Vec2::X, buttons: buttons::STRIKE, ..Intent::default() };
        game.take(Input::Intent { player: two, sequence, shown_tick: 0, intent });
        game.tick();
    }
    assert_eq!((place(&game, two), game.applied_sequence(two)), (lies, 5));
    while !told(&game, two).contains(&Notice::Respawned) {
        assert!(game.current_tick() < 200);
        game.tick();
    }
    assert_eq!(game.world.game.health[row(&game, two)], 100);
    assert!(place(&game, two).distance(SHOP) <= 11.0, "where the land has players appear");
}

#[test]
fn a_level_heals_the_living_and_leaves_the_dead_dead() {
    let mut game = Game::new(config(1, Spawn::Everywhere)).unwrap();
    let creature = throng_engine::live_rows(0..game.world.rows(), game.world.live()).next().unwrap();
    let victim = game.world.id_at(throng_engine::Slot(creature as u32));
    let players = [1, 2].map(|character| enter(&mut game, character));
    kill(&mut game, players[0]);
    let own = row(&game, players[1]);
    game.world.game.health[own] = 1;
    // As of arrows that slay when their archer has fallen.
    for killer in players {
        let killer = game.avatar(killer).unwrap();
        game.deaths.extend((0..100).map(|_| Death { victim, killer, x: 1.0, y: 1.0 }));
    }
    game.tick();
    let [dead, living] = players.map(|player| row(&game, player));
    let traits = &game.world.game;
    assert!(traits.level[dead] > 1 && traits.health_max[dead] > 100);
    assert_eq!((traits.health[dead], traits.health[living]), (0, traits.health_max[living]));
    (0..=game.config.rules.respawn_ticks).for_each(|_| game.tick());
    let dead = row(&game, players[0]);
    assert_eq!(game.world.game.health[dead], game.world.game.health_max[dead]);
}

#[test]
fn the_dead_stand_up_no_sooner_by_leaving() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    put(&mut game, player, Vec2::new(10.0, 10.0));
    kill(&mut game, player);
    let due = game.world.game.expire_tick[row(&game, player)];
    game.take(Input::Leave { player });
    (0..30).for_each(|_| game.tick());
    assert_eq!(enter(&mut game, 1), player, "its body lies where it fell");
    game.tick();
    assert_eq!(game.world.game.health[row(&game, player)], 0);
    assert!(told(&game, player).contains(&Notice::Died { by: 0 }));
    game.take(Input::Leave { player });
    while game.avatar(player).is_some() {
        game.tick();
    }
    assert_eq!(game.current_tick(), due);
    let player = enter(&mut game, 1);
    assert_eq!(game.world.game.health[row(&game, player)], 100);
    assert!(place(&game, player).distance(SHOP) <= 11.0, "where the land has players appear");
}

#[test]
fn of_more_characters_than_may_be_known_those_with_nothing_to_lose_are_forgotten() {
    let mut config = config(0, Spawn::Land);
    config.land = LandSource::Given(land());
    config.rules.characters_max = 3;
    let mut game = Game::new(config).unwrap();
    let players = [1, 2, 3].map(|character| enter(&mut game, character));
    let bread = content::BREAD;
    let drop = Command::Drop { item: bread, quantity: 1 };
    assert_eq!(outcome(&mut game, players[1], 7, drop), Outcome::Done);
    for player in players {
        game.take(Input::Leave { player });
    }
    let come = |game: &mut Game, character| game.take(Input::Enter { character, name: "Newcomer" });
    (0..AWAY_S * 20 - 1).for_each(|_| game.tick());
    assert_eq!(come(&mut game, 4), Taken::Full, "nobody has been away for long enough");
    (0..30).for_each(|_| game.tick());
    for character in [4, 5] {
        assert!(matches!(come(&mut game, character), Taken::Entered(_)));
    }
    assert_eq!(come(&mut game, 6), Taken::Full, "the third has less than a new one");
    let counters = game.counters();
    assert_eq!((counters.characters_forgotten, counters.refused_characters), (2, 2));
    assert_eq!((game.account_of(1), game.account_of(3)), (None, None));
    assert_eq!((money(&game, 5), quantity(&game, 5, bread)), (content::START_MONEY, 5));
    let player = enter(&mut game, 2);
    assert_eq!(quantity(&game, 2, bread), 4);
    // Who is forgotten is not spoken to, and its answers are not another's.
    let whisper = |name| Command::Whisper { name, text: "psst" };
    assert_eq!(outcome(&mut game, player, 8, whisper("Player 1")), Outcome::Gone);
    assert_eq!(outcome(&mut game, player, 9, whisper("Newcomer")), Outcome::Done);
    assert_eq!(game.character_count(), 3);
}

#[test]
fn slaying_creatures_makes_levels_and_leaves_loot() {
    let mut config = config(0, Spawn::Land);
    config.land = LandSource::Given(land());
    config.creatures = 40;
    let mut game = Game::new(config).unwrap();
    let player = enter(&mut game, 1);
    let mut accomplished = Vec::new();
    let mut levels = Vec::new();
    let mut sequence = 0;
    for _ in 0..8_000 {
        // Goes from creature to creature and strikes it down, helped along.
        let creature = throng_engine::live_rows(0..game.world.rows(), game.world.live())
            .find(|row| game.world.game.kind[*row] == CREATURE && game.world.game.health[*row] > 0);
        let Some(creature) = creature else {
            game.tick();
            continue;
        };
        game.world.game.health[creature] = 1;
        let at = game.place_of(creature);
        put(&mut game, player, at - Vec2::new(1.0, 0.0));
        let own = row(&game, player);
        (game.world.game.health[own], game.world.game.ready_tick[own]) = (100, 0);
        sequence += 1;
        strike(&mut game, player, sequence);
        game.tick();
        for notice in told(&game, player) {
            match notice {
                Notice::Accomplished { what } => accomplished.push(what),
                Notice::Progress { level, .. } => levels.push(level),
                _ => {}
            }
        }
        if accomplished.len() == 3 {
            break;
        }
    }
    use content::accomplishments::{FIRST_KILL, HUNDRED_KILLS, LEVEL_10};
    assert_eq!((accomplished[0], accomplished.len()), (FIRST_KILL, 3), "{accomplished:?}");
    assert!(accomplished.contains(&HUNDRED_KILLS) && accomplished.contains(&LEVEL_10));
    assert!(levels.is_sorted() && levels.last() >= Some(&10));
    let own = row(&game, player);
    assert_eq!(u32::from(game.world.game.level[own]), *levels.last().unwrap());
    assert_eq!(game.world.game.health_max[own], content::health(game.world.game.level[own]));
    let kills = game.sheet_of(1).unwrap().counter(Counter::Kills);
    assert_eq!(kills, game.counters().creatures_died);
    let pieces = [content::PELT, content::TUSK, content::ANTLER, content::RING];
    let dropped: i128 = pieces.iter().map(|item| -game.economy().balance(Book::Loot, *item)).sum();
    assert!((kills as i128 / 2..=kills as i128).contains(&dropped), "{dropped} of {kills}");
    assert_sound(&game);
    // What it became stays with the character.
    game.take(Input::Leave { player });
    (0..400).for_each(|_| game.tick());
    let player = enter(&mut game, 1);
    assert_eq!(u32::from(game.world.game.level[row(&game, player)]), *levels.last().unwrap());
}

#[test]
fn a_full_world_lets_nobody_in_and_drops_keep_nobody_out() {
    let mut config = config(3, Spawn::Everywhere);
    config.world.entities_max = 5;
    let mut game = Game::new(config).unwrap();
    let one = enter(&mut game, 1);
    let drop = Command::Drop { item: content::BREAD, quantity: 1 };
    (1..=5).for_each(|id| assert_eq!(outcome(&mut game, one, id, drop), Outcome::Done));
    enter(&mut game, 2);
    assert_eq!(game.take(Input::Enter { character: 3, name: "c" }), Taken::Full);
    assert_eq!(game.counters().refused_full, 1);
    assert_eq!(game.player_of(3), None);
    assert_eq!(enter(&mut game, 1), one, "whose body is there may always come back");
}

#[test]
fn bodies_part_and_walkers_are_not_pushed() {
    let mut game = game_on_land();
    let players: Vec<_> = (0..20).map(|character| enter(&mut game, character)).collect();
    players.iter().for_each(|player| put(&mut game, *player, Vec2::new(100.0, 100.0)));
    for _ in 0..400 {
        game.tick();
    }
    for (index, one) in players.iter().enumerate() {
        for other in &players[..index] {
            let apart = place(&game, *one).distance(place(&game, *other));
            assert!(apart > BODY_WIDTH_M * 0.9, "{apart}");
        }
    }
    // One walks through the middle of them exactly as on empty ground.
    let mut body = throng_motion::Body { x: 90.0, y: 100.0, ..Default::default() };
    put(&mut game, players[0], Vec2::new(90.0, 100.0));
    for sequence in 1..=80 {
        intend(&mut game, players[0], sequence, Vec2::X);
        game.tick();
        body = throng_motion::step(game.land(), &LIMITS, body, Vec2::X, 0.05);
        assert_eq!(place(&game, players[0]), Vec2::new(body.x, body.y));
    }
}
