//! What players do beside walking, over real sockets: talk, shop, trade, fight, leave and come back.

mod common;

use common::{Player, Stage, assert_undisturbed, now_us, on_both_backends, step, step_until};
use throng_game::{ItemId, SHOPKEEPER, content, state};
use throng_net::protocol::token::TokenName;
use throng_schema::wire::{Outcome, Told, Verb};
use throng_schema::{CommandFields, IntentFields};

/// Somebody who stands still, known by name, in the so-manieth session of its character.
fn player(realm: &mut Stage<'_>, name: &str, number: u64, session_epoch: u64) -> Player {
    let mut player = Player::with(realm, 100 * number + session_epoch, |fields| {
        let body = &mut fields.body;
        (body.account, body.character, body.session_epoch) = (number, number, session_epoch);
        body.name = TokenName::new(name).expect("a name");
    });
    player.session.set_intent(IntentFields::default());
    player
}

/// Ada, Bea and Cid, who see each other.
fn three(realm: &mut Stage<'_>) -> Vec<Player> {
    let mut players: Vec<Player> =
        (1..).zip(["Ada", "Bea", "Cid"]).map(|(number, name)| player(realm, name, number, 1)).collect();
    step_until(realm, &mut players, "all are told where they are", |_, players| {
        players.iter().all(|player| player.told(Told::Zone).count() > 0 && player.visible() > 0)
    });
    players
}

fn command(id: u128, verb: Verb) -> CommandFields<'static> {
    CommandFields { id, verb, ..CommandFields::default() }
}

/// Lets one of the players ask for something, and gives what became of it.
fn ask(realm: &mut Stage<'_>, players: &mut [Player], who: usize, asked: CommandFields<'_>) -> Outcome {
    players[who].ask(asked);
    step_until(realm, players, "an answer", |_, players| players[who].outcome(asked.id).is_some());
    players[who].outcome(asked.id).expect("just seen")
}

/// How much of an item, or of money, a player was last told to have.
fn holds(player: &Player, item: u32) -> u32 {
    player.told(Told::Item).filter(|heard| heard.item == item).last().map_or(0, |heard| heard.quantity)
}

fn money(player: &Player) -> i64 {
    player.told(Told::Money).last().map_or(0, |heard| heard.money)
}

#[test]
fn talk_is_heard_by_whom_it_is_meant_for() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = three(realm);
            let ada = players[0].own_id();
            let say = CommandFields { text: "well met", ..command(1, Verb::Say) };
            assert_eq!(ask(realm, &mut players, 0, say), Outcome::Done);
            for hearer in &players[1..] {
                let heard: Vec<_> = hearer.told(Told::Said).collect();
                let [said] = heard[..] else { panic!("{heard:?}") };
                assert_eq!((said.entity, &*said.name, &*said.text), (ada, "Ada", "well met"));
            }

            let whisper = CommandFields { name: "Cid", text: "behind the mill", ..command(2, Verb::Whisper) };
            assert_eq!(ask(realm, &mut players, 0, whisper), Outcome::Done);
            step(realm, &mut players);
            let whispered = |player: &Player| player.told(Told::Whispered).map(|h| h.text.clone()).collect();
            let found: Vec<Vec<String>> = players.iter().map(whispered).collect();
            assert_eq!(found, [vec![], vec![], vec!["behind the mill".to_owned()]]);

            let mute = CommandFields { name: "Ada", quantity: 1, ..command(3, Verb::Mute) };
            assert_eq!(ask(realm, &mut players, 1, mute), Outcome::Done);
            let shout = CommandFields { text: "to the gate!", ..command(4, Verb::Shout) };
            assert_eq!(ask(realm, &mut players, 0, shout), Outcome::Done);
            step(realm, &mut players);
            let shouted = [1, 2].map(|hearer: usize| players[hearer].told(Told::Shouted).count());
            assert_eq!(shouted, [0, 1], "who does not want to hear does not");
            let nobody = CommandFields { name: "Dan", text: "?", ..command(5, Verb::Whisper) };
            assert_eq!(ask(realm, &mut players, 0, nobody), Outcome::Gone);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn a_purchase_takes_effect_once_and_the_money_adds_up() {
    on_both_backends(
        // Everybody appears in the middle, where a shopkeeper is near.
        |config| config.world.spawn = throng_server::config::SpawnChoice::Land,
        |realm| {
            let mut players = three(realm);
            let is_shop = |attr: &[u16; 4]| attr[1] & 15 == u16::from(SHOPKEEPER);
            let shops: Vec<u32> = {
                let near = players[0].session.view().near();
                near.iter().filter(|entity| is_shop(&entity.attr)).map(|entity| entity.id).collect()
            };
            assert_eq!(shops.len(), common::SHOPS);
            let ItemId(bread) = content::BREAD;
            let (purse, had) = (money(&players[0]), holds(&players[0], bread));
            assert!(purse > 0 && had > 0, "a new character has something");

            let buy = |id, entity, money| CommandFields {
                entity,
                item: bread,
                quantity: 2,
                money,
                ..command(id, Verb::Buy)
            };
            let shop = *shops
                .iter()
                .zip(1u128..)
                .find(|(shop, id)| ask(realm, &mut players, 0, buy(*id, **shop, 1000)) == Outcome::Done)
                .expect("one is near enough")
                .0;
            step(realm, &mut players);
            let spent = purse - money(&players[0]);
            assert!(spent > 0 && holds(&players[0], bread) == had + 2);
            // Sent again under its number it is answered again and no more.
            let id = players[0].told(Told::Answer).last().expect("one").id;
            let answers = players[0].told(Told::Answer).count();
            players[0].ask(buy(id, shop, 1000));
            step_until(realm, &mut players, "the same answer", |_, players| {
                players[0].told(Told::Answer).count() > answers
            });
            assert_eq!(
                players[0].told(Told::Answer).last().map(|answer| answer.outcome),
                Some(Outcome::Done)
            );
            assert_eq!((purse - money(&players[0]), holds(&players[0], bread)), (spent, had + 2));
            assert_eq!(ask(realm, &mut players, 0, buy(90, shop, 0)), Outcome::Price);
            let bea = players[1].own_id();
            assert_eq!(
                ask(realm, &mut players, 0, buy(91, bea, 1000)),
                Outcome::Gone,
                "she is no shopkeeper"
            );

            let counts = realm.counts();
            let of = |name: &str| counts.money[name];
            let held = of("held_by_players") + of("held_by_ground") + of("held_by_trades");
            let came = of("came_from_loot") + of("came_from_quests") + of("came_with_characters");
            assert_eq!(held, came - of("went_to_shops") - of("went_to_fees") - of("went_to_waste"));
            assert_eq!((of("came_with_characters"), of("went_to_shops")), (3 * purse, spent));
            assert_eq!(counts.game["ledger_imbalance"], 0);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn two_players_trade_and_both_sides_change_hands_at_once() {
    on_both_backends(
        |config| config.world.spawn = throng_server::config::SpawnChoice::Land,
        |realm| {
            let mut players = three(realm);
            let ids = [0, 1].map(|who: usize| players[who].own_id());
            let ItemId(bread) = content::BREAD;
            let before = [0, 1].map(|who: usize| (money(&players[who]), holds(&players[who], bread)));
            let open = |id, with| CommandFields { entity: with, ..command(id, Verb::TradeOpen) };
            assert_eq!(ask(realm, &mut players, 0, open(1, ids[1])), Outcome::Done);
            step_until(realm, &mut players, "she is asked", |_, players| {
                players[1].told(Told::TradeState).any(|heard| heard.entity == ids[0] && heard.quantity == 0)
            });
            assert_eq!(ask(realm, &mut players, 1, open(2, ids[0])), Outcome::Done);
            let pay = CommandFields { money: 30, ..command(3, Verb::TradeOffer) };
            assert_eq!(ask(realm, &mut players, 0, pay), Outcome::Done);
            let give = CommandFields { item: bread, quantity: 2, ..command(4, Verb::TradeOffer) };
            assert_eq!(ask(realm, &mut players, 1, give), Outcome::Done);
            step_until(realm, &mut players, "both see the offers", |_, players| {
                players[0].told(Told::Trade).any(|heard| heard.item == bread && heard.quantity == 2)
                    && players[1].told(Told::Trade).any(|heard| heard.item == 0 && heard.money == 30)
            });
            let revision = |player: &Player| {
                let told = |heard: &&common::Heard| matches!(heard.told, Told::Trade | Told::TradeState);
                player.heard.iter().filter(told).map(|heard| heard.revision).max().unwrap_or(0)
            };
            let now = revision(&players[0]).max(revision(&players[1]));
            let confirm = |id, revision| CommandFields { revision, ..command(id, Verb::TradeConfirm) };
            assert_eq!(ask(realm, &mut players, 0, confirm(5, now - 1)), Outcome::Changed);
            assert_eq!(ask(realm, &mut players, 0, confirm(6, now)), Outcome::Done);
            assert_eq!(ask(realm, &mut players, 1, confirm(7, now)), Outcome::Done);
            step_until(realm, &mut players, "it is done", |_, players| {
                let is_done =
                    |player: &Player| player.told(Told::TradeState).any(|heard| heard.quantity == 3);
                players[..2].iter().all(is_done)
            });
            let after = [0, 1].map(|who: usize| (money(&players[who]), holds(&players[who], bread)));
            let [(money_0, bread_0), (money_1, bread_1)] = before;
            assert_eq!(after, [(money_0 - 30, bread_0 + 2), (money_1 + 30, bread_1 - 2)]);
            assert_eq!(players[2].told(Told::Trade).count(), 0, "nobody else is told");
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn a_body_that_fights_stays_and_the_returning_session_has_it_again() {
    on_both_backends(
        |config| {
            config.world.spawn = throng_server::config::SpawnChoice::Land;
            config.rules.linger_s = 0.1;
        },
        |realm| {
            let mut players = three(realm);
            let mut cid = players.pop().expect("three");
            let body = cid.own_id();
            let sees = |player: &Player| player.session.view().near().iter().any(|entity| entity.id == body);
            // All stand within a few metres; whoever hits somebody fights.
            let buttons = throng_game::buttons::STRIKE;
            let is_fighting = |player: &Player| {
                let near = player.session.view().near();
                near.iter()
                    .any(|entity| entity.id == body && entity.attr[1] >> 4 & u16::from(state::FIGHTING) != 0)
            };
            for turn in 0..400u32 {
                if is_fighting(&players[1]) {
                    break;
                }
                assert!(turn < 399, "nobody was hit");
                let yaw = (turn * 3001) as u16;
                cid.session.set_intent(IntentFields { yaw, buttons, ..IntentFields::default() });
                step(realm, &mut players);
                cid.send(now_us(realm));
                cid.receive(now_us(realm));
            }
            cid.session.disconnect();
            cid.send(now_us(realm));
            for _ in 0..40 {
                step(realm, &mut players);
            }
            assert!(sees(&players[1]), "it is still there though nobody steers it");
            assert_eq!(realm.client_count(), 2);

            players.push(player(realm, "Cid", 3, 2));
            step_until(realm, &mut players, "back", |_, players| players[2].own_id() != 0);
            assert_eq!(players[2].own_id(), body, "the same body");
            step_until(realm, &mut players, "told", |_, players| players[2].told(Told::Money).count() > 0);

            // In peace it goes soon after its player.
            step_until(realm, &mut players, "peace", |_, players| !is_fighting(&players[1]));
            let mut cid = players.pop().expect("three");
            cid.session.disconnect();
            cid.send(now_us(realm));
            step_until(realm, &mut players, "gone", |_, players| !sees(&players[1]));
            assert_undisturbed(&players);
        },
    );
}
