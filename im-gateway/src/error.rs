//! Errors over HTTP: RFC 9457 problem bodies.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use proto::{Error, ErrorCode};
use serde::Serialize;

/// An error on its way to an HTTP client.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self(code.into())
    }
}

impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        Self(status.into())
    }
}

/// The body: RFC 9457's members and ours.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    params: &'a std::collections::BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_zero")]
    retry_after_ms: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's form
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = self.0;
        let status = StatusCode::from_u16(error.code().http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Body {
            r#type: format!("urn:gochat:error:{}", error.code()),
            title: status.canonical_reason().unwrap_or("error"),
            status: status.as_u16(),
            detail: error.message(),
            code: error.code().as_str(),
            params: error.params(),
            retry_after_ms: error.retry_after(),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if error.retry_after() > 0 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(error.retry_after().div_ceil(1_000)));
        }
        // For the counter of refusals, which sits around the router.
        response.extensions_mut().insert(error.code());
        response
    }
}
