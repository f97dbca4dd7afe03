//! Commands about goods: each gets its outcome, and whatever a client sends, all adds up.

use glam::Vec2;

use super::*;
use crate::content::{BREAD, PELT, POTION, START_MONEY};

#[test]
fn buying_and_selling_at_a_shop() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    put(&mut game, player, SHOP + Vec2::new(9.0, 0.0));
    let shop = game.shopkeepers[0].to_bits();
    game.tick();
    let buy = |quantity, money| Command::Buy { shop, item: POTION, quantity, money };
    assert_eq!(outcome(&mut game, player, 1, buy(2, 120)), Outcome::Done);
    assert_eq!((money(&game, 1), quantity(&game, 1, POTION)), (START_MONEY - 120, 5));
    let told = told(&game, player);
    assert!(told.contains(&Notice::Money { money: START_MONEY - 120 }));
    assert!(told.contains(&Notice::Item { item: POTION, quantity: 5 }));
    assert!(told.iter().any(|notice| matches!(notice, Notice::Price { asks: 60, pays: 35, stock: 198, .. })));

    // The same command again is answered again, and does nothing.
    assert_eq!(outcome(&mut game, player, 1, buy(2, 120)), Outcome::Done);
    assert_eq!((money(&game, 1), game.counters().commands_repeated), (START_MONEY - 120, 1));

    assert_eq!(outcome(&mut game, player, 2, buy(1, 59)), Outcome::Price);
    assert_eq!(outcome(&mut game, player, 3, buy(0, 100)), Outcome::Malformed);
    assert_eq!(outcome(&mut game, player, 4, buy(1, -1)), Outcome::Malformed);
    assert_eq!(outcome(&mut game, player, 5, buy(u32::MAX, i64::MAX)), Outcome::NotEnoughItems);
    assert_eq!(outcome(&mut game, player, 6, buy(16, i64::MAX)), Outcome::NotEnoughMoney);
    assert_eq!(outcome(&mut game, player, 0, buy(1, 100)), Outcome::Malformed, "0 is no id");
    let sell = |item, quantity, money| Command::Sell { shop, item, quantity, money };
    assert_eq!(outcome(&mut game, player, 7, sell(POTION, 1, 36)), Outcome::Price);
    assert_eq!(outcome(&mut game, player, 8, sell(POTION, 6, 0)), Outcome::NotEnoughItems);
    assert_eq!(outcome(&mut game, player, 9, sell(POTION, u32::MAX, 0)), Outcome::NotEnoughItems);
    assert_eq!(outcome(&mut game, player, 10, sell(ItemId(99), 1, 0)), Outcome::NotAllowed);
    assert_eq!(outcome(&mut game, player, 11, sell(POTION, 5, 175)), Outcome::Done);
    assert_eq!((money(&game, 1), quantity(&game, 1, POTION)), (START_MONEY - 120 + 175, 0));

    put(&mut game, player, SHOP + Vec2::new(10.5, 0.0));
    assert_eq!(outcome(&mut game, player, 12, sell(BREAD, 1, 0)), Outcome::TooFar);
    // A repeat is answered as before, wherever its player is by now.
    assert_eq!(outcome(&mut game, player, 11, sell(POTION, 5, 175)), Outcome::Done);
    let own = bits(&game, player);
    for shop in [0, own, u32::MAX] {
        let command = Command::Buy { shop, item: POTION, quantity: 1, money: 100 };
        assert_eq!(outcome(&mut game, player, 100 + u128::from(shop), command), Outcome::Gone);
    }
}

#[test]
fn what_lies_on_the_ground_is_had_once() {
    let mut game = game_on_land();
    let players: Vec<_> = (1..=6).map(|character| enter(&mut game, character)).collect();
    for (place, player) in players.iter().enumerate() {
        put(&mut game, *player, SHOP + Vec2::new(place as f32 * 1.5, 0.0));
    }
    game.tick();
    let drop = |item, quantity| Command::Drop { item, quantity };
    assert_eq!(outcome(&mut game, players[0], 1, drop(BREAD, 0)), Outcome::Malformed);
    assert_eq!(outcome(&mut game, players[0], 2, drop(ItemId(0), 1)), Outcome::Malformed);
    assert_eq!(outcome(&mut game, players[0], 3, drop(BREAD, 6)), Outcome::NotEnoughItems);
    assert_eq!(outcome(&mut game, players[0], 4, drop(BREAD, 3)), Outcome::Done);
    let entity = lying(&game)[0];

    // All of them grasp at it in one tick: the first within reach has it, and then it is gone.
    for (id, player) in (10..).zip(players.iter().rev()) {
        ask(&mut game, *player, id, Command::PickUp { drop: entity });
    }
    game.tick();
    assert_sound(&game);
    let outcomes: Vec<_> = (10..16).map(|id| answer(&game, id)).collect();
    let far = [Outcome::TooFar; 3];
    assert_eq!(outcomes, [&far[..], &[Outcome::Done, Outcome::Gone, Outcome::Gone]].concat());
    assert_eq!((quantity(&game, 1, BREAD), quantity(&game, 3, BREAD)), (2, 8));
    assert!(lying(&game).is_empty());
    for drop in [0, entity, u32::MAX, bits(&game, players[1])] {
        let command = Command::PickUp { drop };
        assert_eq!(outcome(&mut game, players[0], 100 + u128::from(drop), command), Outcome::Gone);
    }

    // What nobody wants is gone after a while.
    assert_eq!(outcome(&mut game, players[0], 20, drop(BREAD, 2)), Outcome::Done);
    assert_eq!(lying(&game).len(), 1);
    for _ in 0..game.config.rules.drop_ticks {
        game.tick();
    }
    assert_sound(&game);
    assert!(lying(&game).is_empty());
    assert_eq!(game.economy().balance(Book::Expired, BREAD), 2);
    assert_eq!(game.counters().drops_expired, 1);
}

#[test]
fn what_expires_leaves_no_trace_when_its_place_is_used_again_at_once() {
    let mut game = game_on_land();
    let [one, other] = [1, 2].map(|character| enter(&mut game, character));
    put(&mut game, one, SHOP);
    put(&mut game, other, SHOP + Vec2::new(50.0, 0.0));
    let drop = Command::Drop { item: BREAD, quantity: 1 };
    assert_eq!(outcome(&mut game, one, 1, drop), Outcome::Done);
    let old = lying(&game);
    (1..game.config.rules.drop_ticks).for_each(|_| game.tick());
    assert_eq!(lying(&game), old, "its last tick");
    assert_eq!(outcome(&mut game, other, 2, drop), Outcome::Done);
    assert_eq!(game.counters().drops_expired, 1);
    let new = lying(&game);
    assert!(new.len() == 1 && new != old, "{new:?} after {old:?}");
    assert_eq!(outcome(&mut game, one, 3, Command::PickUp { drop: old[0] }), Outcome::Gone);
    assert_eq!(outcome(&mut game, one, 4, Command::PickUp { drop: new[0] }), Outcome::TooFar);
}

#[test]
fn nobody_deals_once_the_books_are_wrong() {
    let mut config = config(1, Spawn::Land);
    config.land = LandSource::Given(land());
    let mut game = Game::new(config).unwrap();
    let creature = throng_engine::live_rows(0..game.world.rows(), game.world.live())
        .find(|row| game.world.game.kind[*row] == CREATURE)
        .unwrap();
    let victim = game.world.id_at(throng_engine::Slot(creature as u32));
    let player = enter(&mut game, 1);
    put(&mut game, player, SHOP);
    let shop = game.shopkeepers[0].to_bits();
    let buy = Command::Buy { shop, item: POTION, quantity: 1, money: START_MONEY };
    assert_eq!(outcome(&mut game, player, 100, buy), Outcome::Done);
    let drop = Command::Drop { item: BREAD, quantity: 1 };
    assert_eq!(outcome(&mut game, player, 1, drop), Outcome::Done);
    assert_eq!(game.imbalance(), None);
    game.economy.unbalance();
    game.tick();
    assert!(matches!(game.imbalance(), Some(Imbalance::Impossible { amount: 1, .. })));
    for (id, command) in [(2, drop), (3, Command::Use { item: POTION }), (4, Command::TradeCancel)] {
        ask(&mut game, player, id, command);
        game.tick();
        assert_eq!(answer(&game, id), Outcome::NotAllowed, "{command:?}");
    }
    assert_eq!((quantity(&game, 1, BREAD), quantity(&game, 1, POTION)), (4, 4));
    let counters = game.counters();
    assert_eq!((counters.deals_stopped, counters.ledger_imbalance), (3, 4));
    ask(&mut game, player, 5, Command::Say { text: "what now?" });
    game.tick();
    assert_eq!(answer(&game, 5), Outcome::Done, "all else goes on");

    // Nothing more comes into being either: no loot, no stock, nothing for new characters.
    let came = |game: &Game| {
        let books = [Book::Loot, Book::NewCharacter, Book::Restock];
        books.map(|book| [0, 1, 2, 3, 4, 5, 6].map(|item| game.economy().balance(book, ItemId(item))))
    };
    let before = came(&game);
    let killer = game.avatar(player).unwrap();
    game.deaths.extend((0..100).map(|_| Death { victim, killer, x: 1.0, y: 1.0 }));
    enter(&mut game, 2);
    (0..1_200).for_each(|_| game.tick());
    assert_eq!(came(&game), before);
    assert!(lying(&game).is_empty());
    assert_eq!((money(&game, 2), quantity(&game, 2, BREAD)), (0, 0));
}

#[test]
fn litter_leaves_half_of_the_ground_to_loot_and_neither_takes_a_players_place() {
    let mut config = config(1, Spawn::Everywhere);
    (config.world.entities_max, config.rules.drops_max, config.rules.combat.shots_max) = (6, 8, 2);
    config.rules.species.iter_mut().for_each(|species| species.notice_m = 0.0);
    let mut game = Game::new(config).unwrap();
    let creature = throng_engine::live_rows(0..game.world.rows(), game.world.live()).next().unwrap();
    let victim = game.world.id_at(throng_engine::Slot(creature as u32));
    let players = [1, 2].map(|character| enter(&mut game, character));
    let drop = Command::Drop { item: BREAD, quantity: 1 };
    for id in 1..=4 {
        assert_eq!(outcome(&mut game, players[id as usize % 2], id, drop), Outcome::Done);
    }
    assert_eq!(outcome(&mut game, players[0], 5, drop), Outcome::Full);
    assert_eq!((lying(&game).len(), quantity(&game, 1, BREAD)), (4, 3));
    let killer = game.avatar(players[0]).unwrap();
    while game.counters().loot_refused == 0 {
        game.deaths.push(Death { victim, killer, x: 1.0, y: 1.0 });
        game.tick();
        assert!(game.current_tick() < 200);
        assert_eq!(lying(&game).len(), game.economy().drop_count());
    }
    assert_eq!(lying(&game).len(), 8, "all of the ground");

    // As if the room for all these had been clipped.
    while game.places_left() > 0 {
        game.world.spawn(glam::Vec3::ONE, 0).unwrap();
    }
    for player in players {
        let intent = Intent { buttons: buttons::SHOOT, ..Intent::default() };
        game.take(Input::Intent { player, sequence: 1, shown_tick: 0, intent });
    }
    game.tick();
    assert_eq!((game.combat.counts().shots, game.combat.counts().refused_full), (0, 2));
    let room = (3..=5).map(|character| enter(&mut game, character));
    assert_eq!(room.count(), 3, "whoever may come finds a place");
}

#[test]
fn littering_has_a_limit() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    for id in 1..=20 {
        ask(&mut game, player, id, Command::Drop { item: BREAD, quantity: 1 });
        game.tick();
        let expected = match id {
            1..=5 => Outcome::Done,
            6..=10 => Outcome::NotEnoughItems,
            _ => Outcome::TooFast,
        };
        assert_eq!(answer(&game, id), expected, "{id}");
    }
    assert_sound(&game);
}

#[test]
fn a_repeat_is_answered_as_before_however_many_commands_come() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    let drop = Command::Drop { item: BREAD, quantity: 1 };
    assert_eq!(outcome(&mut game, player, 1, drop), Outcome::Done);
    for id in 2..=33 {
        ask(&mut game, player, id, Command::LeaveZone);
        if id % 8 == 1 {
            game.tick();
        }
    }
    ask(&mut game, player, 34, drop);
    ask(&mut game, player, 1, drop);
    game.tick();
    assert_eq!((answer(&game, 34), answer(&game, 1)), (Outcome::TooFast, Outcome::Done));
    assert_eq!((quantity(&game, 1, BREAD), game.counters().commands_repeated), (4, 1));
}

#[test]
fn a_potion_heals() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    let row = row(&game, player);
    game.world.game.health[row] = 30;
    assert_eq!(outcome(&mut game, player, 1, Command::Use { item: POTION }), Outcome::Done);
    let healed = game.world.game.health[self::row(&game, player)];
    assert!((70..=72).contains(&healed), "{healed}");
    assert_eq!(outcome(&mut game, player, 1, Command::Use { item: POTION }), Outcome::Done, "a repeat");
    assert_eq!(quantity(&game, 1, POTION), 2);
    assert_eq!(outcome(&mut game, player, 2, Command::Use { item: PELT }), Outcome::NotAllowed);
    assert_eq!(outcome(&mut game, player, 3, Command::Use { item: ItemId(u32::MAX) }), Outcome::Malformed);
    for id in 4..=6 {
        outcome(&mut game, player, id, Command::Use { item: POTION });
    }
    assert_eq!(answer(&game, 6), Outcome::NotEnoughItems);
    let row = self::row(&game, player);
    assert_eq!(game.world.game.health[row], game.world.game.health_max[row], "never more than all of it");
}

#[test]
fn the_dead_do_not_deal() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    kill(&mut game, player);
    let commands = [
        Command::Buy { shop: 1, item: POTION, quantity: 1, money: 100 },
        Command::Sell { shop: 1, item: POTION, quantity: 1, money: 0 },
        Command::PickUp { drop: 1 },
        Command::Drop { item: BREAD, quantity: 1 },
        Command::Use { item: POTION },
        Command::TradeOpen { with: 1 },
        Command::TradeOffer { item: BREAD, quantity: 1, money: 0 },
        Command::TradeConfirm { revision: 1 },
        Command::TradeCancel,
        Command::EnterZone { zone: 1, instance: 0 },
        Command::LeaveZone,
    ];
    for (id, command) in (1..).zip(commands) {
        assert_eq!(outcome(&mut game, player, id, command), Outcome::Dead, "{command:?}");
    }
    assert_eq!(
        outcome(&mut game, player, 50, Command::Say { text: "help" }),
        Outcome::Done,
        "the dead may speak"
    );
}

/// Two players near each other, trading.
fn traders(game: &mut Game) -> [PlayerId; 2] {
    let players = [1, 2].map(|character| enter(game, character));
    put(game, players[0], SHOP);
    put(game, players[1], SHOP + Vec2::new(11.0, 0.0));
    game.tick();
    let with = players.map(|player| bits(game, player));
    assert_eq!(outcome(game, players[0], 1, Command::TradeOpen { with: with[1] }), Outcome::Done);
    assert!(told(game, players[1]).iter().any(|notice| matches!(
        notice,
        Notice::TradeState { with: by, state: TradeState::Asked, .. } if *by == with[0]
    )));
    assert_eq!(outcome(game, players[1], 2, Command::TradeOpen { with: with[0] }), Outcome::Done);
    players
}

fn is_told(game: &Game, player: PlayerId, wanted: TradeState) -> bool {
    let mut states = told(game, player).into_iter();
    states.any(|notice| matches!(notice, Notice::TradeState { state, .. } if state == wanted))
}

#[test]
fn nobody_is_flooded_with_questions() {
    let mut game = game_on_land();
    let players = [1, 2].map(|character| enter(&mut game, character));
    players.iter().for_each(|player| put(&mut game, *player, SHOP));
    game.tick();
    let [with_one, with] = players.map(|player| bits(&game, player));
    let mut questions = 0;
    for id in 1..=150 {
        let is_question = id % 2 == 1;
        ask(
            &mut game,
            players[0],
            id,
            if is_question { Command::TradeOpen { with } } else { Command::TradeCancel },
        );
        game.tick();
        questions += u32::from(is_told(&game, players[1], TradeState::Asked));
        game.tick();
    }
    assert!((8..=9).contains(&questions), "five, and in 15 s one each three seconds: {questions}");
    let mute = |is_muted| Command::Mute { name: "Player 1", is_muted };
    assert_eq!(outcome(&mut game, players[1], 1_000, mute(true)), Outcome::Done);
    (0..400).for_each(|_| game.tick());
    assert_eq!(outcome(&mut game, players[0], 1_001, Command::TradeOpen { with }), Outcome::NotAllowed);
    assert!(told(&game, players[1]).is_empty(), "who is muted is not heard of");
    assert_eq!(outcome(&mut game, players[1], 1_002, mute(false)), Outcome::Done);
    assert_eq!(outcome(&mut game, players[0], 1_003, Command::TradeOpen { with }), Outcome::Done);
    assert!(is_told(&game, players[1], TradeState::Asked));
    let accept = Command::TradeOpen { with: with_one };
    assert_eq!(outcome(&mut game, players[1], 1_004, accept), Outcome::Done);
    assert!(is_told(&game, players[0], TradeState::Open));
}

#[test]
fn a_trade_changes_hands_when_both_agree_to_the_same() {
    let mut game = game_on_land();
    let [one, other] = traders(&mut game);
    let offer = |item, quantity, money| Command::TradeOffer { item, quantity, money };
    assert_eq!(outcome(&mut game, one, 3, offer(BREAD, 2, 0)), Outcome::Done);
    assert_eq!(outcome(&mut game, other, 4, offer(ItemId(0), 0, 300)), Outcome::Done);
    let Some(Notice::Trade { revision, money: 300, .. }) =
        told(&game, one).into_iter().find(|notice| matches!(notice, Notice::Trade { .. }))
    else {
        panic!("not told")
    };
    assert_eq!(outcome(&mut game, one, 5, offer(BREAD, 6, 0)), Outcome::NotEnoughItems);
    assert_eq!(outcome(&mut game, one, 6, offer(ItemId(0), 0, -1)), Outcome::Malformed);
    assert_eq!(outcome(&mut game, one, 7, offer(ItemId(0), 0, i64::MAX)), Outcome::NotEnoughMoney);
    assert_eq!(outcome(&mut game, one, 8, offer(ItemId(77), u32::MAX, 0)), Outcome::Malformed);
    assert_eq!(
        outcome(&mut game, one, 9, Command::TradeConfirm { revision: revision + 1 }),
        Outcome::Changed
    );
    assert_eq!(outcome(&mut game, one, 10, Command::TradeConfirm { revision }), Outcome::Done);
    assert!(is_told(&game, other, TradeState::Confirmed));
    assert_eq!(outcome(&mut game, other, 11, Command::TradeConfirm { revision }), Outcome::Done);
    assert!(is_told(&game, one, TradeState::Done) && is_told(&game, other, TradeState::Done));
    assert_eq!((money(&game, 1), money(&game, 2)), (START_MONEY + 300, START_MONEY - 300));
    assert_eq!((quantity(&game, 1, BREAD), quantity(&game, 2, BREAD)), (3, 7));
    let first = Notice::Accomplished { what: content::accomplishments::FIRST_TRADE };
    assert!(told(&game, one).contains(&first) && told(&game, other).contains(&first));
    assert_eq!(outcome(&mut game, one, 12, Command::TradeCancel), Outcome::Changed, "there is none");
    assert_eq!(outcome(&mut game, one, 13, Command::TradeConfirm { revision }), Outcome::Changed);
}

#[test]
fn a_trade_ends_when_its_two_part() {
    type Parting = fn(&mut Game, PlayerId);
    let partings: [Parting; 3] = [
        |game, player| put(game, player, SHOP + Vec2::new(20.5, 0.0)),
        |game, player| assert_eq!(game.take(Input::Leave { player }), Taken::Queued),
        kill,
    ];
    for part in partings {
        let mut game = game_on_land();
        let [one, other] = traders(&mut game);
        let offer = Command::TradeOffer { item: BREAD, quantity: 5, money: 0 };
        assert_eq!(outcome(&mut game, other, 3, offer), Outcome::Done);
        part(&mut game, other);
        game.tick();
        assert_sound(&game);
        assert!(is_told(&game, one, TradeState::Cancelled));
        assert_eq!(quantity(&game, 2, BREAD), 5, "it comes back");
        assert_eq!(game.economy().traders(0), None);
    }
}

#[test]
fn a_trade_that_is_cancelled_and_opened_anew_in_one_tick_is_one_trade() {
    let mut game = game_on_land();
    let [one, other] = traders(&mut game);
    let [with_one, with_other] = [one, other].map(|player| bits(&game, player));
    for id in (10..40).step_by(3) {
        ask(&mut game, one, id, Command::TradeCancel);
        ask(&mut game, one, id + 1, Command::TradeOpen { with: with_other });
        ask(&mut game, other, id + 2, Command::TradeOpen { with: with_one });
        game.tick();
        assert_sound(&game);
        assert_eq!(answer(&game, id + 2), Outcome::Done);
        assert_eq!(game.economy().trade_places(), 1);
        (0..60).for_each(|_| game.tick());
    }
}

#[test]
fn with_whom_one_cannot_trade() {
    let mut game = game_on_land();
    let players = [1, 2, 3].map(|character| enter(&mut game, character));
    for (player, x) in players.iter().zip([0.0, 12.5, 5.0]) {
        put(&mut game, *player, SHOP + Vec2::new(x, 0.0));
    }
    game.tick();
    let [own, far, near] = players.map(|player| bits(&game, player));
    let keeper = game.shopkeepers[0].to_bits();
    let open = |with| Command::TradeOpen { with };
    assert_eq!(outcome(&mut game, players[0], 1, open(own)), Outcome::Oneself);
    assert_eq!(outcome(&mut game, players[0], 2, open(far)), Outcome::TooFar);
    assert_eq!(outcome(&mut game, players[0], 3, open(keeper)), Outcome::Gone);
    assert_eq!(outcome(&mut game, players[0], 4, open(0)), Outcome::Gone);
    game.take(Input::Leave { player: players[2] });
    assert_eq!(outcome(&mut game, players[0], 5, open(near)), Outcome::Gone, "its body is there, it is not");
    kill(&mut game, players[1]);
    put(&mut game, players[1], SHOP + Vec2::new(2.0, 0.0));
    assert_eq!(outcome(&mut game, players[0], 6, open(far)), Outcome::NotAllowed, "it is dead");
}
