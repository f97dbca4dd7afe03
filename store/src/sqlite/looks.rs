//! Which looks are claimed by whose name.

use rusqlite::{Connection, TransactionBehavior};

use super::schema::NameSpace;
use crate::names::{Name, UNICODE_VERSION};

/// Claims all looks of a name, or answers false if another owner has one of them; the caller takes back what was
/// claimed until then.
pub(super) fn claim(at: &Connection, space: NameSpace, name: &Name, owner: i64) -> rusqlite::Result<bool> {
    let mut insert =
        at.prepare_cached("INSERT OR IGNORE INTO name_looks (space, look, owner) VALUES (?1, ?2, ?3)")?;
    for look in name.looks() {
        if insert.execute((space as i64, look, owner))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives back all looks of an owner.
pub(super) fn release(at: &Connection, space: NameSpace, owner: i64) -> rusqlite::Result<()> {
    at.prepare_cached("DELETE FROM name_looks WHERE space = ?1 AND owner = ?2")?
        .execute((space as i64, owner))?;
    Ok(())
}

/// Makes keys and looks anew if they come from other tables of Unicode than this program has. Names that look alike
/// only since then both stay: whoever is first has the look.
pub(super) fn renew_if_stale(connection: &mut Connection) -> rusqlite::Result<()> {
    let (major, minor, update) = UNICODE_VERSION;
    let ours = format!("{major}.{minor}.{update}");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known: Option<String> =
        transaction.query_row("SELECT max(version) FROM unicode", [], |row| row.get(0))?;
    if known.as_ref() == Some(&ours) {
        return Ok(());
    }
    transaction.execute("DELETE FROM unicode", [])?;
    transaction.execute("INSERT INTO unicode (version) VALUES (?1)", [&ours])?;
    if known.is_some() {
        transaction.execute("DELETE FROM name_looks", [])?;
        let spaces = [
            (NameSpace::Account, "SELECT id, name FROM accounts ORDER BY created_ms, id"),
            (
                NameSpace::Character,
                "SELECT id, name FROM characters WHERE name_held = 1 ORDER BY created_ms, id",
            ),
        ];
        for (space, names) in spaces {
            let mut names = transaction.prepare(names)?;
            let mut rows = names.query([])?;
            while let Some(row) = rows.next()? {
                let owner: i64 = row.get(0)?;
                let name = Name::kept(row.get(1)?);
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO name_looks (space, look, owner) VALUES (?1, ?2, ?3)",
                )?;
                for look in name.looks() {
                    insert.execute((space as i64, look, owner))?;
                }
                if matches!(space, NameSpace::Account) {
                    // The key stays where the new one is somebody else's: that account keeps its old spelling.
                    transaction
                        .prepare_cached("UPDATE OR IGNORE accounts SET name_key = ?2 WHERE id = ?1")?
                        .execute((owner, name.key()))?;
                }
            }
        }
        tracing::info!(from = known, to = ours, "names were compared anew with newer tables of Unicode");
    }
    transaction.commit()
}
