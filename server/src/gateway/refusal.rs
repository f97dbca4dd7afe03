//! Every answer that is no success, in one table: status, code, words, counter.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident, $code:literal, $message:literal;)+) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Refusal {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// What programs read: stable, lower case with underscores.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// What people read, when there is nothing more to say.
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }
    };
}

refusals! {
    /// Not JSON, or not this route's: an unknown or missing field, another type.
    BodyMalformed = BAD_REQUEST, "body_malformed", "the body is not what this route takes; see /v1/openapi.json";
    /// More bytes than any honest body has.
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than 16384 bytes";
    /// The body did not arrive whole.
    BodyBroken = BAD_REQUEST, "body_broken", "the body did not arrive whole";
    /// Not `application/json`.
    ContentType = UNSUPPORTED_MEDIA_TYPE, "content_type", "send the body as content-type: application/json";
    /// No such path.
    RouteUnknown = NOT_FOUND, "route_unknown", "there is no such route; see /v1/openapi.json";
    /// The path exists, for other methods.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "this route does not take this method; see /v1/openapi.json";
    /// A part of the path is no number.
    PathInvalid = BAD_REQUEST, "path_invalid", "the path has something else where a number belongs";
    /// A field whose value cannot be used.
    FieldInvalid = UNPROCESSABLE_ENTITY, "field_invalid", "a field has a value that cannot be used";
    /// A name that nobody can have.
    NameInvalid = UNPROCESSABLE_ENTITY, "name_invalid", "this name cannot be used";
    /// A name that somebody has, or that looks like one.
    NameTaken = CONFLICT, "name_taken", "this name, or one that looks like it, is taken";
    /// A password that nobody should have.
    PasswordInvalid = UNPROCESSABLE_ENTITY, "password_invalid", "a password has 8 to 128 characters";
    /// Wrong name, wrong password, or an account without one: never said which.
    CredentialsWrong = UNAUTHORIZED, "credentials_wrong", "name or password is wrong";
    /// No token, or one that is malformed, unknown, expired or revoked: never said which.
    SessionInvalid = UNAUTHORIZED, "session_invalid", "log in: there is no session for this token";
    /// The account is banned.
    Banned = FORBIDDEN, "banned", "this account is banned";
    /// Nobody may register.
    RegistrationClosed = FORBIDDEN, "registration_closed", "this server takes no new accounts";
    /// One registers with an invitation here.
    InviteRequired = FORBIDDEN, "invite_required", "this server takes new accounts by invitation only";
    /// Unknown, used up or expired: never said which.
    InviteInvalid = FORBIDDEN, "invite_invalid", "this invitation cannot be used";
    /// As many as an account may have.
    CharactersFull = CONFLICT, "characters_full", "this account has as many characters as it may";
    /// Not one of this account's.
    CharacterUnknown = NOT_FOUND, "character_unknown", "this account has no such character";
    /// Not one of this gateway's.
    RealmUnknown = NOT_FOUND, "realm_unknown", "there is no such realm";
    /// It lets nobody in any more.
    RealmDraining = SERVICE_UNAVAILABLE, "realm_draining", "this realm is about to stop and lets nobody in";
    /// It takes no tokens yet.
    RealmStarting = SERVICE_UNAVAILABLE, "realm_starting", "this realm lets nobody in yet; it does in some seconds";
    /// It has not been heard of for a while.
    RealmOffline = SERVICE_UNAVAILABLE, "realm_offline", "this realm has not been heard of for a while";
    /// Not a ticket of this gateway, account and realm.
    TicketInvalid = UNPROCESSABLE_ENTITY, "ticket_invalid", "this queue ticket is of no use here; ask again without one";
    /// The queue itself is full.
    QueueFull = SERVICE_UNAVAILABLE, "queue_full", "the queue for this realm is full";
    /// Too many attempts.
    Throttled = TOO_MANY_REQUESTS, "throttled", "too many attempts; wait as long as Retry-After says";
    /// More passwords to check than the processors allow.
    PasswordsBusy = SERVICE_UNAVAILABLE, "passwords_busy", "too many logins at once; try again";
    /// The store is locked by somebody, or has more to do than it can.
    StoreBusy = SERVICE_UNAVAILABLE, "store_busy", "the store is busy; nothing was changed, try again";
    /// The disk is full.
    StoreFull = SERVICE_UNAVAILABLE, "store_full", "the store has no room; nothing was changed, try again later";
    /// The store needs an operator: damaged, read-only, or stopped after a failed write.
    StoreDown = SERVICE_UNAVAILABLE, "store_down", "the store is out of order; the operator has to look at it";
    /// A push that no realm of this gateway signed.
    StatusUnsigned = UNAUTHORIZED, "status_unsigned", "no realm of this gateway signed this status";
    /// A push that is older than the last one, or from another time.
    StatusStale = CONFLICT, "status_stale", "this status is older than the last one, or the clocks disagree";
    /// Our fault.
    Internal = INTERNAL_SERVER_ERROR, "internal", "the server failed; it has been logged";
}

/// A refusal with its particulars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Why.
    pub why: Refusal,
    message: Option<Cow<'static, str>>,
    retry_after_s: Option<u32>,
    until_ms: Option<u64>,
}

/// What handlers return.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// Says more than the table does. Never anything that came in: it may be a secret.
    pub fn saying(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// When asking again may help, in seconds.
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// Until when it holds, Unix ms; none: for good.
    pub fn until_ms(mut self, until: Option<u64>) -> Self {
        self.until_ms = until;
        self
    }
}

impl From<Refusal> for ApiError {
    fn from(why: Refusal) -> Self {
        Self { why, message: None, retry_after_s: None, until_ms: None }
    }
}

/// The body of every answer that is no success.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs: stable.
    #[schema(example = "credentials_wrong")]
    code: &'static str,
    /// For people: may change.
    message: Cow<'static, str>,
    /// When asking again may help, seconds; the same as the header Retry-After.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
    /// When a ban ends, Unix ms; absent for one that does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { why, message, retry_after_s, until_ms } = self;
        let message = message.unwrap_or(Cow::Borrowed(why.message()));
        let body = ErrorBody { error: ErrorDetail { code: why.code(), message, retry_after_s, until_ms } };
        let mut response = (why.status(), Json(body)).into_response();
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if why == Refusal::SessionInvalid {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // Read by the layer that counts.
        response.extensions_mut().insert(why);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        let codes: HashSet<_> = Refusal::ALL.iter().map(|why| why.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for (number, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, number);
            assert!(why.status().is_client_error() || why.status().is_server_error(), "{why:?}");
            assert!(!why.message().is_empty() && !why.message().ends_with('.'), "{why:?}");
        }
    }
}
