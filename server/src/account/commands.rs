//! What an operator's command asks of a realm that runs: by way of a folder, and of the gateway that looks into it.
//!
//! ```text
//!  throng account ban ──► <data_dir>/commands/kick-<account> ──► the gateway, once a second ──┬─► Orders ──► realm here
//!                                                                                            └─► kick-<account>-<realm>
//!                                                    one for each realm elsewhere ──► Board ──► gone once that has heard of it
//! ```
//!
//! The database says who may not log in; a session that is being played knows nothing of it. A command stays in the folder
//! until its realm has heard of it, whatever becomes of the gateway meanwhile. A file is empty and its name says all, so there
//! is nothing to be half written.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use crate::gateway::keys::DataDir;

/// Commands of operators that one look takes up.
const FILES_MAX: usize = 1024;

/// What a realm is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RealmCommand {
    /// Close the session of this account, if it has one, in whatever realm.
    Kick {
        /// Whose.
        account: u64,
    },
    /// The same in one realm elsewhere.
    KickThere {
        /// Whose.
        account: u64,
        /// In which.
        realm_id: u32,
    },
}

impl RealmCommand {
    fn file_name(self) -> String {
        match self {
            Self::Kick { account } => format!("kick-{account}"),
            Self::KickThere { account, realm_id } => format!("kick-{account}-{realm_id}"),
        }
    }

    fn of_file_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix("kick-")?;
        match name.split_once('-') {
            None => Some(Self::Kick { account: name.parse().ok()? }),
            Some((account, realm_id)) => {
                Some(Self::KickThere { account: account.parse().ok()?, realm_id: realm_id.parse().ok()? })
            }
        }
    }
}

/// Leaves a command for whoever runs with this data directory.
///
/// # Errors
/// When the folder or the file cannot be made.
pub fn leave(dir: &DataDir, command: RealmCommand) -> io::Result<()> {
    let folder = folder(dir);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // The same command again is the same file.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join(command.file_name()))
        .map(drop)
}

/// Takes up what was left. A kick gives way to one for each realm in `elsewhere` before it is taken; a command for one realm
/// that `take` has not done yet (false) stays for the next look.
///
/// # Errors
/// The first of them, once all else is taken up, when the folder cannot be read or written; that it is not there is no error.
pub fn take_up(
    dir: &DataDir,
    elsewhere: &[u32],
    mut take: impl FnMut(RealmCommand) -> bool,
) -> io::Result<()> {
    let entries = match fs::read_dir(folder(dir)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut kicks = 0;
    let mut outcome = Ok(());
    for entry in entries {
        let entry = entry?;
        let done = match entry.file_name().to_str().and_then(RealmCommand::of_file_name) {
            Some(kick @ RealmCommand::Kick { account }) => {
                kicks += 1;
                if kicks > FILES_MAX {
                    continue;
                }
                // Files first, then the end of the old one, then the deed: a crash repeats a kick and loses none, and one that
                // is left in the middle of it is either covered by the deed or a file of its own.
                let there = |&realm_id| leave(dir, RealmCommand::KickThere { account, realm_id });
                let given_way = elsewhere.iter().try_for_each(there);
                let given_way = given_way.and_then(|()| fs::remove_file(entry.path()));
                // On a full disk as well; then it comes again.
                take(kick);
                given_way
            }
            Some(there) => {
                if !take(there) {
                    continue;
                }
                fs::remove_file(entry.path())
            }
            // It would be looked at every second for ever.
            None => fs::remove_file(entry.path()),
        };
        // One that fails holds up none of those behind it.
        outcome = outcome.and(done);
    }
    outcome
}

fn folder(dir: &DataDir) -> PathBuf {
    dir.path().join("commands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_holds_up_no_other() {
        let path = std::env::temp_dir().join(format!("throng-commands-failing-{}", std::process::id()));
        let dir = DataDir::create(&path).expect("the temporary folder can be written");
        // In whatever order they are listed, not all that cannot be removed come last.
        for account in 0..16 {
            leave(&dir, RealmCommand::Kick { account }).expect("left");
            let there = account + 200;
            leave(&dir, RealmCommand::KickThere { account: there, realm_id: 2 }).expect("left");
            for name in
                [format!("kick-{}", account + 100), format!("kick-{account}-3"), format!("x{account}")]
            {
                fs::create_dir(folder(&dir).join(name)).expect("made");
            }
        }
        let mut taken = std::collections::BTreeSet::new();
        take_up(&dir, &[], |command| taken.insert(command)).expect_err("folders are no files");
        for account in 0..16 {
            for command in [
                RealmCommand::Kick { account },
                RealmCommand::Kick { account: account + 100 },
                RealmCommand::KickThere { account, realm_id: 3 },
                RealmCommand::KickThere { account: account + 200, realm_id: 2 },
            ] {
                assert!(taken.contains(&command), "{command:?}");
            }
        }
        fs::remove_dir_all(path).expect("removed");
    }

    #[test]
    fn a_command_stays_until_it_is_done() {
        let path = std::env::temp_dir().join(format!("throng-commands-{}", std::process::id()));
        let dir = DataDir::create(&path).expect("the temporary folder can be written");
        take_up(&dir, &[2], |_| panic!("there is none")).expect("no folder is no error");
        for account in [7, u64::MAX, 7] {
            leave(&dir, RealmCommand::Kick { account }).expect("left");
        }
        for nonsense in ["nonsense", "kick-", "kick-7-", "kick--2", "kick-7-2-3"] {
            fs::write(folder(&dir).join(nonsense), "").expect("written");
        }
        let left = || {
            let names = fs::read_dir(folder(&dir)).expect("a folder");
            let mut names: Vec<_> = names
                .map(|entry| entry.expect("readable").file_name().into_string().expect("text"))
                .collect();
            names.sort();
            names
        };
        let mut taken = Vec::new();
        take_up(&dir, &[2, 3], |command| {
            taken.push(command);
            matches!(command, RealmCommand::Kick { .. })
        })
        .expect("readable");
        // Whether those for one realm are seen at once is the file system's to say.
        taken.retain(|command| matches!(command, RealmCommand::Kick { .. }));
        taken.sort();
        assert_eq!(taken, [7, u64::MAX].map(|account| RealmCommand::Kick { account }));
        assert_eq!(
            left(),
            ["kick-18446744073709551615-2", "kick-18446744073709551615-3", "kick-7-2", "kick-7-3"]
        );
        let done = RealmCommand::KickThere { account: 7, realm_id: 3 };
        take_up(&dir, &[2, 3], |command| command == done).expect("readable");
        assert_eq!(left(), ["kick-18446744073709551615-2", "kick-18446744073709551615-3", "kick-7-2"]);
        take_up(&dir, &[], |command| matches!(command, RealmCommand::KickThere { .. })).expect("readable");
        take_up(&dir, &[], |_| panic!("all are gone")).expect("readable");
        fs::remove_dir_all(path).expect("removed");
    }
}
