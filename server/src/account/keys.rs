//! `throng keys`: what connect tokens are made with.

use std::process::ExitCode;

use anyhow::Context;
use ring::signature::KeyPair as _;
use serde_json::json;

use super::date;
use super::place::Place;
use crate::cli::{KeysArgs, KeysCommand, PlaceArgs};
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
    let place = Place::find(args)?;
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

fn list(args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    // A realm whose gateway runs elsewhere has no root keys, and that gateway asks for its public key before all else.
    let has_gateway = place.config.gateway.enabled || place.dir.root_keys().exists();
    let realms = if has_gateway {
        list_roots(&place)?;
        place.dir.realms()?
    } else {
        DataDir::create(place.dir.path())?;
        vec![place.config.realm.id]
    };
    for realm_id in realms {
        let public_key = place.dir.signing_key(realm_id)?;
        let public_key = encode(public_key.public_key().as_ref());
        let value = json!({ "realm": realm_id, "public_key": public_key });
        place.tell(&value, || format!("realm {realm_id}  public key {public_key}"))?;
    }
    Ok(())
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
