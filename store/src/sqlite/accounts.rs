//! Accounts, their bans and their passwords.

use rusqlite::{Connection, OptionalExtension, Row};

use super::fault::Fault;
use super::schema::NameSpace;
use super::{invites, looks, sessions};
use crate::error::{Missing, StoreError, Taken};
use crate::ids::AccountId;
use crate::limits::{BULK_MAX, PAGE_ROWS_MAX};
use crate::line::Reason;
use crate::names::Name;
use crate::records::{
    Account, AccountCursor, AccountPage, Ban, BulkAccount, Credential, Expiring, NewAccount, NewCharacter,
    NewPassword, NewSession, Revoke, Role,
};
use crate::secret::{Email, PasswordHash};

/// The columns of [`account`], in its order.
macro_rules! columns {
    () => {
        "a.id, a.name, a.role, a.created_ms, a.login_ms, a.ban_reason, a.ban_until_ms"
    };
}

pub(super) fn role(number: i64) -> Role {
    match number {
        1 => Role::GameMaster,
        2 => Role::Admin,
        _ => Role::Player,
    }
}

fn role_number(role: Role) -> i64 {
    match role {
        Role::Player => 0,
        Role::GameMaster => 1,
        Role::Admin => 2,
    }
}

/// An id that this store wrote, or what SQLite says of a value that cannot be.
pub(super) fn known<T>(column: usize, id: Option<T>) -> rusqlite::Result<T> {
    id.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let ban_reason: Option<String> = row.get(5)?;
    let until_ms = row.get(6)?;
    Ok(Account {
        id: known(0, AccountId::from_sql(row.get(0)?))?,
        name: Name::kept(row.get(1)?),
        role: role(row.get(2)?),
        created_ms: row.get(3)?,
        login_ms: row.get(4)?,
        ban: ban_reason.map(|reason| Ban { until_ms, reason: Reason::kept(reason) }),
    })
}

pub(super) fn create(at: &Connection, new: &NewAccount) -> Result<(), Fault> {
    if let Some(code) = new.invite {
        invites::redeem(at, code, new.now_ms)?;
    }
    insert(at, new.id, &new.name, new.role, new.now_ms)?;
    keep_credential(at, new.id, new.password.as_ref(), new.email.as_ref(), new.now_ms)
}

pub(super) fn create_bulk(
    at: &Connection,
    bulk: &[BulkAccount],
    access_expires_ms: i64,
    now_ms: i64,
) -> Result<(), Fault> {
    if bulk.len() > BULK_MAX {
        let remedy = "make them in several calls";
        return Err(
            StoreError::Limit { of: "accounts in one call", count_max: BULK_MAX as u64, remedy }.into()
        );
    }
    for one in bulk {
        insert(at, one.account, &one.name, Role::Player, now_ms)?;
        keep_credential(at, one.account, None, None, now_ms)?;
        let character = NewCharacter {
            id: one.character,
            account: one.account,
            name: one.character_name.clone(),
            now_ms,
        };
        super::characters::insert(at, &character)?;
        let session = NewSession {
            account: one.account,
            family: one.family,
            access: Expiring { hash: one.access, expires_ms: access_expires_ms },
            refresh: None,
            device: None,
            version: None,
            now_ms,
        };
        sessions::insert(at, &session)?;
    }
    Ok(())
}

fn insert(at: &Connection, id: AccountId, name: &Name, role: Role, now_ms: i64) -> Result<(), Fault> {
    // Names first: an equal key has an equal look, so whatever the row conflicts with after this is its id.
    if !looks::claim(at, NameSpace::Account, name, id.to_sql())? {
        return Err(StoreError::Taken(Taken::AccountName).into());
    }
    let added = at
        .prepare_cached(
            "INSERT OR IGNORE INTO accounts (id, name, name_key, role, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((id.to_sql(), name.as_str(), name.key(), role_number(role), now_ms))?;
    if added == 0 {
        return Err(StoreError::Taken(Taken::Id).into());
    }
    Ok(())
}

fn keep_credential(
    at: &Connection,
    id: AccountId,
    password: Option<&PasswordHash>,
    email: Option<&Email>,
    now_ms: i64,
) -> Result<(), Fault> {
    at.prepare_cached(
        "INSERT INTO credentials (account_id, password_hash, version, changed_ms, email) VALUES (?1, ?2, 0, ?3, ?4)",
    )?
    .execute((id.to_sql(), password.map(PasswordHash::expose), now_ms, email.map(Email::expose)))?;
    Ok(())
}

pub(super) fn by_id(at: &Connection, id: AccountId) -> Result<Option<Account>, Fault> {
    let sql = concat!("SELECT ", columns!(), " FROM accounts a WHERE a.id = ?1");
    Ok(at.prepare_cached(sql)?.query_row([id.to_sql()], account).optional()?)
}

pub(super) fn by_name(at: &Connection, name: &Name) -> Result<Option<Account>, Fault> {
    let sql = concat!("SELECT ", columns!(), " FROM accounts a WHERE a.name_key = ?1");
    Ok(at.prepare_cached(sql)?.query_row([name.key()], account).optional()?)
}

pub(super) fn page(
    at: &Connection,
    from: Option<&AccountCursor>,
    rows_max: u32,
) -> Result<AccountPage, Fault> {
    let rows_max = rows_max.clamp(1, PAGE_ROWS_MAX) as usize;
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", a.name_key FROM accounts a WHERE a.name_key > ?1 ORDER BY a.name_key LIMIT ?2"
    );
    // No key is empty, so every one is behind the empty text.
    let from = from.map_or("", |cursor| &cursor.0);
    let mut rows: Vec<(Account, String)> = at
        .prepare_cached(sql)?
        .query_map((from, rows_max as i64 + 1), |row| Ok((account(row)?, row.get(7)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| has_more).map(|(_, key)| AccountCursor(key.clone()));
    Ok(AccountPage { accounts: rows.into_iter().map(|(account, _)| account).collect(), next })
}

pub(super) fn ban(at: &Connection, id: AccountId, ban: &Ban) -> Result<(), Fault> {
    let changed = at
        .prepare_cached("UPDATE accounts SET ban_reason = ?2, ban_until_ms = ?3 WHERE id = ?1")?
        .execute((id.to_sql(), ban.reason.as_str(), ban.until_ms))?;
    exists(changed)?;
    sessions::revoke_account(at, id, None)?;
    Ok(())
}

pub(super) fn unban(at: &Connection, id: AccountId) -> Result<(), Fault> {
    let changed = at
        .prepare_cached("UPDATE accounts SET ban_reason = NULL, ban_until_ms = NULL WHERE id = ?1")?
        .execute([id.to_sql()])?;
    exists(changed)
}

fn exists(changed: usize) -> Result<(), Fault> {
    if changed == 0 { Err(StoreError::Missing(Missing::Account).into()) } else { Ok(()) }
}

/// The account, if it is there and may do something now.
pub(super) fn admitted(at: &Connection, id: AccountId, now_ms: i64) -> Result<Account, Fault> {
    let account = by_id(at, id)?.ok_or(StoreError::Missing(Missing::Account))?;
    match account.ban {
        Some(ban) if ban.holds(now_ms) => Err(StoreError::Banned(ban).into()),
        _ => Ok(account),
    }
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    let hash: Option<String> = row.get(7)?;
    let version: i64 = row.get(8)?;
    let password = match hash.map(PasswordHash::new) {
        None => None,
        Some(Ok(password)) => Some(password),
        Some(Err(_)) => return Err(rusqlite::Error::InvalidQuery),
    };
    Ok(Credential { account: account(row)?, password, version: version.cast_unsigned() })
}

pub(super) fn credential_by_name(at: &Connection, name: &Name) -> Result<Option<Credential>, Fault> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", c.password_hash, c.version FROM accounts a JOIN credentials c ON c.account_id = a.id WHERE a.name_key = ?1"
    );
    Ok(at.prepare_cached(sql)?.query_row([name.key()], credential).optional()?)
}

pub(super) fn credential_by_id(at: &Connection, id: AccountId) -> Result<Option<Credential>, Fault> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", c.password_hash, c.version FROM accounts a JOIN credentials c ON c.account_id = a.id WHERE a.id = ?1"
    );
    Ok(at.prepare_cached(sql)?.query_row([id.to_sql()], credential).optional()?)
}

/// Refuses what was decided by a password that is not the account's any more.
pub(super) fn refuse_stale(at: &Connection, id: AccountId, version: Option<u64>) -> Result<(), Fault> {
    let Some(version) = version else { return Ok(()) };
    let current: Option<i64> = at
        .prepare_cached("SELECT version FROM credentials WHERE account_id = ?1")?
        .query_row([id.to_sql()], |row| row.get(0))
        .optional()?;
    match current {
        Some(current) if current.cast_unsigned() == version => Ok(()),
        Some(_) => Err(StoreError::Stale.into()),
        None => Err(StoreError::Missing(Missing::Account).into()),
    }
}

pub(super) fn set_password(at: &Connection, new: &NewPassword) -> Result<(), Fault> {
    refuse_stale(at, new.account, new.version)?;
    let changed = at
        .prepare_cached(
            "UPDATE credentials SET password_hash = ?2, version = version + 1, changed_ms = ?3 WHERE account_id = ?1",
        )?
        .execute((new.account.to_sql(), new.password.as_ref().map(PasswordHash::expose), new.now_ms))?;
    exists(changed)?;
    match new.revoke {
        Revoke::All => sessions::revoke_account(at, new.account, None)?,
        Revoke::AllBut(family) => sessions::revoke_account(at, new.account, Some(family))?,
        Revoke::None => 0,
    };
    Ok(())
}
