//! Every route of the gateway.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{any, delete, get, post},
};
use governor::clock::Clock as _;
use proto::{Error, ErrorCode};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
};
use tracing::Instrument as _;

use super::{accounts, conversations, groups, messages, page, users};
use crate::{error::Problem, shared::Shared, ws};

/// No answer takes longer: the outcome's own deadline is shorter.
const TIMEOUT: Duration = Duration::from_secs(70);

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let anonymous = Router::new()
        .route("/auth/register", post(accounts::register))
        .route("/auth/guest", post(accounts::guest))
        .route("/auth/login", post(accounts::login))
        .route("/auth/refresh", post(accounts::refresh))
        .route_layer(middleware::from_fn_with_state(shared.clone(), limit_anonymous));
    let v1 = Router::new()
        .route("/auth/logout", post(accounts::logout))
        .route("/me", get(users::me).patch(users::change_me))
        .route("/me/sessions", get(accounts::sessions).delete(accounts::revoke_all))
        .route("/me/sessions/{session_id}", delete(accounts::revoke))
        .route("/users", get(users::find))
        .route("/directs", post(groups::create_direct))
        .route("/groups", post(groups::create))
        .route("/conversations", get(conversations::list))
        .route("/conversations/{conversation_id}", get(conversations::get))
        .route("/conversations/{conversation_id}/members", get(conversations::members).post(groups::invite))
        .route("/conversations/{conversation_id}/members/me", post(groups::join).delete(groups::leave))
        .route("/conversations/{conversation_id}/members/{user_id}", delete(groups::remove))
        .route("/conversations/{conversation_id}/messages", get(messages::history).post(messages::send))
        .merge(anonymous)
        .layer(middleware::from_fn_with_state(shared.clone(), check_origin))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, TIMEOUT));
    Router::new()
        .nest("/v1", v1)
        .route("/ws", any(ws::upgrade))
        .merge(page::router())
        .fallback(|| async { Problem::from(ErrorCode::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::from(ErrorCode::MethodNotAllowed) })
        .layer(middleware::from_fn_with_state(shared.clone(), observe))
        .layer(DefaultBodyLimit::max(shared.options.http.body_bytes_max))
        .layer(CatchPanicLayer::custom(|_| Problem::from(ErrorCode::Internal).into_response()))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .with_state(shared)
}

/// A span per request, and a count of refusals by code.
async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let request_id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!(
        "gateway.request.serve",
        otel.kind = "server",
        method = %request.method(),
        path = request.uri().path(),
        request_id
    );
    let response = next.run(request).instrument(span).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        shared.metrics.refused(*code);
    }
    response
}

/// Pages of other origins may not make changes with what a browser would add by itself.
async fn check_origin(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Result<Response, Problem> {
    if request.method() != Method::GET {
        ws::check_origin(request.headers(), &shared.options.http.origins)?;
    }
    Ok(next.run(request).await)
}

async fn limit_anonymous(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    shared.anonymous.check_key(&address.ip()).map_err(|not_until| {
        let wait = not_until.wait_time_from(shared.anonymous.clock().now());
        Error::new(ErrorCode::RateLimited).retry_after_ms(u64::try_from(wait.as_millis()).unwrap_or(1_000).max(1))
    })?;
    Ok(next.run(request).await)
}
