//! Logins and their tokens.

use rusqlite::{Connection, OptionalExtension, Row};

use super::accounts::{admitted, known, refuse_stale, role};
use super::fault::Fault;
use super::schema::TokenKind;
use crate::error::{StoreError, Taken};
use crate::ids::{AccountId, FamilyId};
use crate::limits::{FAMILIES_MAX, ROTATIONS_MAX};
use crate::line::DeviceLabel;
use crate::names::Name;
use crate::records::{Expiring, NewSession, Rotated, Rotation, Session};
use crate::secret::TokenHash;

pub(super) fn create(at: &Connection, new: &NewSession) -> Result<(), Fault> {
    admitted(at, new.account, new.now_ms)?;
    refuse_stale(at, new.account, new.version)?;
    insert(at, new)?;
    at.prepare_cached(
        "DELETE FROM logins WHERE id IN
             (SELECT id FROM logins WHERE account_id = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute((new.account.to_sql(), FAMILIES_MAX))?;
    at.prepare_cached("UPDATE accounts SET login_ms = ?2 WHERE id = ?1")?
        .execute((new.account.to_sql(), new.now_ms))?;
    Ok(())
}

pub(super) fn insert(at: &Connection, new: &NewSession) -> Result<(), Fault> {
    let expires_ms = new.refresh.map_or(i64::MIN, |refresh| refresh.expires_ms).max(new.access.expires_ms);
    let added = at
        .prepare_cached(
            "INSERT OR IGNORE INTO logins (family, account_id, created_ms, expires_ms, rotations, device)
             VALUES (?1, ?2, ?3, ?4, 0, ?5)",
        )?
        .execute((
            new.family.0,
            new.account.to_sql(),
            new.now_ms,
            expires_ms,
            new.device.as_ref().map(DeviceLabel::as_str),
        ))?;
    if added == 0 {
        return Err(StoreError::Taken(Taken::Id).into());
    }
    let login = at.last_insert_rowid();
    insert_token(at, login, TokenKind::Access, new.access)?;
    match new.refresh {
        Some(refresh) => insert_token(at, login, TokenKind::Refresh, refresh),
        None => Ok(()),
    }
}

fn insert_token(at: &Connection, login: i64, kind: TokenKind, token: Expiring) -> Result<(), Fault> {
    let added = at
        .prepare_cached(
            "INSERT OR IGNORE INTO tokens (hash, kind, login, expires_ms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((token.hash.0, kind as i64, login, token.expires_ms))?;
    if added == 0 { Err(StoreError::Taken(Taken::Token).into()) } else { Ok(()) }
}

/// A token with its login and account, as [`FIND`] selects it.
struct Found {
    kind: i64,
    login: i64,
    rotations: u32,
    session: Session,
}

const FIND: &str = "
    SELECT t.kind, t.expires_ms, l.id, l.family, l.rotations, a.id, a.name, a.role
    FROM tokens t JOIN logins l ON l.id = t.login JOIN accounts a ON a.id = l.account_id
    WHERE t.hash = ?1";

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        kind: row.get(0)?,
        login: row.get(2)?,
        rotations: row.get(4)?,
        session: Session {
            account: known(5, AccountId::from_sql(row.get(5)?))?,
            name: Name::kept(row.get(6)?),
            role: role(row.get(7)?),
            family: FamilyId(row.get(3)?),
            expires_ms: row.get(1)?,
        },
    })
}

fn find(at: &Connection, hash: TokenHash) -> Result<Option<Found>, Fault> {
    Ok(at.prepare_cached(FIND)?.query_row([hash.0], found).optional()?)
}

/// Bans end logins in their own transaction, so a token that is there belongs to somebody who may use it.
pub(super) fn by_access(at: &Connection, access: TokenHash, now_ms: i64) -> Result<Option<Session>, Fault> {
    let found = find(at, access)?.filter(|found| found.kind == TokenKind::Access as i64);
    Ok(found.map(|found| found.session).filter(|session| now_ms < session.expires_ms))
}

pub(super) fn rotate(at: &Connection, rotation: &Rotation) -> Result<Rotated, Fault> {
    let Some(found) = find(at, rotation.used)? else { return Ok(Rotated::Unknown) };
    let Found { login, mut session, .. } = found;
    if found.kind == TokenKind::Used as i64 {
        delete(at, login)?;
        return Ok(Rotated::Reused { account: session.account, family: session.family });
    }
    if found.kind != TokenKind::Refresh as i64 || session.expires_ms <= rotation.now_ms {
        return Ok(Rotated::Unknown);
    }
    if found.rotations >= ROTATIONS_MAX {
        delete(at, login)?;
        return Ok(Rotated::Exhausted);
    }
    at.prepare_cached("UPDATE tokens SET kind = ?2 WHERE hash = ?1")?
        .execute((rotation.used.0, TokenKind::Used as i64))?;
    at.prepare_cached("DELETE FROM tokens WHERE login = ?1 AND kind = ?2")?
        .execute((login, TokenKind::Access as i64))?;
    insert_token(at, login, TokenKind::Access, rotation.access)?;
    insert_token(at, login, TokenKind::Refresh, rotation.refresh)?;
    at.prepare_cached("UPDATE logins SET rotations = rotations + 1, expires_ms = ?2 WHERE id = ?1")?
        .execute((login, rotation.refresh.expires_ms.max(rotation.access.expires_ms)))?;
    session.expires_ms = rotation.access.expires_ms;
    Ok(Rotated::Fresh(session))
}

fn delete(at: &Connection, login: i64) -> rusqlite::Result<()> {
    at.prepare_cached("DELETE FROM logins WHERE id = ?1")?.execute([login])?;
    Ok(())
}

pub(super) fn revoke_family(at: &Connection, family: FamilyId) -> Result<(), Fault> {
    at.prepare_cached("DELETE FROM logins WHERE family = ?1")?.execute([family.0])?;
    Ok(())
}

pub(super) fn revoke_account(
    at: &Connection,
    account: AccountId,
    but: Option<FamilyId>,
) -> Result<u64, Fault> {
    let ended = at
        .prepare_cached("DELETE FROM logins WHERE account_id = ?1 AND family IS NOT ?2")?
        .execute((account.to_sql(), but.map(|family| family.0)))?;
    Ok(ended as u64)
}
