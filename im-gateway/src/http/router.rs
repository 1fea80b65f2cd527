//! What stands around every route of the gateway: ids of requests, spans, bounds, origins.

use std::{future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use governor::clock::Clock as _;
use proto::{Error, ErrorCode};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};
use tracing::Instrument as _;

use super::{cross_origin, page, request_id, routes};
use crate::{error::Problem, shared::Shared, ws};

/// No answer takes longer: the outcome's own deadline is shorter.
const TIMEOUT: Duration = Duration::from_secs(70);

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let anonymous = routes::anonymous().route_layer(middleware::from_fn_with_state(shared.clone(), limit_anonymous));
    Router::new()
        .merge(routes::description())
        .merge(routes::of_users())
        .merge(anonymous)
        .route("/ws", get(ws::upgrade))
        .merge(page::router())
        .fallback(|| async { Problem::from(ErrorCode::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::from(ErrorCode::MethodNotAllowed) })
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn_with_state(shared.clone(), cross_origin::check))
        .layer(middleware::from_fn_with_state(shared.clone(), observe))
        .layer(DefaultBodyLimit::max(shared.options.http.body_bytes_max))
        .layer(CatchPanicLayer::custom(|_| Problem::from(ErrorCode::Internal).into_response()))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(middleware::map_request(|request: Request| future::ready(request_id::check(request))))
        .with_state(shared)
}

/// A span per request, and a count of refusals by code.
async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let request_id = request.headers().get(request_id::HEADER).and_then(|value| value.to_str().ok());
    let span = tracing::info_span!(
        "gateway.request.serve",
        otel.kind = "server",
        method = %request.method(),
        path = request.uri().path(),
        request_id = request_id.unwrap_or_default()
    );
    let response = next.run(request).instrument(span).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        shared.metrics.refused(*code);
    }
    response
}

async fn limit_time(request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(TIMEOUT, next.run(request)).await.map_err(|_| ErrorCode::DeadlineExceeded.into())
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
