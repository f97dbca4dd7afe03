//! `throng keys`: what connect tokens are made with.

use std::process::ExitCode;

use anyhow::{Context, bail};
use ring::signature::KeyPair as _;
use serde_json::json;

use super::date;
use super::place::Place;
use crate::cli::{KeysArgs, KeysCommand, PlaceArgs};
use crate::config::Config;
use crate::gateway::keys::{DataDir, RootKeys, unix_ms};
use crate::gateway::secrets::encode;

/// Runs `throng keys`.
///
/// # Errors
/// When the keys cannot be read or replaced.
pub fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        KeysCommand::Rotate { revoke, place } => rotate(revoke, place)?,
        KeysCommand::List { place } => list(place)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rotate(revoke: &[u16], args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find_without(args, &["gateway.report_ca"])?;
    if is_elsewhere(&place.config) {
        let (realm_id, to) = (place.config.realm.id, &place.config.gateway.report_to);
        let gateway = if to.is_empty() { "its gateway".to_owned() } else { format!("the gateway at {to}") };
        let path = place.dir.realm_keys(realm_id);
        bail!(
            "found the settings of a realm whose gateway runs elsewhere (gateway.enabled = false); that gateway alone makes \
             token keys\n  run throng keys rotate on the machine of {gateway}, and copy keys/realm-{realm_id}.keys in its \
             data_dir from there to {}",
            path.display()
        );
    }
    let dir = DataDir::create(place.dir.path())?;
    let rotation = RootKeys::rotate(&dir, revoke, unix_ms()).context("the keys stay as they are")?;
    // This process's realm may not have had a file yet.
    RootKeys::read_or_create(&dir, &[place.config.realm.id], unix_ms())?;
    let realms = dir.realms()?;
    let value = json!({ "created": rotation.created, "removed": rotation.removed, "realms": realms });
    place.tell(&value, || {
        let removed = match rotation.removed.as_slice() {
            [] => "all before it stay accepted until a later rotation; --revoke ends one at once".to_owned(),
            removed => format!("no longer accepted: {}", numbers(removed)),
        };
        format!(
            "key {} created; {removed}\nfiles of realms {} rewritten: copy those of realms on other machines there before the \
             next rotation, and at once if you revoked a key",
            rotation.created,
            numbers(&realms)
        )
    })
}

/// True for the settings of a realm whose gateway is another process. (`throng gateway` has realms whatever `enabled` says.)
fn is_elsewhere(config: &Config) -> bool {
    !config.gateway.enabled && config.gateway.realms.is_empty()
}

fn list(args: &PlaceArgs) -> anyhow::Result<()> {
    // The certificate that report_ca names is made when that gateway first starts, for which it needs what is printed here.
    let place = Place::find_without(args, &["gateway.report_ca"])?;
    if is_elsewhere(&place.config) {
        let realm_id = place.config.realm.id;
        DataDir::create(place.dir.path())?;
        return tell_realm(
            &place,
            realm_id,
            Some(encode(place.dir.signing_key(realm_id)?.public_key().as_ref())),
        );
    }
    list_roots(&place)?;
    for realm_id in place.dir.realms()? {
        // Whatever else is in keys/, a realm elsewhere signs with a key that only it has.
        let public_key = match place.config.gateway.realms.iter().find(|realm| realm.id == realm_id) {
            Some(remote) => Some(remote.public_key.clone()),
            None if realm_id == place.config.realm.id && place.dir.realm_signing(realm_id).exists() => {
                Some(encode(place.dir.signing_key(realm_id)?.public_key().as_ref()))
            }
            None => None,
        };
        tell_realm(&place, realm_id, public_key)?;
    }
    Ok(())
}

fn tell_realm(place: &Place, realm_id: u32, public_key: Option<String>) -> anyhow::Result<()> {
    let value = json!({ "realm": realm_id, "public_key": public_key });
    place.tell(&value, || match public_key {
        Some(public_key) => format!("realm {realm_id}  public key {public_key}"),
        None => format!(
            "realm {realm_id}  no public key known here: none has run here, and gateway.realms names none"
        ),
    })
}

fn list_roots(place: &Place) -> anyhow::Result<()> {
    let roots = RootKeys::read(&place.dir)?;
    let minting = roots.minting(unix_ms());
    for (key_id, created_ms) in roots.list() {
        let is_used = key_id == minting;
        let value = json!({ "key": key_id, "created_ms": created_ms, "in_use": is_used });
        place.tell(&value, || {
            let created = date::minute(i64::try_from(created_ms).unwrap_or(i64::MAX));
            format!("key {key_id:5}  created {created}  {}", if is_used { "in use" } else { "accepted" })
        })?;
    }
    Ok(())
}

fn numbers<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
