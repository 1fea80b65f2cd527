//! The server's side of a call: who calls, until when, and in which trace.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use proto::{Error, ErrorCode};
use tonic::{Status, body::Body, service::Routes};
use tower::{ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tracing::Instrument as _;

use super::{ServiceTokens, channel::TIMEOUT, context};
use crate::{registry::ServiceName, telemetry::trace_context};

/// A service's routes, for callers who prove who they are; calls end with their caller's deadline.
pub fn guarded(
    routes: Routes,
    callee: ServiceName,
    tokens: ServiceTokens,
) -> BoxCloneSyncService<Request<Body>, Response<Body>, Infallible> {
    let routes = routes.prepare();
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let (routes, tokens) = (routes.clone(), tokens.clone());
        async move {
            if let Err(error) = authenticate(request.headers(), callee, &tokens) {
                return Ok(Status::from(error).into_http());
            }
            let span = tracing::info_span!("rpc.server", otel.name = request.uri().path(), otel.kind = "server");
            let parent = request.headers().get(trace_context::TRACE_PARENT).and_then(|value| value.to_str().ok());
            trace_context::continue_in(&span, parent.unwrap_or_default());
            let deadline = timeout(request.headers()).map(|left| Instant::now() + left);
            let call = routes.oneshot(request).instrument(span);
            match deadline {
                Some(deadline) => context::within(deadline, call).await,
                None => call.await,
            }
        }
    }))
}

fn authenticate(headers: &HeaderMap, callee: ServiceName, tokens: &ServiceTokens) -> Result<(), Error> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    tokens.check(token.ok_or(ErrorCode::ServiceTokenInvalid)?, callee)
}

/// `grpc-timeout`: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}
