//! Invitations.

use rusqlite::{Connection, Row};

use super::fault::Fault;
use crate::error::{Missing, StoreError, Taken};
use crate::ids::InviteId;
use crate::limits::{INVITE_USES_MAX, INVITES_MAX, PAGE_ROWS_MAX};
use crate::line::Note;
use crate::records::{Invite, NewInvite};
use crate::secret::TokenHash;

pub(super) fn create(at: &Connection, new: &NewInvite) -> Result<InviteId, Fault> {
    let uses = new.uses.clamp(1, INVITE_USES_MAX);
    let count: u32 = at.prepare_cached("SELECT count(*) FROM invites")?.query_row([], |row| row.get(0))?;
    if count >= INVITES_MAX {
        let (of, remedy) = ("invitations", "revoke old ones first");
        return Err(StoreError::Limit { of, count_max: u64::from(INVITES_MAX), remedy }.into());
    }
    let added = at
        .prepare_cached(
            "INSERT OR IGNORE INTO invites (code, note, uses, uses_left, created_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
        )?
        .execute((new.code.0, new.note.as_str(), uses, new.now_ms, new.expires_ms))?;
    if added == 0 {
        return Err(StoreError::Taken(Taken::Token).into());
    }
    Ok(InviteId(at.last_insert_rowid()))
}

/// Which invitation takes one more use: its code is the first parameter, now the second.
macro_rules! is_good {
    () => {
        "code = ?1 AND uses_left > 0 AND (expires_ms IS NULL OR expires_ms > ?2)"
    };
}

pub(super) fn is_good(at: &Connection, code: TokenHash, now_ms: i64) -> Result<bool, Fault> {
    let sql = concat!("SELECT 1 FROM invites WHERE ", is_good!());
    Ok(at.prepare_cached(sql)?.exists((code.0, now_ms))?)
}

pub(super) fn redeem(at: &Connection, code: TokenHash, now_ms: i64) -> Result<(), Fault> {
    let sql = concat!("UPDATE invites SET uses_left = uses_left - 1 WHERE ", is_good!());
    let taken = at.prepare_cached(sql)?.execute((code.0, now_ms))?;
    if taken == 0 { Err(StoreError::Invite.into()) } else { Ok(()) }
}

fn invite(row: &Row<'_>) -> rusqlite::Result<Invite> {
    Ok(Invite {
        id: InviteId(row.get(0)?),
        note: Note::kept(row.get(1)?),
        uses: row.get(2)?,
        uses_left: row.get(3)?,
        created_ms: row.get(4)?,
        expires_ms: row.get(5)?,
    })
}

pub(super) fn all(at: &Connection) -> Result<Vec<Invite>, Fault> {
    let invites = at
        .prepare_cached(
            "SELECT id, note, uses, uses_left, created_ms, expires_ms FROM invites ORDER BY id DESC LIMIT ?1",
        )?
        .query_map([PAGE_ROWS_MAX], invite)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(invites)
}

pub(super) fn revoke(at: &Connection, id: InviteId) -> Result<(), Fault> {
    let removed = at.prepare_cached("DELETE FROM invites WHERE id = ?1")?.execute([id.0])?;
    if removed == 0 { Err(StoreError::Missing(Missing::Invite(id)).into()) } else { Ok(()) }
}
