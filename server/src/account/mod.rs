//! `throng account`, `throng keys` and `throng invite`: what an operator does, beside a running server or without one.
//!
//! ```text
//!   throng account ... ──► throng.db (SQLite in WAL mode: several programs at once)  ──► the server's next request
//!   throng keys ...    ──► keys/*.keys, replaced whole                               ──► the server, within a second
//!   throng account ban ──► commands/kick-<account>                                   ──► the realm, within a second
//! ```
//!
//! Passwords come from standard input or are made up here, and are never arguments: those are for every user of the
//! machine to see. What is made up is printed once and kept nowhere.

mod bulk;
pub mod commands;
mod date;
mod invite;
mod keys;
mod place;

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;
use throng_store::{
    Account, AccountId, Ban, Credentials, Name, NewAccount, NewPassword, Reason, Revoke, Role, Store,
    StoreError, Taken,
};

use crate::cli::{AccountArgs, AccountCommand, BanArgs, CreateArgs, PlaceArgs};
use crate::gateway::passwords::hash_here;

use commands::RealmCommand;
use place::{Place, now_ms, password_from_stdin, random, readable_secret};

pub use bulk::make_locked;
pub use invite::run as run_invite;
pub use keys::run as run_keys;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Accounts of one page of a listing.
const PAGE: u32 = 500;

/// Runs `throng account`.
///
/// # Errors
/// When the store cannot be opened or refuses, or a name or a date is none.
pub fn run(args: &AccountArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        AccountCommand::Create(args) if args.count.is_some() => bulk::create(args)?,
        AccountCommand::Create(args) => create(args)?,
        AccountCommand::List { place } => list(place)?,
        AccountCommand::Ban(args) => ban(args)?,
        AccountCommand::Unban { name, place } => unban(name, place)?,
        AccountCommand::ResetPassword { name, password_stdin, place } => {
            reset_password(name, *password_stdin, place)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(args: &CreateArgs) -> anyhow::Result<()> {
    let place = Place::find(&args.place)?;
    let text = args.name.as_deref().context("no name was given")?;
    let name = Name::new(text).with_context(|| format!("{text:?} cannot be an account's name"))?;
    let (made_up, password) = match (args.locked, args.password_stdin) {
        (true, _) => (None, None),
        (_, true) => (None, Some(password_from_stdin()?)),
        _ => {
            let password = readable_secret()?;
            (Some(password.clone()), Some(password))
        }
    };
    let store = place.create_store()?;
    let hash = password.as_ref().map(hash_here).transpose()?;
    let id = loop {
        let id = random_id()?;
        let new = NewAccount {
            id,
            name: name.clone(),
            password: hash.clone(),
            email: None,
            role: Role::Player,
            invite: None,
            now_ms: now_ms(),
        };
        match place.wait(store.create_account(new)) {
            Ok(()) => break id,
            Err(StoreError::Taken(Taken::Id)) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create the account {name}")),
        }
    };
    let mut value =
        json!({ "account": id.get().to_string(), "name": name.as_str(), "locked": hash.is_none() });
    if let Some(password) = &made_up {
        value["password"] = password.as_str().into();
    }
    place.tell(&value, || match (&made_up, args.locked) {
        (Some(password), _) => format!("account {name} created (id {id})\npassword: {}", password.as_str()),
        (None, true) => {
            format!("account {name} created (id {id}), locked: throng account reset-password {name}")
        }
        (None, false) => format!("account {name} created (id {id})"),
    })
}

fn list(args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    let store = place.store()?;
    let now_ms = now_ms();
    place.title(&format!("{:24}  {:>20}  {:16}  {:16}  ban", "name", "id", "created", "last login"));
    let mut from = None;
    loop {
        let page = place.wait(store.accounts(from, PAGE))?;
        for account in page.accounts {
            let ban = account.ban.as_ref().filter(|ban| ban.holds(now_ms));
            let value = json!({
                "account": account.id.get().to_string(),
                "name": account.name.as_str(),
                "role": format!("{:?}", account.role).to_lowercase(),
                "created_ms": account.created_ms,
                "login_ms": account.login_ms,
                "banned": ban.is_some(),
                "ban_until_ms": ban.and_then(|ban| ban.until_ms),
                "ban_reason": ban.map(|ban| ban.reason.as_str()),
            });
            place.tell(&value, || {
                let login = account.login_ms.map_or_else(|| "never".to_owned(), date::minute);
                format!(
                    "{:24}  {:>20}  {:16}  {login:16}  {}",
                    account.name.as_str(),
                    account.id.get(),
                    date::minute(account.created_ms),
                    ban.map(ban_in_words).unwrap_or_default()
                )
            })?;
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

fn ban(args: &BanArgs) -> anyhow::Result<()> {
    let place = Place::find(&args.place)?;
    let until_ms = match (&args.until, args.days) {
        (Some(text), _) => {
            let until_ms = date::day_ms(text)
                .with_context(|| format!("--until {text:?} is no day: needed is one like 2031-12-24"))?;
            if until_ms <= now_ms() {
                bail!("--until {text} is past: needed is a day to come, or throng account unban");
            }
            Some(until_ms)
        }
        (None, Some(days)) => Some(now_ms() + i64::from(days) * DAY_MS),
        (None, None) => None,
    };
    let reason = Reason::new(&args.reason).context("--reason cannot be kept")?;
    let store = place.store()?;
    let account = place.account(&*store, &args.name)?;
    let ban = Ban { until_ms, reason };
    place.wait(store.ban(account.id, ban.clone()))?;
    let told = kick(&place, &account);
    let value = json!({
        "account": account.id.get().to_string(),
        "name": account.name.as_str(),
        "banned": true,
        "ban_until_ms": until_ms,
        "ban_reason": ban.reason.as_str(),
    });
    place.tell(&value, || {
        format!("{} is banned {}; its logins have ended", account.name, ban_in_words(&ban))
    })?;
    told
}

fn unban(name: &str, args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    let store = place.store()?;
    let account = place.account(&*store, name)?;
    place.wait(store.unban(account.id))?;
    let was_banned = account.ban.is_some_and(|ban| ban.holds(now_ms()));
    let value = json!({
        "account": account.id.get().to_string(),
        "name": account.name.as_str(),
        "banned": false,
        "was_banned": was_banned,
    });
    place.tell(&value, || match was_banned {
        true => format!("{} may log in again", account.name),
        false => format!("{} was not banned", account.name),
    })
}

fn reset_password(name: &str, password_stdin: bool, args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    let store = place.store()?;
    let account = place.account(&*store, name)?;
    let password = if password_stdin { password_from_stdin()? } else { readable_secret()? };
    let new = NewPassword {
        account: account.id,
        password: Some(hash_here(&password)?),
        version: None,
        revoke: Revoke::All,
        now_ms: now_ms(),
    };
    place.wait(store.set_password(new))?;
    let told = kick(&place, &account);
    let mut value = json!({ "account": account.id.get().to_string(), "name": account.name.as_str() });
    if !password_stdin {
        value["password"] = password.as_str().into();
    }
    place.tell(&value, || match password_stdin {
        true => format!("{} has a new password; all its logins have ended", account.name),
        false => format!("{}: all its logins have ended\npassword: {}", account.name, password.as_str()),
    })?;
    told
}

/// Asks a running server to close what the account plays.
fn kick(place: &Place, account: &Account) -> anyhow::Result<()> {
    commands::leave(&place.dir, RealmCommand::Kick { account: account.id.get() }).with_context(|| {
        format!(
            "this was done, but a running server cannot be told, so what {} plays goes on: make {} writable and \
             repeat the command",
            account.name,
            place.dir.path().display()
        )
    })
}

fn ban_in_words(ban: &Ban) -> String {
    let until = ban
        .until_ms
        .map_or_else(|| "for ever".to_owned(), |until_ms| format!("until {}", date::minute(until_ms)));
    match ban.reason.as_str() {
        "" => until,
        reason => format!("{until} ({reason})"),
    }
}

fn random_id() -> anyhow::Result<AccountId> {
    loop {
        if let Some(id) = AccountId::new(u64::from_le_bytes(random()?)) {
            return Ok(id);
        }
    }
}
