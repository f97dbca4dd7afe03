//! What is removed in time, and what is counted.

use rusqlite::Connection;

use super::characters;
use super::fault::Fault;
use crate::limits::PURGE_ROWS_MAX;
use crate::records::{Counts, Purged};

pub(super) fn purge(at: &Connection, now_ms: i64, rows_max: u32) -> Result<Purged, Fault> {
    let rows_max = rows_max.clamp(1, PURGE_ROWS_MAX);
    let tokens = at
        .prepare_cached(
            "DELETE FROM tokens WHERE hash IN
                 (SELECT hash FROM tokens WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)",
        )?
        .execute((now_ms, rows_max))?;
    // Only those whose tokens are gone: a login with thousands of used ones would make the batch as long.
    let families = at
        .prepare_cached(
            "DELETE FROM logins WHERE id IN
                 (SELECT id FROM logins WHERE expires_ms <= ?1
                  AND NOT EXISTS (SELECT 1 FROM tokens WHERE login = logins.id) LIMIT ?2)",
        )?
        .execute((now_ms, rows_max))?;
    let names = characters::purge_names(at, now_ms, rows_max)?;
    Ok(Purged { tokens: tokens as u64, families: families as u64, names })
}

pub(super) fn counts(at: &Connection) -> Result<Counts, Fault> {
    let counts = at
        .prepare_cached(
            "SELECT (SELECT count(*) FROM accounts),
                    (SELECT count(*) FROM characters WHERE deleted_ms IS NULL),
                    (SELECT count(*) FROM logins),
                    (SELECT count(*) FROM invites)",
        )?
        .query_row([], |row| {
            let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(Counts { accounts: count(0)?, characters: count(1)?, sessions: count(2)?, invites: count(3)? })
        })?;
    Ok(counts)
}
