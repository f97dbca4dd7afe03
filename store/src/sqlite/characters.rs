//! Characters.

use rusqlite::{Connection, OptionalExtension, Row};

use super::accounts::{admitted, known};
use super::fault::Fault;
use super::looks;
use super::schema::NameSpace;
use crate::error::{Missing, StoreError, Taken};
use crate::ids::{AccountId, CharacterId};
use crate::limits::{CHARACTER_NAMES_MAX, CHARACTERS_MAX, NAME_RESERVED_MS};
use crate::names::Name;
use crate::records::{Character, NewCharacter, Play};

pub(super) fn create(at: &Connection, new: &NewCharacter) -> Result<(), Fault> {
    admitted(at, new.account, new.now_ms)?;
    let (living, held): (u32, u32) = at
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE deleted_ms IS NULL), count(*) FILTER (WHERE name_held = 1)
             FROM characters WHERE account_id = ?1",
        )?
        .query_row([new.account.to_sql()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if living >= CHARACTERS_MAX {
        let (of, remedy) = ("characters of this account", "delete one first");
        return Err(StoreError::Limit { of, count_max: u64::from(CHARACTERS_MAX), remedy }.into());
    }
    if held >= CHARACTER_NAMES_MAX {
        let (of, remedy) = ("names held by this account", "they are free 30 days after a deletion");
        return Err(StoreError::Limit { of, count_max: u64::from(CHARACTER_NAMES_MAX), remedy }.into());
    }
    // A name whose time is over is free, whether or not a purge has been at it.
    for look in new.name.looks() {
        release_at_end(at, &look, new.now_ms)?;
    }
    insert(at, new)
}

pub(super) fn insert(at: &Connection, new: &NewCharacter) -> Result<(), Fault> {
    if !looks::claim(at, NameSpace::Character, &new.name, new.id.to_sql())? {
        return Err(StoreError::Taken(Taken::CharacterName).into());
    }
    let added = at
        .prepare_cached(
            "INSERT OR IGNORE INTO characters (id, account_id, name, name_held, created_ms, session_epoch)
             VALUES (?1, ?2, ?3, 1, ?4, 0)",
        )?
        .execute((new.id.to_sql(), new.account.to_sql(), new.name.as_str(), new.now_ms))?;
    if added == 0 { Err(StoreError::Taken(Taken::Id).into()) } else { Ok(()) }
}

fn release_at_end(at: &Connection, look: &str, now_ms: i64) -> Result<(), Fault> {
    let ended: Option<i64> = at
        .prepare_cached(
            "SELECT c.id FROM name_looks n JOIN characters c ON c.id = n.owner
             WHERE n.space = ?1 AND n.look = ?2 AND c.deleted_ms <= ?3",
        )?
        .query_row((NameSpace::Character as i64, look, reserved_since(now_ms)), |row| row.get(0))
        .optional()?;
    if let Some(id) = ended {
        release(at, id)?;
    }
    Ok(())
}

fn reserved_since(now_ms: i64) -> i64 {
    now_ms.saturating_sub(NAME_RESERVED_MS)
}

fn release(at: &Connection, id: i64) -> Result<(), Fault> {
    looks::release(at, NameSpace::Character, id)?;
    at.prepare_cached("UPDATE characters SET name_held = 0 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Frees names whose time is over, and says how many.
pub(super) fn purge_names(at: &Connection, now_ms: i64, rows_max: u32) -> Result<u64, Fault> {
    let ended: Vec<i64> = at
        .prepare_cached("SELECT id FROM characters WHERE deleted_ms <= ?1 AND name_held = 1 LIMIT ?2")?
        .query_map((reserved_since(now_ms), rows_max), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    ended.iter().try_for_each(|&id| release(at, id))?;
    Ok(ended.len() as u64)
}

fn character(row: &Row<'_>) -> rusqlite::Result<Character> {
    Ok(Character {
        id: known(0, CharacterId::from_sql(row.get(0)?))?,
        name: Name::kept(row.get(1)?),
        created_ms: row.get(2)?,
        played_ms: row.get(3)?,
    })
}

pub(super) fn of_account(at: &Connection, account: AccountId) -> Result<Vec<Character>, Fault> {
    let characters = at
        .prepare_cached(
            "SELECT id, name, created_ms, played_ms FROM characters
             WHERE account_id = ?1 AND deleted_ms IS NULL ORDER BY created_ms, id LIMIT ?2",
        )?
        .query_map((account.to_sql(), CHARACTERS_MAX), character)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(characters)
}

pub(super) fn delete(at: &Connection, account: AccountId, id: CharacterId, now_ms: i64) -> Result<(), Fault> {
    let changed = at
        .prepare_cached(
            "UPDATE characters SET deleted_ms = ?3 WHERE id = ?1 AND account_id = ?2 AND deleted_ms IS NULL",
        )?
        .execute((id.to_sql(), account.to_sql(), now_ms))?;
    if changed == 0 { Err(StoreError::Missing(Missing::Character).into()) } else { Ok(()) }
}

pub(super) fn begin_play(
    at: &Connection,
    account: AccountId,
    id: CharacterId,
    now_ms: i64,
) -> Result<Play, Fault> {
    let account = admitted(at, account, now_ms)?;
    let raised = at
        .prepare_cached(
            "UPDATE characters SET session_epoch = session_epoch + 1, played_ms = ?3
             WHERE id = ?1 AND account_id = ?2 AND deleted_ms IS NULL RETURNING session_epoch, name",
        )?
        .query_row((id.to_sql(), account.id.to_sql(), now_ms), |row| {
            Ok((row.get::<_, i64>(0)?, Name::kept(row.get(1)?)))
        })
        .optional()?;
    let (session_epoch, name) = raised.ok_or(StoreError::Missing(Missing::Character))?;
    Ok(Play { session_epoch: session_epoch.cast_unsigned(), name, role: account.role })
}
