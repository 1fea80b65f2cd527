//! Pages of other origins: those of `gateway.http.origins` may use the API from a browser, others may not change anything.
//! Access is by bearer token, never by cookie, so credentials are not allowed to anyone.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{error::Problem, shared::Shared, ws};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, idempotency-key, x-request-id");
/// What a page may read of an answer beside its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
/// How long a browser may remember the answer to a preflight.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Around every request of the API, those that no route takes too, so that a page can read why.
pub(super) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let refusal = ws::check_origin(request.headers(), &shared.options.http.origins).err();
    let preflight = origin.is_some() && is_preflight(&request);
    let allowed = origin.filter(|_| refusal.is_none());
    let mut response = match refusal {
        // A browser adds nothing to a GET that would let a foreign page do harm, and keeps the answer from it.
        Some(error) if preflight || !request.method().is_safe() => Problem(error).into_response(),
        None if preflight => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        allow(headers, origin, preflight);
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
