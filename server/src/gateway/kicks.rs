//! Operators' commands on their way to realms.
//!
//! ```text
//!   commands/kick-<account> ────────────► Orders of the realm here
//!   commands/kick-<account>-<realm> ──► the board, if there is room ──► an answer to a push ──► heard of ──► the file goes
//! ```
//!
//! The board forgets with its process; the files do not. So a kick reaches its realm through any restart of the gateway, at
//! worst once more than it had to, and however many wait for a realm that is not heard of, none is lost.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::keys::DataDir;
use super::state::Gateway;
use crate::account::commands::{self, RealmCommand};
use crate::realm::Orders;

/// Looks for commands, and passes them on.
pub struct Kicks {
    dir: DataDir,
    here: Option<Arc<Orders>>,
    elsewhere: Vec<u32>,
    /// Account and realm of those that the board was given by this process and that have a file.
    given: BTreeSet<(u64, u32)>,
}

impl Kicks {
    /// For the realms of `gateway`: the one in its process, if there is one, obeys `here`.
    pub fn new(dir: DataDir, here: Option<Arc<Orders>>, gateway: &Gateway) -> Self {
        Self { dir, here, elsewhere: gateway.board.elsewhere().collect(), given: BTreeSet::new() }
    }

    /// Passes on what has been left, and what had no room before.
    ///
    /// # Errors
    /// When the folder of commands cannot be read or written.
    pub fn look(&mut self, gateway: &Gateway) -> io::Result<()> {
        let Self { dir, here, elsewhere, given } = self;
        let give = |account, realm_id, given: &mut BTreeSet<_>| {
            if gateway.board.kick(gateway.now_ms(), realm_id, account) {
                given.insert((account, realm_id));
            } else {
                // One that was heard of before may still have a file, which is from now on for this one.
                given.remove(&(account, realm_id));
                gateway.kick_put_off(realm_id);
            }
        };
        commands::take_up(dir, elsewhere, |command| match command {
            RealmCommand::Kick { account } => {
                here.iter().for_each(|orders| orders.kick(account));
                // Whatever the realms have heard of before, this is a new one.
                elsewhere.iter().for_each(|&realm_id| give(account, realm_id, given));
                true
            }
            RealmCommand::KickThere { account, realm_id } => {
                if gateway.board.has_kick(realm_id, account) {
                    return false;
                }
                // It has been heard of, or is for a realm that is not in the settings any more.
                if given.remove(&(account, realm_id)) || !elsewhere.contains(&realm_id) {
                    return true;
                }
                give(account, realm_id, given);
                false
            }
        })
    }
}
