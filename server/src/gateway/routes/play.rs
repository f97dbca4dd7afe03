//! The way into a realm: a connect token, or a place in the line before it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use throng_net::limits::TOKEN_LIFE_MS;
use throng_net::protocol::token::{TokenBody, TokenFields, TokenName, mint};
use throng_store::{CharacterId, StoreError};
use utoipa::ToSchema;

use crate::gateway::api::{Authenticated, Json};
use crate::gateway::board::{Listing, RealmState};
use crate::gateway::connection::Peer;
use crate::gateway::limits;
use crate::gateway::queue::{Room, Turn};
use crate::gateway::refusal::{ApiError, ApiResult, ErrorBody, Refusal};
use crate::gateway::secrets::{decode, encode};
use crate::gateway::state::Gateway;

/// Who wants to play where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// One of the account's characters, a decimal number.
    #[schema(max_length = 20, example = "1234567890123456789")]
    character_id: String,
    /// A realm of the list.
    realm_id: u32,
    /// An X25519 public key that was made for this session, 32 bytes in base64url. Its private key stays with the
    /// client: without it the token opens no session.
    #[schema(min_length = 43, max_length = 43)]
    client_public: String,
    /// The ticket of the last answer, when that was a place in the line.
    #[serde(default)]
    #[schema(max_length = 512)]
    ticket: Option<String>,
}

/// The way in. It is good once.
#[derive(Serialize, ToSchema)]
pub struct Admission {
    /// The connect token, 328 bytes in base64url: the client sends it to the realm as it is.
    token: String,
    /// 32 bytes in base64url that the client keeps to itself: proof that it was given this token.
    secret: String,
    /// Where the realm is: host and UDP port.
    #[schema(example = "play.example.org:7777")]
    address: String,
    /// When the token ends, Unix ms.
    expires_at_ms: u64,
}

/// A place in the line.
#[derive(Serialize, ToSchema)]
pub struct Waiting {
    /// To be shown with the next request. It keeps the place for five minutes, through disconnects as well.
    ticket: String,
    /// 1 is next.
    position: u32,
    /// When to ask again; who asks much later loses their turn, not their place.
    retry_after_ms: u32,
}

/// Lets a character into a realm, or gives it a place in the line. Every admission ends those before it: of two
/// sessions of one character the newer wins.
#[utoipa::path(post, path = "/v1/play", tag = "play", security(("session" = [])), request_body = Play, responses(
    (status = 200, body = Admission, description = "go there now"),
    (status = 202, body = Waiting, description = "the realm is full: ask again with the ticket"),
    (status = 401, body = ErrorBody, description = "session_invalid"),
    (status = 403, body = ErrorBody, description = "banned"),
    (status = 404, body = ErrorBody, description = "realm_unknown, character_unknown"),
    (status = 422, body = ErrorBody, description = "field_invalid"),
    (status = 503, body = ErrorBody,
        description = "realm_draining, realm_starting, realm_offline, queue_full, store_busy, store_full, store_down")))]
pub async fn play(
    State(gateway): State<Arc<Gateway>>,
    peer: Peer,
    Authenticated(session): Authenticated,
    Json(body): Json<Play>,
) -> ApiResult<Response> {
    let invalid = |what| ApiError::from(Refusal::FieldInvalid).saying(what);
    let character: CharacterId = match body.character_id.len() {
        1..=20 => body.character_id.parse().map_err(|_| invalid("character_id is no decimal number"))?,
        _ => return Err(invalid("character_id is no decimal number")),
    };
    let client_public: [u8; 32] =
        decode(&body.client_public).ok_or_else(|| invalid("client_public is not 32 bytes in base64url"))?;
    if client_public == [0; 32] {
        // The realm would find out after the token is used up.
        return Err(invalid("client_public is zero"));
    }
    let ticket = body.ticket.as_deref();
    if ticket.is_some_and(|ticket| ticket.len() > limits::TICKET_INPUT_BYTES_MAX) {
        return Err(invalid("ticket is longer than any"));
    }
    if !gateway.board.has(body.realm_id) {
        return Err(Refusal::RealmUnknown.into());
    }
    let now_ms = gateway.now_ms();
    let listing =
        gateway.board.listing(body.realm_id, peer.local, now_ms).filter(|listing| listing.is_online);
    let Some(Listing { signed, .. }) = listing else {
        return Err(ApiError::from(Refusal::RealmOffline).retry_after_s(limits::REALM_RETRY_S));
    };
    let vitals = signed.report.vitals;
    let shut = match vitals.state {
        RealmState::Open => None,
        RealmState::Draining => Some(Refusal::RealmDraining),
        RealmState::Starting => Some(Refusal::RealmStarting),
    };
    if let Some(shut) = shut {
        return Err(ApiError::from(shut).retry_after_s(limits::REALM_RETRY_S));
    }
    // Before anything is used up. Looked for again at the end, for a key must not be held while something is waited for.
    gateway.with_minting_key(body.realm_id, |_| ()).ok_or_else(|| gateway.keyless(body.realm_id))?;

    // Before the line: who has no such character should learn it now and not at its head.
    let characters = gateway.store.characters(session.account).await;
    let characters = characters.map_err(|error| gateway.store_failed(error))?;
    if !characters.iter().any(|own| own.id == character) {
        return Err(Refusal::CharacterUnknown.into());
    }
    let room = Room { capacity: vitals.capacity, population: vitals.population, is_open: true };
    // Not when the request came: the line is kept by one clock, and requests overtake each other at the store.
    let now_ms = gateway.now_ms();
    let turn = gateway.queue(body.realm_id, |queue| queue.ask(now_ms, room, session.account.get(), ticket));
    match turn.ok_or(Refusal::RealmUnknown)? {
        Turn::Admitted => {}
        Turn::Wait { ticket, position, retry_after_ms } => {
            gateway.counters.queued.add(1);
            let waiting = Waiting { ticket, position, retry_after_ms };
            return Ok((StatusCode::ACCEPTED, axum::Json(waiting)).into_response());
        }
        Turn::Full { retry_after_ms } => {
            return Err(ApiError::from(Refusal::QueueFull).retry_after_s(retry_after_ms.div_ceil(1000)));
        }
    }

    let begun = gateway.store.begin_play(session.account, character, gateway.now_store_ms()).await;
    let begun = begun.map_err(|error| match error {
        StoreError::Missing(_) => Refusal::CharacterUnknown.into(),
        error => gateway.store_failed(error),
    })?;
    let name = TokenName::new(begun.name.as_str()).map_err(|error| {
        // The store's names are bounded by the same numbers.
        tracing::error!("character {character} has a name that no token can carry: {error}");
        Refusal::Internal
    })?;
    // Now, not when the request came: the store may have taken a while, and a realm refuses what is too old.
    let issued_at_ms = gateway.now_ms();
    let secret = gateway.draw_secret();
    let fields = TokenFields {
        not_after_ms: issued_at_ms + TOKEN_LIFE_MS,
        protocol_hash: gateway.settings.protocol_hash,
        body: TokenBody {
            token_id: *gateway.draw(),
            account: session.account.get(),
            character: character.get(),
            session_epoch: begun.session_epoch,
            issued_at_ms,
            secret: secret.clone(),
            client_public,
            idle_timeout_s: 0,
            rate_class: 0,
            flags: u32::from(begun.role as u8),
            name,
            user_data: [0; 16],
        },
    };
    let salt = *gateway.draw();
    let token = gateway.with_minting_key(body.realm_id, |key| mint(&fields, key, &salt));
    let token = token.ok_or_else(|| gateway.keyless(body.realm_id))?;
    gateway.counters.connect_tokens_minted.add(1);
    let admission = Admission {
        token: encode(&token),
        secret: encode(secret.expose()),
        address: signed.report.address,
        expires_at_ms: fields.not_after_ms,
    };
    Ok(axum::Json(admission).into_response())
}
