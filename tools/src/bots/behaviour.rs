//! What clients do with their time: walk, fight, trade, talk.
//!
//! A light client knows where it is, what it has been told it is, and little else; so fighters strike and shoot wherever
//! they go, and traders walk from shop to shop, where they meet shopkeepers and each other.

use crate::rng::Rng;

/// How the clients of a run spend their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Everybody walks about.
    Roam,
    /// Everybody walks about with drawn sword.
    Fight,
    /// Everybody goes shopping.
    Trade,
    /// Of ten clients five roam, three fight and two trade, and all of them talk now and then.
    #[default]
    Mixed,
}

impl Behaviour {
    /// Share of the clients that fight.
    pub fn fighters(self) -> f64 {
        self.share(Role::Fighter)
    }

    /// Share of the clients that trade.
    pub fn traders(self) -> f64 {
        self.share(Role::Trader)
    }

    fn share(self, role: Role) -> f64 {
        (0..10).filter(|client| self.role(*client) == role).count() as f64 / 10.0
    }

    fn role(self, client: u32) -> Role {
        match (self, client % 10) {
            (Self::Roam, _) | (Self::Mixed, 0..=4) => Role::Roamer,
            (Self::Fight, _) | (Self::Mixed, 5..=7) => Role::Fighter,
            (Self::Trade, _) | (Self::Mixed, _) => Role::Trader,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Roamer,
    Fighter,
    Trader,
}

/// Seconds between two turns of a walking client, on average.
const TURN_S: u64 = 2;
/// Seconds between two lines of chat of one client, on average.
const TALK_S: u64 = 120;
/// Seconds between two shots of a fighter, on average; the server has its own idea of how often it may.
const SHOT_S: u64 = 2;
/// Seconds between two blasts of a fighter, on average.
const BLAST_S: u64 = 8;
/// Seconds between two deals of a trader at a shop, on average.
const DEAL_S: u64 = 3;
/// How near a trader goes to a shop, metres. Shopkeepers hear from further away, so that a crowd has room.
const SHOP_NEAR_M: f32 = 6.0;
/// Ticks that a trader may need for one way: then something is in the way, and it goes elsewhere.
const WAY_TICKS_MAX: u16 = 2400;
/// Ticks that a trader stays at a shop.
const STAY_TICKS: u16 = 600;
/// Shops that a trader chooses its next one among: the nearest.
const SHOPS_NEAREST: usize = 3;

/// The meaning of the buttons in the reference rules.
pub(super) mod buttons {
    pub const STRIKE: u16 = 1;
    pub const SHOOT: u16 = 2;
    pub const BLAST: u16 = 4;
}

/// What a client wants now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// Where it looks, 1/256 of a turn.
    pub direction: u8,
    /// Whether it walks there.
    pub is_walking: bool,
    pub buttons: u16,
    pub errand: Option<Errand>,
}

/// What a client asks for beside moving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Something to say to those nearby.
    Talk,
    /// To buy something here.
    Buy,
    /// To sell something here.
    Sell,
    /// To change something with another trader.
    Swap,
}

/// One client's mind: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mind {
    role: Role,
    direction: u8,
    /// Ticks on this way, or at this shop.
    ticks: u16,
    /// The shop that it goes to or stands at.
    shop: u32,
    is_there: bool,
    /// Ticks for which it goes round an obstacle.
    detour_ticks: u8,
    /// Where it was when it last looked whether it gets on, metres.
    seen: [i16; 2],
}

const NO_SHOP: u32 = u32::MAX;

impl Mind {
    pub(super) fn new(behaviour: Behaviour, client: u32) -> Self {
        Self {
            role: behaviour.role(client),
            direction: 0,
            ticks: 0,
            shop: NO_SHOP,
            is_there: false,
            detour_ticks: 0,
            seen: [0; 2],
        }
    }

    /// Whether it keeps books: what it owns, and who stands near.
    pub(super) fn is_trader(&self) -> bool {
        self.role == Role::Trader
    }

    /// What it wants in this tick. `at`: where its avatar is, metres; `hz`: ticks a second.
    pub(super) fn wish(&mut self, at: [f32; 2], shops: &[[f32; 2]], hz: u64, rng: &mut Rng) -> Wish {
        let mut once_in = |seconds: u64| rng.below(seconds * hz) == 0;
        if once_in(TURN_S) {
            self.direction = rng.next() as u8;
        }
        let mut once_in = |seconds: u64| rng.below(seconds * hz) == 0;
        let errand = once_in(TALK_S).then_some(Errand::Talk);
        let walk = Wish { direction: self.direction, is_walking: true, buttons: 0, errand };
        match self.role {
            Role::Roamer => walk,
            Role::Fighter => {
                let shot = if once_in(SHOT_S) { buttons::SHOOT } else { 0 };
                let blast = if once_in(BLAST_S) { buttons::BLAST } else { 0 };
                Wish { buttons: buttons::STRIKE | shot | blast, ..walk }
            }
            Role::Trader if shops.is_empty() => walk,
            Role::Trader => self.trade(at, shops, hz, rng, walk),
        }
    }

    fn trade(&mut self, at: [f32; 2], shops: &[[f32; 2]], hz: u64, rng: &mut Rng, walk: Wish) -> Wish {
        self.ticks = self.ticks.saturating_add(1);
        let is_over = self.ticks > if self.is_there { STAY_TICKS } else { WAY_TICKS_MAX };
        if self.shop == NO_SHOP || is_over {
            (self.shop, self.ticks, self.is_there) = (next_shop(at, shops, rng), 0, false);
        }
        let [x, y] = shops[self.shop as usize % shops.len()];
        let (dx, dy) = (x - at[0], y - at[1]);
        if dx * dx + dy * dy > SHOP_NEAR_M * SHOP_NEAR_M {
            self.is_there = false;
            self.mind_the_way(at, hz);
            if self.detour_ticks > 0 {
                self.detour_ticks -= 1;
                return walk;
            }
            let direction = (dy.atan2(dx) / std::f32::consts::TAU * 256.0).rem_euclid(256.0) as u8;
            return Wish { direction, ..walk };
        }
        if !std::mem::replace(&mut self.is_there, true) {
            self.ticks = 0;
        }
        let deals = [Errand::Buy, Errand::Sell, Errand::Swap];
        let deal = (rng.below(DEAL_S * hz) == 0).then(|| deals[rng.below(3) as usize]);
        Wish { is_walking: false, errand: deal.or(walk.errand), ..walk }
    }

    /// Once a second: whoever got nowhere goes another way for a while.
    fn mind_the_way(&mut self, at: [f32; 2], hz: u64) {
        if !u64::from(self.ticks).is_multiple_of(hz) {
            return;
        }
        let here = at.map(|metres| metres as i16);
        let moved = here[0].abs_diff(self.seen[0]).max(here[1].abs_diff(self.seen[1]));
        if self.ticks > 0 && moved < 2 {
            self.detour_ticks = (2 * hz).min(u8::MAX.into()) as u8;
        }
        self.seen = here;
    }
}

/// One of the nearest shops.
fn next_shop(at: [f32; 2], shops: &[[f32; 2]], rng: &mut Rng) -> u32 {
    let mut nearest = [(f32::MAX, 0); SHOPS_NEAREST];
    for ([x, y], shop) in shops.iter().zip(0..) {
        let distance2 = (x - at[0]) * (x - at[0]) + (y - at[1]) * (y - at[1]);
        let place = nearest.partition_point(|(other, _)| *other <= distance2);
        if place < SHOPS_NEAREST {
            nearest[place..].rotate_right(1);
            nearest[place] = (distance2, shop);
        }
    }
    nearest[rng.below(SHOPS_NEAREST.min(shops.len()) as u64) as usize].1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOPS: [[f32; 2]; 4] = [[100.0, 100.0], [100.0, 300.0], [300.0, 100.0], [900.0, 900.0]];

    /// Walks a mind for so many ticks on open ground and gives what it wanted.
    fn play(behaviour: Behaviour, ticks: usize) -> (Vec<Wish>, [f32; 2]) {
        let (mut mind, mut rng, mut at) = (Mind::new(behaviour, 8), Rng::new(3), [200.0f32, 200.0]);
        let wishes = (0..ticks).map(|_| {
            let wish = mind.wish(at, &SHOPS, 20, &mut rng);
            if wish.is_walking {
                let angle = f32::from(wish.direction) / 256.0 * std::f32::consts::TAU;
                at = [at[0] + angle.cos() * 0.25, at[1] + angle.sin() * 0.25];
            }
            wish
        });
        (wishes.collect(), at)
    }

    #[test]
    fn traders_get_to_a_shop_and_deal_there() {
        let (wishes, _) = play(Behaviour::Trade, 1200);
        let arrived = wishes.iter().position(|wish| !wish.is_walking).expect("it is 141 m");
        assert!(arrived > 300 && arrived < 800, "{arrived}");
        let deals = wishes.iter().filter_map(|wish| wish.errand);
        let dealt = deals.filter(|errand| *errand != Errand::Talk).count();
        assert!((2..40).contains(&dealt), "{dealt}");
        assert!(wishes[..arrived].iter().all(|wish| wish.errand.is_none_or(|errand| errand == Errand::Talk)));
    }

    #[test]
    fn whoever_gets_nowhere_goes_round() {
        let (mut mind, mut rng) = (Mind::new(Behaviour::Trade, 0), Rng::new(3));
        let stuck: Vec<_> = (0..400).map(|_| mind.wish([200.0, 200.0], &SHOPS, 20, &mut rng)).collect();
        let directions: std::collections::BTreeSet<u8> = stuck.iter().map(|wish| wish.direction).collect();
        assert!(directions.len() > 4, "{directions:?}");
    }

    #[test]
    fn fighters_strike_and_roamers_do_not() {
        let (fights, _) = play(Behaviour::Fight, 2000);
        assert!(fights.iter().all(|wish| wish.buttons & buttons::STRIKE != 0));
        let shots = fights.iter().filter(|wish| wish.buttons & buttons::SHOOT != 0).count();
        assert!((20..90).contains(&shots), "{shots}");
        let (roams, at) = play(Behaviour::Roam, 2000);
        assert!(roams.iter().all(|wish| wish.buttons == 0 && wish.is_walking));
        assert!(at != [200.0, 200.0]);
    }

    #[test]
    fn a_mixed_crowd_has_some_of_each() {
        let roles: Vec<Role> = (0..100).map(|client| Behaviour::Mixed.role(client)).collect();
        let count = |role| roles.iter().filter(|found| **found == role).count();
        assert_eq!([Role::Roamer, Role::Fighter, Role::Trader].map(count), [50, 30, 20]);
    }
}
