//! What is kept of a character for as long as the realm runs, whether it is in the world or not.

use std::collections::BTreeMap;

use glam::Vec2;
use throng_engine::Digest;

use crate::chat::Budgets;
use crate::notices::digest_text;
use crate::{AccountId, PlayerId, Sheet};

/// Most characters that one character does not want to hear.
pub const MUTED_MAX: usize = 32;

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
    pub sheet: Sheet,
    /// How often it may still do what has its rate; who leaves and comes again has no more of it.
    pub budgets: Budgets,
    /// Ids of those that it does not want to hear.
    pub muted: Vec<u64>,
}

// With the list of the muted, the name and its keys 0.6 KiB, as the config says.
const _: () = assert!(size_of::<Character>() + MUTED_MAX * size_of::<u64>() + 2 * NAME_BYTES_MAX <= 600);

/// All characters that have ever entered, in the order of their accounts.
#[derive(Debug, Default)]
pub(crate) struct Characters {
    rows: Vec<Character>,
    by_id: BTreeMap<u64, u32>,
    by_name: BTreeMap<Box<str>, u32>,
}

impl Characters {
    /// The character's account, with a new row if it has never been here; its name is what it is called from now on.
    pub fn enter(&mut self, id: u64, name: &str) -> AccountId {
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let index = *self.by_id.entry(id).or_insert_with(|| {
            self.rows.push(Character {
                id,
                name: Box::default(),
                player: None,
                last_place: None,
                last_health: u16::MAX,
                sheet: Sheet::new(),
                budgets: Budgets::default(),
                muted: Vec::with_capacity(MUTED_MAX),
            });
            self.rows.len() as u32 - 1
        });
        let row = &mut self.rows[index as usize];
        if &*row.name != name {
            if self.by_name.get(&row.name) == Some(&index) {
                self.by_name.remove(&row.name);
            }
            row.name = name.into();
        }
        // Of two of the same name whoever entered last is the one who is spoken to.
        self.by_name.insert(name.into(), index);
        AccountId(index)
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
        digest.push(self.rows.len() as u64);
        for row in &self.rows {
            digest.push(row.id);
            digest_text(&row.name, digest);
            digest.push(row.player.map_or(u64::MAX, |player| player.0.into()));
            let place = row.last_place.unwrap_or(Vec2::NAN);
            digest.push(u64::from(place.x.to_bits()) << 32 | u64::from(place.y.to_bits()));
            digest.push(row.last_health.into());
            row.sheet.digest(digest);
            row.budgets.digest(digest);
            row.muted.iter().for_each(|muted| digest.push(*muted));
        }
    }
}
