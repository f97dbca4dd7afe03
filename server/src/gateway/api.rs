//! From bytes to typed requests, and one form for everything that is refused.
//!
//! ```text
//!   head ──► route? method? ──► session (routes that need one) ──► content-type ──► at most 16 KiB ──► JSON ──► handler
//!              404    405         401                               415              413            400
//! ```
//!
//! The order is that of cost. Errors never repeat what came in: only where in the body they are, and for fields that
//! are unknown or missing, which.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use throng_store::Session;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::connection::Peer;
use super::limits;
use super::refusal::{ApiError, ApiResult, Refusal};
use super::routes::{account, characters, health, play, realms, session};
use super::secrets::Token;
use super::state::Gateway;

/// The gateway's routes, ready to be served.
pub fn router(gateway: Arc<Gateway>) -> Router {
    served(routes(), gateway)
}

/// The gateway's routes, whatever gateway they are of.
pub fn routes() -> Router<Arc<Gateway>> {
    let (router, _) = described().split_for_parts();
    router
        .fallback(async || ApiError::from(Refusal::RouteUnknown))
        .method_not_allowed_fallback(async || ApiError::from(Refusal::MethodNotAllowed))
}

/// [`routes`], served by `gateway`.
pub fn served(routes: Router<Arc<Gateway>>, gateway: Arc<Gateway>) -> Router {
    routes.layer(middleware::from_fn_with_state(Arc::clone(&gateway), finish)).with_state(gateway)
}

/// The routes as OpenAPI 3.1 has them.
pub fn document() -> OpenApi {
    let mut document = described().split_for_parts().1;
    document.info.title = "Throng gateway".to_owned();
    document.info.description = Some(DESCRIPTION.to_owned());
    document.info.version = "1".to_owned();
    document.info.license = None;
    let components = document.components.get_or_insert_default();
    components
        .security_schemes
        .insert("session".to_owned(), SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)).into());
    document
}

const DESCRIPTION: &str = "\
Accounts, characters and the way into a realm. Bodies are JSON with exactly the fields named here; unknown ones are \
refused. Ids are decimal numbers in strings: they have 64 bits, which JavaScript's numbers do not. Every answer that \
is no success has the form of ErrorBody; `code` is stable, `message` is for people. 429 and 503 say in Retry-After \
when to come again.";

fn described() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(account::register))
        .routes(routes!(session::login))
        .routes(routes!(session::refresh))
        .routes(routes!(session::logout))
        .routes(routes!(account::change_password))
        .routes(routes!(characters::list, characters::create))
        .routes(routes!(characters::delete))
        .routes(routes!(play::play))
        .routes(routes!(realms::list))
        .routes(routes!(realms::push_status))
        .routes(routes!(health::document))
        .routes(routes!(health::healthz))
}

/// What every answer has: its refusal counted, no copy kept by caches, no type guessed by browsers.
async fn finish(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(&why) = response.extensions().get::<Refusal>() {
        gateway.counters.refuse(why);
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A request's body, as JSON of exactly this type.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> ApiResult<Self> {
        let headers = request.headers();
        if !headers.get(CONTENT_TYPE).is_some_and(is_json) {
            return Err(Refusal::ContentType.into());
        }
        let declared =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|bytes| bytes > limits::BODY_BYTES_MAX as u64) {
            return Err(Refusal::BodyTooLarge.into());
        }
        let bytes = collect(request.into_body()).await?;
        parse(&bytes).map(Self)
    }
}

fn is_json(value: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else { return false };
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// The whole body, in memory that is wiped: it may hold a password.
async fn collect(mut body: Body) -> ApiResult<Zeroizing<Vec<u8>>> {
    // Never grown, for that would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::BODY_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BodyBroken)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > limits::BODY_BYTES_MAX {
            return Err(Refusal::BodyTooLarge.into());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// A body as JSON of this type, or the refusal that says where it is not.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::from(Refusal::BodyMalformed).saying(place(&error)))
}

/// Where and, as far as that repeats no value, what is wrong.
fn place(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let text = error.to_string();
    // These name fields, the first one the client's own; all other messages may quote values.
    let names_fields =
        ["unknown field `", "missing field `", "duplicate field `"].iter().any(|p| text.starts_with(p));
    let what = match error.classify() {
        _ if names_fields && text.len() <= 200 && !text.chars().any(char::is_control) => return text,
        _ if names_fields => "an unknown field",
        Category::Eof => "the JSON ends too early",
        Category::Syntax | Category::Io => "no valid JSON",
        Category::Data => "a value of another type than this route takes",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// The session that a request's access token stands for.
pub struct Authenticated(pub Session);

impl FromRequestParts<Arc<Gateway>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> ApiResult<Self> {
        let token = parts.headers.get(AUTHORIZATION).and_then(bearer).ok_or(Refusal::SessionInvalid)?;
        let session = gateway.store.session(token.hash(), gateway.now_store_ms()).await;
        session.map_err(|error| gateway.store_failed(error))?.map(Self).ok_or(Refusal::SessionInvalid.into())
    }
}

fn bearer(value: &HeaderValue) -> Option<Token> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { Token::parse(token) } else { None }
}

/// The peer's addresses. A request that did not come by a socket, as in tests, comes from this machine.
impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let here = IpAddr::from([127, 0, 0, 1]);
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self { address: here, local: here }))
    }
}

/// An id in a path.
pub fn id<T>(text: &str, new: impl FnOnce(u64) -> Option<T>) -> ApiResult<T> {
    // `parse` alone would take "+1" and "01" as well, and one thing should have one name.
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_plain { text.parse().ok() } else { None };
    number.and_then(new).ok_or(Refusal::PathInvalid.into())
}

/// The refusal as an answer, counted; for callers outside the router.
pub fn refuse(gateway: &Gateway, error: ApiError) -> Response {
    gateway.counters.refuse(error.why);
    error.into_response()
}
