//! `throng invite`: who may make an account where not everybody may.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use throng_store::{InviteId, NewInvite, Note, Store as _};

use super::place::{Place, now_ms, readable_secret};
use super::{DAY_MS, date};
use crate::cli::{InviteArgs, InviteCommand, PlaceArgs};
use crate::config::Registration;
use crate::gateway::secrets::invite_hash;
use crate::report::counted;

/// Runs `throng invite`.
///
/// # Errors
/// When the store cannot be opened or refuses.
pub fn run(args: &InviteArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        InviteCommand::Create { uses, days, note, place } => create(*uses, *days, note, place)?,
        InviteCommand::List { place } => list(place)?,
        InviteCommand::Revoke { id, place } => revoke(*id, place)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(uses: u32, days: Option<u32>, note: &str, args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    let note = Note::new(note).context("--note cannot be kept")?;
    let code = readable_secret()?;
    let expires_ms = days.map(|days| now_ms() + i64::from(days) * DAY_MS);
    let store = place.create_store()?;
    let new = NewInvite { code: invite_hash(&code), uses, expires_ms, note, now_ms: now_ms() };
    let id = place.wait(store.create_invite(new))?;
    let value = json!({ "invite": id.0, "code": code.as_str(), "uses": uses, "expires_ms": expires_ms });
    place.tell(&value, || {
        let until = expires_ms.map(|ms| format!(", until {}", date::minute(ms))).unwrap_or_default();
        format!("invitation {id} for {}{until}\ncode: {}", counted(uses.into(), "account"), code.as_str())
    })?;
    if place.config.gateway.registration != Registration::Invite {
        eprintln!(
            "throng: gateway.registration is not \"invite\" in these settings: nobody is asked for the code until it is"
        );
    }
    Ok(())
}

fn list(args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    let store = place.store()?;
    place.title(&format!("{:>6}  {:>11}  {:16}  {:16}  note", "id", "left of", "created", "ends"));
    for invite in place.wait(store.invites())? {
        let value = json!({
            "invite": invite.id.0,
            "uses": invite.uses,
            "uses_left": invite.uses_left,
            "created_ms": invite.created_ms,
            "expires_ms": invite.expires_ms,
            "note": invite.note.as_str(),
        });
        place.tell(&value, || {
            let ends = invite.expires_ms.map_or_else(|| "when used up".to_owned(), date::minute);
            let left = format!("{} of {}", invite.uses_left, invite.uses);
            format!(
                "{:>6}  {left:>11}  {:16}  {ends:16}  {}",
                invite.id,
                date::minute(invite.created_ms),
                invite.note
            )
        })?;
    }
    Ok(())
}

fn revoke(id: i64, args: &PlaceArgs) -> anyhow::Result<()> {
    let place = Place::find(args)?;
    let store = place.store()?;
    let id = InviteId(id);
    place.wait(store.revoke_invite(id))?;
    place.tell(&json!({ "invite": id.0, "revoked": true }), || format!("invitation {id} is taken back"))
}
