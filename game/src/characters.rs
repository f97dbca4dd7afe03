//! What is kept of a character, whether it is in the world or not: for as long as the realm runs, or until another needs
//! its place and it has nothing to lose.

use std::collections::BTreeMap;

use glam::Vec2;
use throng_engine::Digest;

use crate::chat::Budgets;
use crate::notices::digest_text;
use crate::{AccountId, PlayerId, Sheet};

/// Most characters that one character does not want to hear.
pub const MUTED_MAX: usize = 32;

/// After this long in the world's time a character that is away may be forgotten, seconds.
pub(crate) const AWAY_S: u32 = 600;

/// Longest name that travels, bytes.
pub(crate) const NAME_BYTES_MAX: usize = 47;

/// What is kept of one character beside its goods.
#[derive(Debug)]
pub(crate) struct Character {
    pub id: u64,
    pub name: Box<str>,
    /// As whom it is in the world.
    pub player: Option<PlayerId>,
    /// Where its body was when it left, metres; `None`: it begins where players begin.
    pub last_place: Option<Vec2>,
    /// Points of health that it left with.
    pub last_health: u16,
    /// When its body was taken out.
    pub left_tick: u32,
    pub sheet: Sheet,
    /// How often it may still do what has its rate; who leaves and comes again has no more of it.
    pub budgets: Budgets,
    /// Ids of those that it does not want to hear.
    pub muted: Vec<u64>,
}

// With the list of the muted, the name and its keys 0.6 KiB, as the config says.
const _: () = assert!(size_of::<Character>() + MUTED_MAX * size_of::<u64>() + 2 * NAME_BYTES_MAX <= 600);

impl Character {
    fn new(id: u64) -> Self {
        Self {
            id,
            name: Box::default(),
            player: None,
            last_place: None,
            last_health: u16::MAX,
            left_tick: 0,
            sheet: Sheet::new(),
            budgets: Budgets::default(),
            muted: Vec::with_capacity(MUTED_MAX),
        }
    }

    /// Whether it has been away since `tick` or longer, and has done nothing that it would miss. Its goods are not looked
    /// at.
    pub fn may_be_forgotten(&self, tick: u32) -> bool {
        self.player.is_none() && self.left_tick <= tick && !self.sheet.has_gained() && self.muted.is_empty()
    }
}

/// All characters that are known, in the order of their accounts.
#[derive(Debug, Default)]
pub(crate) struct Characters {
    rows: Vec<Character>,
    by_id: BTreeMap<u64, u32>,
    by_name: BTreeMap<Box<str>, u32>,
    /// Whom [`next_in_turn`](Self::next_in_turn) names next.
    turn: u32,
}

impl Characters {
    /// Gives a character that has never been here a row: a new one, or that of another who is forgotten.
    pub fn add(&mut self, account: AccountId, id: u64) {
        let (index, character) = (account.0 as usize, Character::new(id));
        if index == self.rows.len() {
            self.rows.push(character);
        } else {
            let forgotten = std::mem::replace(&mut self.rows[index], character);
            self.by_id.remove(&forgotten.id);
            if self.by_name.get(&forgotten.name) == Some(&account.0) {
                self.by_name.remove(&forgotten.name);
            }
        }
        self.by_id.insert(id, account.0);
    }

    /// What a character is called from now on.
    pub fn rename(&mut self, account: AccountId, name: &str) {
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let index = account.0;
        let row = &mut self.rows[index as usize];
        if &*row.name != name {
            if self.by_name.get(&row.name) == Some(&index) {
                self.by_name.remove(&row.name);
            }
            row.name = name.into();
        }
        // Of two of the same name whoever entered last is the one who is spoken to.
        self.by_name.insert(name.into(), index);
    }

    /// Each in turn, round and round: so that whoever looks for one need not begin with the same each time.
    pub fn next_in_turn(&mut self) -> Option<AccountId> {
        let turn = if (self.turn as usize) < self.rows.len() { self.turn } else { 0 };
        self.turn = turn + 1;
        (!self.rows.is_empty()).then_some(AccountId(turn))
    }

    /// How many are known.
    pub fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    pub fn by_id(&self, id: u64) -> Option<AccountId> {
        self.by_id.get(&id).copied().map(AccountId)
    }

    pub fn by_name(&self, name: &str) -> Option<AccountId> {
        self.by_name.get(name).copied().map(AccountId)
    }

    pub fn get(&self, index: AccountId) -> &Character {
        &self.rows[index.0 as usize]
    }

    pub fn get_mut(&mut self, index: AccountId) -> &mut Character {
        &mut self.rows[index.0 as usize]
    }

    pub fn digest(&self, digest: &mut Digest) {
        digest.push(u64::from(self.len()) << 32 | u64::from(self.turn));
        for row in &self.rows {
            digest.push(row.id);
            digest_text(&row.name, digest);
            digest.push(row.player.map_or(u64::MAX, |player| player.0.into()));
            let place = row.last_place.unwrap_or(Vec2::NAN);
            digest.push(u64::from(place.x.to_bits()) << 32 | u64::from(place.y.to_bits()));
            digest.push(u64::from(row.left_tick) << 16 | u64::from(row.last_health));
            row.sheet.digest(digest);
            row.budgets.digest(digest);
            row.muted.iter().for_each(|muted| digest.push(*muted));
        }
    }
}
