//! Commands about goods: who stands where is looked at here, what belongs to whom is the economy's.
//!
//! A command that came before is answered as before, whatever has changed meanwhile (see `execute`); what is refused here
//! the economy remembers like its own refusals.

use glam::Vec2;
use throng_engine::{Digest, EntityId};

use crate::{
    AVATAR, AccountId, Change, Command, CommandId, Counter, DROP, DropId, Effect, Game, Notice, Outcome,
    PlayerId, SHOPKEEPER, ShopId, TradeState,
};

/// Room for what the economy changes in one tick; what does not fit is refused as [`TooFast`](Outcome::TooFast).
pub(crate) const CHANGES_MAX: u32 = 1 << 16;

/// The entities of what lies on the ground, by the drop's place.
#[derive(Debug, Default)]
pub(crate) struct Lying {
    /// The drop and its entity; the entity is none once the drop is gone.
    places: Vec<(DropId, Option<EntityId>)>,
}

impl Lying {
    pub fn with_capacity(drops_max: u32) -> Self {
        Self { places: Vec::with_capacity(drops_max as usize) }
    }

    fn place(drop: DropId) -> usize {
        drop.to_bits() as u32 as usize
    }

    pub fn put(&mut self, drop: DropId, entity: EntityId) -> u32 {
        let place = Self::place(drop);
        if self.places.len() <= place {
            self.places.resize(place + 1, (drop, None));
        }
        self.places[place] = (drop, Some(entity));
        place as u32
    }

    /// What an entity stands for, which says that it lies in this place.
    fn at(&self, place: u32, entity: EntityId) -> Option<DropId> {
        let (drop, known) = *self.places.get(place as usize)?;
        (known == Some(entity)).then_some(drop)
    }

    pub fn digest(&self, digest: &mut Digest) {
        for (drop, entity) in &self.places {
            digest.push(drop.to_bits());
            digest.push(entity.map_or(0, EntityId::to_bits).into());
        }
    }

    fn take(&mut self, drop: DropId) -> Option<EntityId> {
        let (known, entity) = self.places.get_mut(Self::place(drop))?;
        if *known == drop { entity.take() } else { None }
    }
}

impl Game {
    /// A command about goods that has not been answered before.
    pub(crate) fn deal(
        &mut self,
        player: PlayerId,
        account: AccountId,
        id: CommandId,
        command: Command<'_>,
    ) -> Outcome {
        if id == CommandId::default() {
            return Outcome::Malformed;
        }
        match self.deal_once(player, account, id, command) {
            Ok(outcome) => outcome,
            Err(outcome) => self.economy.refuse(account, id, outcome),
        }
    }

    /// `Err` is what is refused before the economy was asked.
    fn deal_once(
        &mut self,
        player: PlayerId,
        account: AccountId,
        id: CommandId,
        command: Command<'_>,
    ) -> Result<Outcome, Outcome> {
        if self.imbalance.is_some() {
            self.counters.deals_stopped += 1;
            return Err(Outcome::NotAllowed);
        }
        let row = self.row_of(player).ok_or(Outcome::Gone)?;
        if self.is_dead(row) {
            return Err(Outcome::Dead);
        }
        let radii = &self.config.rules;
        let outcome = match command {
            Command::Buy { shop, item, quantity, money } => {
                let shop = ShopId(self.near(row, shop, SHOPKEEPER, radii.shop_radius_m)?);
                let outcome = self.economy.buy(account, id, shop, item, quantity, money);
                self.count_done(account, outcome, Counter::Purchases);
                outcome
            }
            Command::Sell { shop, item, quantity, money } => {
                let shop = ShopId(self.near(row, shop, SHOPKEEPER, radii.shop_radius_m)?);
                let outcome = self.economy.sell(account, id, shop, item, quantity, money);
                self.count_done(account, outcome, Counter::Sales);
                outcome
            }
            Command::PickUp { drop } => {
                let place = self.near(row, drop, DROP, radii.drop_radius_m)?;
                let drop = self.lying.at(place, EntityId::from_bits(drop)).ok_or(Outcome::Gone)?;
                let outcome = self.economy.pick_up(account, id, drop);
                if outcome == Outcome::Done {
                    self.clear_away(drop);
                    self.count(account, Counter::Finds);
                }
                outcome
            }
            Command::Drop { item, quantity } => {
                let rate = self.config.drop_rate();
                let tick = self.world.tick();
                if !self.characters.get_mut(account).budgets.drops.take(tick, rate) {
                    return Err(Outcome::TooFast);
                }
                if !self.has_room_for_litter() {
                    self.counters.drops_refused += 1;
                    return Err(Outcome::Full);
                }
                let (outcome, drop) = self.economy.drop(account, id, item, quantity);
                if let Some(drop) = drop {
                    self.lay_down(drop, self.place_of(row));
                }
                outcome
            }
            Command::Use { item } => {
                let (outcome, effect) = self.economy.use_one(account, id, item);
                if let Some(Effect::Heal { points }) = effect {
                    let game = &mut self.world.game;
                    let health = u32::from(game.health[row]).saturating_add(points);
                    game.health[row] = health.min(game.health_max[row].into()) as u16;
                }
                outcome
            }
            Command::TradeOpen { with } => {
                let place = self.near(row, with, AVATAR, radii.trade_radius_m)?;
                let with = self.players.get(PlayerId(place)).ok_or(Outcome::Gone)?;
                let other = self.world.slot(with.avatar).ok_or(Outcome::Gone)?;
                if self.is_dead(other.row()) {
                    return Err(Outcome::NotAllowed);
                }
                let with = with.character;
                // Who is not heard cannot make itself noticed by questions either.
                if self.characters.get(with).muted.contains(&self.characters.get(account).id) {
                    return Err(Outcome::NotAllowed);
                }
                let (tick, rate) = (self.world.tick(), self.config.ask_rate());
                if !self.characters.get_mut(account).budgets.asks.take(tick, rate) {
                    return Err(Outcome::TooFast);
                }
                self.economy.trade_open(account, id, with)
            }
            Command::TradeOffer { item, quantity, money } => {
                self.economy.trade_offer(account, id, item, quantity, money)
            }
            Command::TradeConfirm { revision } => self.economy.trade_confirm(account, id, revision),
            Command::TradeCancel => self.economy.trade_cancel(account, id),
            _ => Outcome::NotAllowed,
        };
        Ok(outcome)
    }

    /// The owner column of the entity with these bits, if it is of the kind and near enough to who is in `row`.
    fn near(&self, row: usize, bits: u32, kind: u8, radius_m: f32) -> Result<u32, Outcome> {
        let other = self.world.slot(EntityId::from_bits(bits)).ok_or(Outcome::Gone)?.row();
        if self.world.game.kind[other] != kind {
            return Err(Outcome::Gone);
        }
        let square = self.place_of(row).distance_squared(self.place_of(other));
        if square > radius_m * radius_m {
            return Err(Outcome::TooFar);
        }
        Ok(self.world.game.owner[other])
    }

    /// Lets an entity stand for a drop.
    pub(crate) fn lay_down(&mut self, drop: DropId, place: Vec2) {
        let at = place.extend(self.land.height_at(place.x, place.y));
        // Whoever calls has made sure of a place.
        let Ok((id, slot)) = self.world.spawn(at, 0) else {
            self.counters.drops_refused += 1;
            return;
        };
        self.world.game.kind[slot.row()] = DROP;
        self.world.game.owner[slot.row()] = self.lying.put(drop, id);
    }

    /// Takes out the entity of a drop that is gone; whether there was one.
    fn clear_away(&mut self, drop: DropId) -> bool {
        let entity = self.lying.take(drop);
        entity.inspect(|id| self.despawn(*id)).is_some()
    }

    /// How many entities may still be spawned for what is neither avatar nor creature: the places of all players who may
    /// yet come stay free.
    pub(crate) fn places_left(&self) -> u32 {
        let kept = self.players_max.saturating_sub(self.players.len());
        let taken = (self.world.entity_count() as u32).saturating_add(kept);
        self.world.config().entities_max.saturating_sub(taken)
    }

    /// Whether a player may put something down: half of the places that are not players' or creatures' are left to loot
    /// and projectiles.
    fn has_room_for_litter(&self) -> bool {
        let all = self.world.config().entities_max.saturating_sub(self.config.world.entities_max);
        self.places_left() > all / 2
    }

    /// Ends trades of those who have gone too far from one another, or died.
    pub(crate) fn part_traders(&mut self) {
        let apart_m = self.config.rules.trade_apart_m;
        for place in 0..self.economy.trade_places() {
            let Some([one, other]) = self.economy.traders(place) else { continue };
            let rows = [one, other].map(|account| {
                let player = self.characters.get(account).player?;
                self.row_of(player).filter(|row| !self.is_dead(*row))
            });
            let is_near = match rows {
                [Some(one), Some(other)] => {
                    self.place_of(one).distance_squared(self.place_of(other)) <= apart_m * apart_m
                }
                _ => false,
            };
            if !is_near {
                self.economy.stop_trading(one);
                self.counters.trades_parted += 1;
            }
        }
    }

    /// Ends the economy's tick: all must add up. Once it has not, nobody deals any more and nothing of value comes into
    /// being until the realm starts anew: whoever found out how to make value must neither spread it nor make more.
    pub(crate) fn balance(&mut self) {
        if let Err(imbalance) = self.economy.end_tick() {
            self.counters.ledger_imbalance += 1;
            self.imbalance.get_or_insert(imbalance);
        }
    }

    /// Tells players what has changed of what is theirs, and takes out the entities of what no longer lies there. That
    /// must be done before a place on the ground is used again, so it follows what expires as well as what is asked for.
    pub(crate) fn tell_changes(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(self.economy.drain_changes());
        for change in changes.drain(..) {
            self.tell_change(change);
        }
        self.changes = changes;
    }

    fn tell_change(&mut self, change: Change) {
        let entity = |game: &Self, account: AccountId| {
            let player = game.characters.get(account).player;
            player.and_then(|player| game.avatar(player)).map_or(0, EntityId::to_bits)
        };
        let (account, notice) = match change {
            Change::Money { account, money } => (account, Notice::Money { money }),
            Change::Item { account, item, quantity } => (account, Notice::Item { item, quantity }),
            Change::Price { account, shop, item, asks, pays, stock } => {
                let shop = self.shopkeepers.get(shop.0 as usize).map_or(0, |id| id.to_bits());
                (account, Notice::Price { shop, item, asks, pays, stock })
            }
            Change::Offer { account, with, revision, item, quantity, money } => {
                (account, Notice::Trade { with: entity(self, with), revision, item, quantity, money })
            }
            Change::Trade { account, with, revision, state } => {
                if state == TradeState::Done {
                    self.count(account, Counter::Trades);
                }
                (account, Notice::TradeState { with: entity(self, with), revision, state })
            }
            // Of those picked up the entity has gone already.
            Change::DropGone { drop } => {
                self.counters.drops_expired += u64::from(self.clear_away(drop));
                return;
            }
        };
        if let Some(player) = self.characters.get(account).player {
            self.notices.tell(player, notice);
        }
    }
}
