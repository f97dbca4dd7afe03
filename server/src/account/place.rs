//! What every command of an operator needs: the data directory, the store, a way to wait for it, a way to tell.

use std::fs;
use std::future::Future;
use std::io::{self, IsTerminal as _, Read as _};
use std::sync::Arc;

use anyhow::{Context, bail};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use throng_store::{Account, Name, SqliteOptions, SqliteStore, Store, StoreError};
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use crate::cli::PlaceArgs;
use crate::config::{Config, Loaded, Problems};
use crate::gateway::keys::{DataDir, unix_ms};
use crate::gateway::passwords::{PASSWORD_CHARS, check_length};
use crate::pipe;
use crate::serve::unicode_environment;

/// Milliseconds that a command waits for a server that is writing.
const BUSY_MS: u32 = 10_000;

/// Characters of what is made up: no two look alike, and 32 of them are five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

const _: () = assert!(*PASSWORD_CHARS.end() >= 23);

/// Where a command works.
pub(super) struct Place {
    pub dir: DataDir,
    pub config: Config,
    is_json: bool,
    runtime: Runtime,
}

impl Place {
    /// The settings' data directory, or the one named instead.
    pub fn find(args: &PlaceArgs) -> anyhow::Result<Self> {
        Self::find_without(args, &[])
    }

    /// The same, whatever is wrong with the settings `unchecked`: for what comes before them when a server is set up.
    pub fn find_without(args: &PlaceArgs, unchecked: &[&str]) -> anyhow::Result<Self> {
        let Loaded { mut config, warnings } = Config::load(args.config.as_deref(), unicode_environment())?;
        for warning in warnings {
            eprintln!("throng: {warning}");
        }
        if let Some(path) = &args.data_dir {
            config.gateway.data_dir =
                path.to_str().context("the data directory's path is not UTF-8")?.to_owned();
        }
        if let Err(Problems(mut problems)) = config.check() {
            problems.retain(|problem| !unchecked.contains(&problem.key));
            if !problems.is_empty() {
                return Err(Problems(problems).into());
            }
        }
        Self::of(config, args.json)
    }

    /// The data directory of these settings.
    pub fn of(config: Config, is_json: bool) -> anyhow::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_time().build().context("cannot wait for anything")?;
        Ok(Self { dir: config.gateway.data_dir(), config, is_json, runtime })
    }

    /// The store, made where there is none.
    pub fn create_store(&self) -> anyhow::Result<Arc<SqliteStore>> {
        DataDir::create(self.dir.path())?;
        self.open()
    }

    /// The store that is there.
    pub fn store(&self) -> anyhow::Result<Arc<SqliteStore>> {
        let path = self.dir.database();
        let folder = self.dir.path().display();
        match fs::metadata(&path) {
            Ok(_) => self.open(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "there are no accounts in {folder}: give the folder of the server with --data-dir, or its settings file \
                 with --config. (`throng account create` makes a new one.)"
            ),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(
                "cannot look into {folder}: {error}\n  \
                 only its owner may enter it: run this command as the user that the server runs as"
            ),
            Err(error) => {
                bail!("cannot look into {folder}: {error}\n  give the folder of the server with --data-dir")
            }
        }
    }

    fn open(&self) -> anyhow::Result<Arc<SqliteStore>> {
        // The server looks through the whole file when it starts.
        let options =
            SqliteOptions { readers: 1, busy_ms: BUSY_MS, check: false, ..SqliteOptions::default() };
        Ok(SqliteStore::open(&self.dir.database(), &options)?)
    }

    /// Waits for the store.
    pub fn wait<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.runtime.block_on(answer)
    }

    /// The account called `name`.
    pub fn account(&self, store: &dyn Store, name: &str) -> anyhow::Result<Account> {
        let parsed = Name::new(name).with_context(|| format!("{name:?} cannot be an account's name"))?;
        match self.wait(store.account_by_name(&parsed))? {
            Some(account) => Ok(account),
            None => bail!("there is no account {parsed}: `throng account list` prints all"),
        }
    }

    /// Prints one thing: as JSON, or in words.
    pub fn tell(&self, value: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = if self.is_json { serde_json::to_string(value)? } else { words() };
        // A reader that has seen enough (`| head`) is no error.
        let _ = pipe::print_line(&text);
        Ok(())
    }

    /// Prints a title where people read.
    pub fn title(&self, text: &str) {
        if !self.is_json {
            let _ = pipe::print_line(text);
        }
    }
}

/// Now, as the store counts it.
pub(super) fn now_ms() -> i64 {
    i64::try_from(unix_ms()).unwrap_or(i64::MAX)
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(bytes)
}

/// A secret that people can read out: 100 random bits in four groups.
pub(super) fn readable_secret() -> anyhow::Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(random::<20>()?);
    let mut text = Zeroizing::new(String::with_capacity(23));
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(text)
}

/// A password: the first line of standard input.
pub(super) fn password_from_stdin() -> anyhow::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        eprint!("password (it will be seen; better: --password-stdin < FILE): ");
    }
    // Enough for the longest password; one allocation, so that no copy stays behind.
    let mut text = Zeroizing::new(Vec::with_capacity(1024));
    let mut byte = [0];
    let mut stdin = io::stdin().lock();
    while text.len() < 1024
        && stdin.read(&mut byte).context("cannot read standard input")? == 1
        && byte[0] != b'\n'
    {
        text.push(byte[0]);
    }
    let line = std::str::from_utf8(&text).context("the password on standard input is not UTF-8")?;
    let password = Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned());
    check_length(&password)?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_random_and_readable() {
        let [one, two] = [0, 1].map(|_| readable_secret().expect("entropy"));
        assert_ne!(*one, *two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
        assert!(check_length(&one).is_ok());
        let distinct: std::collections::BTreeSet<_> = ALPHABET.iter().collect();
        assert!(distinct.len() == 32 && !ALPHABET.contains(&b'l') && !ALPHABET.contains(&b'1'));
    }
}
