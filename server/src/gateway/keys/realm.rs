//! The token keys of one realm, derived from the root keys: all that a realm ever sees.

use std::path::Path;

use throng_net::protocol::token::{RealmKey, RealmKeys};

use super::KeyError;
use super::file::{self, Line};

const TITLE: &str = "throng realm keys 1";
const REMEDY: &str = "copy it from keys/ in the data_dir of the gateway, if that runs elsewhere; it makes one at its start for \
                      each realm in its gateway.realms. Where the gateway runs here, throng keys rotate makes it anew";

/// The token keys in a realm's file, the newest first.
///
/// # Errors
/// When there is no such file, others may read it, or it is not one of realm `realm_id`.
pub fn read_realm_keys(path: &Path, realm_id: u32) -> Result<RealmKeys, KeyError> {
    let lines = file::read(path, TITLE, REMEDY)?;
    let Some((first, keys)) = lines.records().split_first() else {
        return Err(lines.malformed(2, "`realm <id>`"));
    };
    if first.value(&lines, "realm") != Some(u64::from(realm_id)) {
        return Err(first.malformed(&lines, "`realm` and the id of the realm that reads it (realm.id)"));
    }
    let mut realm_keys = Vec::with_capacity(keys.len());
    for record in keys {
        let key_id = record.number(&lines, 1).and_then(|number| u16::try_from(number).ok());
        let key_id = key_id.ok_or_else(|| record.malformed(&lines, "`key <kid> <64 hexadecimal digits>`"))?;
        realm_keys.push(RealmKey::new(key_id, realm_id, record.key(&lines, 1)?));
    }
    RealmKeys::new(realm_keys).map_err(|source| KeyError::Keys { path: lines.path().to_owned(), source })
}

/// Replaces a realm's file.
pub(super) fn write_realm_keys(path: &Path, keys: &RealmKeys) -> Result<(), KeyError> {
    let mut lines = vec![
        Line::title(TITLE),
        Line::comment(
            "What this realm opens connect tokens with. Made by `throng keys rotate`; keep it secret.",
        ),
        Line::plain("realm", keys.realm_id()),
    ];
    lines.extend(keys.iter().map(|key| Line::key(&[u64::from(key.key_id())], key.secret())));
    file::write(path, &lines)
}
