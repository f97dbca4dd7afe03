//! `/healthz` and the document of all routes.

use std::sync::OnceLock;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::api;

/// That the gateway answers.
#[derive(Serialize, ToSchema)]
pub struct Healthy {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the gateway answers at all. Asks nothing of the store: a full disk is no reason to restart a process.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Healthy)))]
pub async fn healthz() -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub async fn document() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    // A document that could not be written would be found by the test that compares it with the committed one.
    let text = TEXT.get_or_init(|| api::document().to_pretty_json().unwrap_or_default());
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text.as_str()).into_response()
}
