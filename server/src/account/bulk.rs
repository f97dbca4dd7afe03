//! Many accounts at once, for load tests: locked, with a character and a session token each, and no hash for any.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::json;
use throng_store::limits::BULK_MAX;
use throng_store::{BulkAccount, CharacterId, FamilyId, Name, Store as _};
use zeroize::Zeroizing;

use super::place::{Place, now_ms, random};
use super::{DAY_MS, random_id};
use crate::cli::CreateArgs;
use crate::config::Config;
use crate::gateway::secrets::{TOKEN_BYTES, Token, encode};

/// Runs `throng account create --count`.
pub(super) fn create(args: &CreateArgs) -> anyhow::Result<()> {
    let place = Place::find(&args.place)?;
    let count = args.count.context("no --count was given")?;
    let path = args.sessions.as_deref().context("no --sessions was given")?;
    args.first.checked_add(count - 1).context("--first and --count together are too large")?;
    // The longest name, before anything is made.
    name(&args.prefix, args.first + (count - 1))?;
    let herd = Herd { prefix: &args.prefix, first: args.first, count, days: args.days };
    herd.make(&place, path)?;
    let expires_ms = now_ms() + i64::from(args.days) * DAY_MS;
    let value = json!({ "count": count, "sessions": path, "expires_ms": expires_ms });
    place.tell(&value, || {
        format!(
            "{count} accounts created, {}{} to {}{}; their session tokens, good for {} days, are in {}",
            args.prefix,
            args.first,
            args.prefix,
            args.first + (count - 1),
            args.days,
            path.display()
        )
    })
}

/// Makes `count` accounts in the data directory of `config`, for a demo.
///
/// # Errors
/// When the store or the file cannot be written.
pub fn make_locked(config: &Config, count: u32, path: &Path) -> anyhow::Result<()> {
    let place = Place::of(config.clone(), false)?;
    Herd { prefix: "bot", first: 1, count, days: 1 }.make(&place, path)
}

/// Accounts that differ in a number.
struct Herd<'a> {
    prefix: &'a str,
    first: u32,
    count: u32,
    days: u32,
}

impl Herd<'_> {
    fn make(&self, place: &Place, path: &Path) -> anyhow::Result<()> {
        let file = create_file(path)?;
        let made = self.fill(place, file);
        if made.is_err() {
            // Tokens of accounts that were not made. Those of a part that was are lost with it: they can log in by
            // nothing, and their names are taken.
            let _ = fs::remove_file(path);
        }
        made
    }

    fn fill(&self, place: &Place, file: File) -> anyhow::Result<()> {
        let store = place.create_store()?;
        let mut tokens = BufWriter::new(file);
        let mut numbers = self.first..=self.first + (self.count - 1);
        let mut made = 0;
        loop {
            let mut bulk = Vec::new();
            for number in numbers.by_ref().take(BULK_MAX) {
                let token = Zeroizing::new(random::<TOKEN_BYTES>()?);
                let name = name(self.prefix, number)?;
                writeln!(tokens, "{}", encode(&*token)).context("cannot write the session tokens")?;
                bulk.push(BulkAccount {
                    account: random_id()?,
                    character: random_number(CharacterId::new)?,
                    character_name: name.clone(),
                    name,
                    family: FamilyId(random()?),
                    access: Token::new(*token).hash(),
                });
            }
            if bulk.is_empty() {
                return Ok(());
            }
            // On the disk before the accounts are: an account whose token nobody has is of no use.
            tokens
                .flush()
                .and_then(|()| tokens.get_ref().sync_all())
                .context("cannot write the session tokens")?;
            let more = bulk.len();
            let expires_ms = now_ms() + i64::from(self.days) * DAY_MS;
            place.wait(store.create_accounts_bulk(bulk, expires_ms, now_ms())).map_err(|error| {
            anyhow!(
                "cannot create the accounts {0}{1} and following ({made} before them were created): {error}\n  \
                 if the names are taken: other ones with --prefix, or further ones with --first",
                self.prefix,
                self.first + made as u32
            )
        })?;
            made += more;
        }
    }
}

fn name(prefix: &str, number: u32) -> anyhow::Result<Name> {
    let text = format!("{prefix}{number}");
    Name::new(&text).with_context(|| format!("{text:?} cannot be an account's name: choose another --prefix"))
}

/// A file that only its owner can read, and that was not there before: somebody else may need those tokens.
fn create_file(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(|| {
        format!("cannot create {}: name a file that does not exist, in a folder that does", path.display())
    })
}

fn random_number<T>(id: impl Fn(u64) -> Option<T>) -> anyhow::Result<T> {
    loop {
        if let Some(id) = id(u64::from_le_bytes(random()?)) {
            return Ok(id);
        }
    }
}
