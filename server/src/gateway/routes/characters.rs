//! The characters of an account.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use throng_store::{Character, CharacterId, Name, NewCharacter, StoreError, Taken};
use utoipa::ToSchema;

use crate::gateway::api::{self, Authenticated, Json};
use crate::gateway::refusal::{ApiError, ApiResult, ErrorBody, Refusal};
use crate::gateway::state::Gateway;

/// A new character.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCharacterBody {
    /// 3 to 24 characters: letters and digits, with single separators between them.
    #[schema(max_length = 256, example = "Grimbart")]
    name: String,
}

/// A character.
#[derive(Serialize, ToSchema)]
pub struct CharacterBody {
    /// Its id, a decimal number.
    #[schema(example = "1234567890123456789")]
    id: String,
    /// Its name.
    name: String,
    /// When it was made, Unix ms.
    created_at_ms: i64,
    /// When it was played last, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    played_at_ms: Option<i64>,
}

/// All characters of an account.
#[derive(Serialize, ToSchema)]
pub struct CharactersBody {
    /// The oldest first.
    characters: Vec<CharacterBody>,
}

impl From<Character> for CharacterBody {
    fn from(character: Character) -> Self {
        Self {
            id: character.id.to_string(),
            name: character.name.as_str().to_owned(),
            created_at_ms: character.created_ms,
            played_at_ms: character.played_ms,
        }
    }
}

/// The characters of the account.
#[utoipa::path(get, path = "/v1/characters", tag = "characters", security(("session" = [])), responses(
    (status = 200, body = CharactersBody),
    (status = 401, body = ErrorBody, description = "session_invalid"),
    (status = 503, body = ErrorBody, description = "store_busy, store_down")))]
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    Authenticated(session): Authenticated,
) -> ApiResult<axum::Json<CharactersBody>> {
    let characters =
        gateway.store.characters(session.account).await.map_err(|error| gateway.store_failed(error))?;
    let characters = characters.into_iter().map(CharacterBody::from).collect();
    Ok(axum::Json(CharactersBody { characters }))
}

/// Makes a character. Names are unique over all realms.
#[utoipa::path(post, path = "/v1/characters", tag = "characters", security(("session" = [])),
    request_body = NewCharacterBody, responses(
    (status = 201, body = CharacterBody),
    (status = 401, body = ErrorBody, description = "session_invalid"),
    (status = 409, body = ErrorBody, description = "name_taken, characters_full"),
    (status = 422, body = ErrorBody, description = "name_invalid"),
    (status = 503, body = ErrorBody, description = "store_busy, store_full, store_down")))]
pub async fn create(
    State(gateway): State<Arc<Gateway>>,
    Authenticated(session): Authenticated,
    Json(body): Json<NewCharacterBody>,
) -> ApiResult<(StatusCode, axum::Json<CharacterBody>)> {
    let name = Name::new(&body.name)
        .map_err(|error| ApiError::from(Refusal::NameInvalid).saying(error.to_string()))?;
    let new = loop {
        let Some(id) = CharacterId::new(gateway.draw_u64()) else { continue };
        let now_ms = gateway.now_store_ms();
        let new = NewCharacter { id, account: session.account, name: name.clone(), now_ms };
        match gateway.store.create_character(new.clone()).await {
            Ok(()) => break new,
            Err(StoreError::Taken(Taken::Id)) => {}
            Err(StoreError::Taken(_)) => return Err(Refusal::NameTaken.into()),
            Err(error @ StoreError::Limit { .. }) => {
                return Err(ApiError::from(Refusal::CharactersFull).saying(error.to_string()));
            }
            Err(error) => return Err(gateway.store_failed(error)),
        }
    };
    gateway.counters.characters_created.add(1);
    let body = CharacterBody {
        id: new.id.to_string(),
        name: new.name.as_str().to_owned(),
        created_at_ms: new.now_ms,
        played_at_ms: None,
    };
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Deletes a character for good. Its name stays taken for 30 days.
#[utoipa::path(delete, path = "/v1/characters/{id}", tag = "characters", security(("session" = [])),
    params(("id" = String, Path, description = "the character, a decimal number")), responses(
    (status = 204, description = "deleted"),
    (status = 400, body = ErrorBody, description = "path_invalid"),
    (status = 401, body = ErrorBody, description = "session_invalid"),
    (status = 404, body = ErrorBody, description = "character_unknown"),
    (status = 503, body = ErrorBody, description = "store_busy, store_full, store_down")))]
pub async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Authenticated(session): Authenticated,
    character: Result<Path<String>, PathRejection>,
) -> ApiResult<StatusCode> {
    let Path(character) = character.map_err(|_| Refusal::PathInvalid)?;
    let character = api::id(&character, CharacterId::new)?;
    let deleted = gateway.store.delete_character(session.account, character, gateway.now_store_ms());
    deleted.await.map_err(|error| match error {
        StoreError::Missing(_) => Refusal::CharacterUnknown.into(),
        error => gateway.store_failed(error),
    })?;
    gateway.counters.characters_deleted.add(1);
    Ok(StatusCode::NO_CONTENT)
}
