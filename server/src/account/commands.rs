//! What an operator's command asks of a realm that runs: by way of a folder, and of the gateway that looks into it.
//!
//! ```text
//!  throng account ban ──► <data_dir>/commands/kick-<account> ──► the gateway, once a second ──┬─► Orders ──► realm here
//!                                                                                            └─► Board ──► realms elsewhere
//! ```
//!
//! The database says who may not log in; a session that is being played knows nothing of it. A command stays in the folder
//! until a realm's queue has taken it. A file is empty and its name says all, so there is nothing to be half written.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use crate::gateway::keys::DataDir;

/// Files that one look takes up.
const FILES_MAX: usize = 1024;

/// What a realm is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealmCommand {
    /// Close the session of this account, if it has one.
    Kick {
        /// Whose.
        account: u64,
    },
}

/// Leaves a command for whoever runs with this data directory.
///
/// # Errors
/// When the folder or the file cannot be made.
pub fn leave(dir: &DataDir, command: RealmCommand) -> io::Result<()> {
    let RealmCommand::Kick { account } = command;
    let folder = folder(dir);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // The same command again is the same file.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join(format!("kick-{account}")))
        .map(drop)
}

/// Takes up what was left. A command that `take` does not want yet (false) stays for the next look.
///
/// # Errors
/// When the folder cannot be read; that it is not there is no error.
pub fn take_up(dir: &DataDir, mut take: impl FnMut(RealmCommand) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(folder(dir)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries.take(FILES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        let account = name.to_str().and_then(|name| name.strip_prefix("kick-")?.parse().ok());
        let is_done = account.is_none_or(|account| take(RealmCommand::Kick { account }));
        if is_done {
            // What means nothing goes as well: it would be looked at every second for ever.
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn folder(dir: &DataDir) -> PathBuf {
    dir.path().join("commands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stays_until_it_is_taken() {
        let path = std::env::temp_dir().join(format!("throng-commands-{}", std::process::id()));
        let dir = DataDir::create(&path).expect("the temporary folder can be written");
        take_up(&dir, |_| panic!("there is none")).expect("no folder is no error");
        for account in [7, u64::MAX, 7] {
            leave(&dir, RealmCommand::Kick { account }).expect("left");
        }
        fs::write(folder(&dir).join("nonsense"), "").expect("written");
        let mut taken = Vec::new();
        let seven = RealmCommand::Kick { account: 7 };
        take_up(&dir, |command| {
            taken.push(command);
            command != seven
        })
        .expect("readable");
        taken.sort_by_key(|RealmCommand::Kick { account }| *account);
        assert_eq!(taken, [seven, RealmCommand::Kick { account: u64::MAX }]);
        take_up(&dir, |command| {
            assert_eq!(command, seven, "the other has been taken");
            true
        })
        .expect("readable");
        take_up(&dir, |_| panic!("all are gone")).expect("readable");
        fs::remove_dir_all(path).expect("removed");
    }
}
