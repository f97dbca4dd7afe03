//! Logging in, staying logged in, logging out.
//!
//! ```text
//!   password ──login──► access (15 min) + refresh (30 d) ──refresh──► new access + new refresh, the old ones end
//!                                                        └─ a refresh token that comes twice ends the whole family
//! ```

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use throng_store::{
    AccountId, DeviceLabel, Expiring, FamilyId, Name, NewSession, Rotated, Rotation, StoreError, Taken,
};
use utoipa::ToSchema;

use crate::gateway::api::{Authenticated, Json};
use crate::gateway::connection::Peer;
use crate::gateway::limits;
use crate::gateway::refusal::{ApiResult, ErrorBody, Refusal};
use crate::gateway::secrets::{Secret, Token};
use crate::gateway::state::Gateway;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The account's name; letter case does not matter.
    #[schema(max_length = 256, example = "ada")]
    name: String,
    /// Its password.
    password: Secret,
    /// What to call this device in a list of sessions.
    #[serde(default)]
    #[schema(max_length = 64)]
    device: Option<String>,
}

/// A session to go on with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token of the session.
    refresh_token: Secret,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct SessionBody {
    /// The account, a decimal number.
    #[schema(example = "1234567890123456789")]
    account_id: String,
    /// Its name as it was registered.
    name: String,
    /// For `Authorization: Bearer`.
    access_token: Token,
    /// When it ends, Unix ms.
    access_expires_at_ms: u64,
    /// Good once, for new tokens. Using it twice ends the session.
    refresh_token: Token,
    /// When it ends, Unix ms.
    refresh_expires_at_ms: u64,
}

/// A new pair of tokens.
struct Pair {
    access: Token,
    access_expires_ms: u64,
    refresh: Token,
    refresh_expires_ms: u64,
}

impl Pair {
    fn draw(gateway: &Gateway) -> Self {
        let now_ms = gateway.now_ms();
        Self {
            access: Token::new(*gateway.draw()),
            access_expires_ms: now_ms + limits::ACCESS_MS,
            refresh: Token::new(*gateway.draw()),
            refresh_expires_ms: now_ms + limits::REFRESH_MS,
        }
    }

    fn stored(&self) -> (Expiring, Expiring) {
        (
            Expiring { hash: self.access.hash(), expires_ms: self.access_expires_ms.cast_signed() },
            Expiring { hash: self.refresh.hash(), expires_ms: self.refresh_expires_ms.cast_signed() },
        )
    }

    fn into_body(self, account: AccountId, name: &Name) -> SessionBody {
        SessionBody {
            account_id: account.to_string(),
            name: name.as_str().to_owned(),
            access_token: self.access,
            access_expires_at_ms: self.access_expires_ms,
            refresh_token: self.refresh,
            refresh_expires_at_ms: self.refresh_expires_ms,
        }
    }
}

/// Opens a session by password. Wrong passwords, unknown names and accounts without a password get the same answer at
/// the same cost.
#[utoipa::path(post, path = "/v1/login", tag = "session", request_body = Login, responses(
    (status = 200, body = SessionBody),
    (status = 401, body = ErrorBody, description = "credentials_wrong"),
    (status = 403, body = ErrorBody, description = "banned, with until_ms unless it is for good"),
    (status = 422, body = ErrorBody, description = "field_invalid"),
    (status = 429, body = ErrorBody, description = "throttled"),
    (status = 503, body = ErrorBody, description = "passwords_busy, store_busy, store_full, store_down")))]
pub async fn login(
    State(gateway): State<Arc<Gateway>>,
    peer: Peer,
    Json(body): Json<Login>,
) -> ApiResult<axum::Json<SessionBody>> {
    let device = gateway.device(body.device.as_deref())?;
    // A text that cannot be a name is nobody's: there is nothing to hide, so nothing is computed.
    let name = Name::new(&body.name).map_err(|_| Refusal::CredentialsWrong)?;
    let credential = gateway.verified(&name, None, body.password, peer.address).await?;
    let account = credential.account;
    if let Some(ban) = account.ban.filter(|ban| ban.holds(gateway.now_store_ms())) {
        return Err(gateway.banned(&ban));
    }
    let session = open_session(&gateway, account.id, account.name, Some(credential.version), device).await?;
    gateway.counters.logins.add(1);
    Ok(axum::Json(session))
}

/// Goes on with a session: new tokens for the refresh token, which ends with this.
#[utoipa::path(post, path = "/v1/refresh", tag = "session", request_body = Refresh, responses(
    (status = 200, body = SessionBody),
    (status = 401, body = ErrorBody, description = "session_invalid: log in again"),
    (status = 503, body = ErrorBody, description = "store_busy, store_full, store_down")))]
pub async fn refresh(
    State(gateway): State<Arc<Gateway>>,
    Json(body): Json<Refresh>,
) -> ApiResult<axum::Json<SessionBody>> {
    let used = Token::parse(body.refresh_token.expose()).ok_or(Refusal::SessionInvalid)?;
    let pair = Pair::draw(&gateway);
    let (access, refresh) = pair.stored();
    let rotation = Rotation { used: used.hash(), access, refresh, now_ms: gateway.now_store_ms() };
    match gateway.store.rotate(rotation).await.map_err(|error| gateway.store_failed(error))? {
        Rotated::Fresh(session) => {
            gateway.counters.refreshes.add(1);
            Ok(axum::Json(pair.into_body(session.account, &session.name)))
        }
        Rotated::Reused { account, .. } => {
            gateway.counters.refresh_reused.add(1);
            tracing::warn!(%account, "a refresh token came twice; that session is ended");
            Err(Refusal::SessionInvalid.into())
        }
        Rotated::Unknown | Rotated::Exhausted => Err(Refusal::SessionInvalid.into()),
    }
}

/// Ends the session that this is asked in.
#[utoipa::path(post, path = "/v1/logout", tag = "session", security(("session" = [])), responses(
    (status = 204, description = "ended"),
    (status = 401, body = ErrorBody, description = "session_invalid"),
    (status = 503, body = ErrorBody, description = "store_busy, store_full, store_down")))]
pub async fn logout(
    State(gateway): State<Arc<Gateway>>,
    Authenticated(session): Authenticated,
) -> ApiResult<StatusCode> {
    gateway.store.revoke_family(session.family).await.map_err(|error| gateway.store_failed(error))?;
    gateway.counters.logouts.add(1);
    Ok(StatusCode::NO_CONTENT)
}

/// A new session of `account`. `version` is that of the password by which it was decided.
pub(super) async fn open_session(
    gateway: &Gateway,
    account: AccountId,
    name: Name,
    version: Option<u64>,
    device: Option<DeviceLabel>,
) -> ApiResult<SessionBody> {
    let pair = Pair::draw(gateway);
    let (access, refresh) = pair.stored();
    let new = NewSession {
        account,
        family: FamilyId(*gateway.draw()),
        access,
        refresh: Some(refresh),
        device,
        version,
        now_ms: gateway.now_store_ms(),
    };
    match gateway.store.create_session(new).await {
        Ok(()) => Ok(pair.into_body(account, &name)),
        Err(StoreError::Stale) => Err(Refusal::CredentialsWrong.into()),
        // 256 random bits that exist already are no accident of ours to repair.
        Err(StoreError::Taken(Taken::Id | Taken::Token)) => Err(Refusal::Internal.into()),
        Err(error) => Err(gateway.store_failed(error)),
    }
}
