//! Making an account, and changing its password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use throng_store::{AccountId, Name, NewAccount, NewPassword, PasswordHash, Revoke, Role, StoreError, Taken};
use utoipa::ToSchema;

use crate::gateway::api::{Authenticated, Json};
use crate::gateway::connection::Peer;
use crate::gateway::limits;
use crate::gateway::passwords::{Passwords, check_length};
use crate::gateway::refusal::{ApiError, ApiResult, ErrorBody, Refusal};
use crate::gateway::routes::session::{SessionBody, open_session};
use crate::gateway::secrets::{Secret, invite_hash};
use crate::gateway::state::{Gateway, Registration};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// 3 to 24 characters: letters and digits, with single separators between them.
    #[schema(max_length = 256, example = "Ada")]
    name: String,
    /// 8 to 128 characters.
    password: Secret,
    /// The code of an invitation, where one is needed.
    #[serde(default)]
    invite: Option<Secret>,
    /// What to call this device in a list of sessions.
    #[serde(default)]
    #[schema(max_length = 64)]
    device: Option<String>,
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password until now.
    old: Secret,
    /// The password from now on, 8 to 128 characters.
    new: Secret,
}

/// Makes an account and logs it in.
#[utoipa::path(post, path = "/v1/register", tag = "account", request_body = Register, responses(
    (status = 201, body = SessionBody),
    (status = 403, body = ErrorBody, description = "registration_closed, invite_required, invite_invalid"),
    (status = 409, body = ErrorBody, description = "name_taken"),
    (status = 422, body = ErrorBody, description = "name_invalid, password_invalid, field_invalid"),
    (status = 429, body = ErrorBody, description = "throttled"),
    (status = 503, body = ErrorBody, description = "passwords_busy, store_busy, store_full, store_down")))]
pub async fn register(
    State(gateway): State<Arc<Gateway>>,
    peer: Peer,
    Json(body): Json<Register>,
) -> ApiResult<(StatusCode, axum::Json<SessionBody>)> {
    let invite = match gateway.settings.registration {
        Registration::Closed => return Err(Refusal::RegistrationClosed.into()),
        Registration::Open => None,
        Registration::Invite => {
            let code = body.invite.ok_or(Refusal::InviteRequired)?;
            if code.expose().len() > limits::INVITE_INPUT_BYTES_MAX {
                return Err(Refusal::InviteInvalid.into());
            }
            Some(invite_hash(code.expose()))
        }
    };
    let name = Name::new(&body.name)
        .map_err(|error| ApiError::from(Refusal::NameInvalid).saying(error.to_string()))?;
    check_password(&body.password)?;
    let device = gateway.device(body.device.as_deref())?;
    let now_ms = gateway.now_ms();
    gateway.throttle().address(now_ms, peer.address).map_err(|error| gateway.throttled(error))?;

    // Both are asked before the costly part; who comes between this and the insertion is refused there. The invitation
    // first: who has none is not told which names are taken.
    if let Some(code) = invite {
        let is_good = gateway.store.is_invite_good(code, gateway.now_store_ms()).await;
        if !is_good.map_err(|error| gateway.store_failed(error))? {
            return Err(Refusal::InviteInvalid.into());
        }
    }
    let existing = gateway.store.account_by_name(&name).await.map_err(|error| gateway.store_failed(error))?;
    if existing.is_some() {
        return Err(Refusal::NameTaken.into());
    }
    let hash = hash(&gateway, body.password).await?;
    let id = loop {
        let Some(id) = AccountId::new(gateway.draw_u64()) else { continue };
        let new = NewAccount {
            id,
            name: name.clone(),
            password: Some(hash.clone()),
            email: None,
            role: Role::Player,
            invite,
            now_ms: gateway.now_store_ms(),
        };
        match gateway.store.create_account(new).await {
            Ok(()) => break id,
            Err(StoreError::Taken(Taken::Id)) => {}
            Err(StoreError::Taken(_)) => return Err(Refusal::NameTaken.into()),
            Err(error) => return Err(gateway.store_failed(error)),
        }
    };
    gateway.counters.accounts_registered.add(1);
    let session = open_session(&gateway, id, name, None, device).await?;
    Ok((StatusCode::CREATED, axum::Json(session)))
}

/// Changes the password of the account that is logged in, and ends its other sessions.
#[utoipa::path(post, path = "/v1/password", tag = "account", request_body = ChangePassword,
    security(("session" = [])), responses(
    (status = 204, description = "changed; all other sessions of the account have ended"),
    (status = 401, body = ErrorBody, description = "session_invalid, credentials_wrong"),
    (status = 422, body = ErrorBody, description = "password_invalid"),
    (status = 429, body = ErrorBody, description = "throttled"),
    (status = 503, body = ErrorBody, description = "passwords_busy, store_busy, store_full, store_down")))]
pub async fn change_password(
    State(gateway): State<Arc<Gateway>>,
    peer: Peer,
    Authenticated(session): Authenticated,
    Json(body): Json<ChangePassword>,
) -> ApiResult<StatusCode> {
    check_password(&body.new)?;
    let credential = gateway.verified(&session.name, Some(session.account), body.old, peer.address).await?;
    let hash = hash(&gateway, body.new).await?;
    let new = NewPassword {
        account: session.account,
        password: Some(hash),
        version: Some(credential.version),
        revoke: Revoke::AllBut(session.family),
        now_ms: gateway.now_store_ms(),
    };
    gateway.credentials.set_password(new).await.map_err(|error| match error {
        StoreError::Stale => Refusal::CredentialsWrong.into(),
        error => gateway.store_failed(error),
    })?;
    gateway.counters.passwords_changed.add(1);
    Ok(StatusCode::NO_CONTENT)
}

fn check_password(password: &Secret) -> ApiResult<()> {
    check_length(password.expose())
        .map_err(|error| ApiError::from(Refusal::PasswordInvalid).saying(error.to_string()))
}

async fn hash(gateway: &Gateway, password: Secret) -> ApiResult<PasswordHash> {
    let passwords: &Passwords = &gateway.passwords;
    passwords.hash(password.into_inner()).await.map_err(|error| gateway.overloaded(error))
}
