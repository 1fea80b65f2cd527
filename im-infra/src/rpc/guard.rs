//! The server's side of a call: who calls, until when, and in which trace. The same around a socket and within the process.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use proto::{Error, ErrorCode};
use tonic::{Status, body::Body, service::Routes};
use tower::{Layer, Service, ServiceExt as _};
use tracing::Instrument as _;

use super::{
    ServiceTokens,
    context::{self, TIMEOUT},
};
use crate::{registry::ServiceName, telemetry::trace_context};

/// Lets in callers who prove who they are; calls end with their caller's deadline.
#[derive(Clone)]
pub(super) struct GuardLayer {
    callee: ServiceName,
    tokens: ServiceTokens,
}

impl GuardLayer {
    pub(super) const fn new(callee: ServiceName, tokens: ServiceTokens) -> Self {
        Self { callee, tokens }
    }
}

impl Layer<Routes> for GuardLayer {
    type Service = Guard;

    fn layer(&self, routes: Routes) -> Guard {
        Guard { routes: routes.prepare(), layer: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Guard {
    routes: Routes,
    layer: GuardLayer,
}

impl Service<Request<Body>> for Guard {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Err(error) = self.layer.authenticate(request.headers()) {
            return Box::pin(async { Ok(Status::from(error).into_http()) });
        }
        let span = tracing::info_span!("rpc.server", otel.name = request.uri().path(), otel.kind = "server");
        let parent = request.headers().get(trace_context::TRACE_PARENT).and_then(|value| value.to_str().ok());
        trace_context::continue_in(&span, parent.unwrap_or_default());
        let deadline = timeout(request.headers()).map(|left| Instant::now() + left);
        let call = self.routes.clone().oneshot(request).instrument(span);
        Box::pin(async move {
            match deadline {
                Some(deadline) => context::within(deadline, call).await,
                None => call.await,
            }
        })
    }
}

impl GuardLayer {
    fn authenticate(&self, headers: &HeaderMap) -> Result<(), Error> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or(ErrorCode::ServiceTokenInvalid)?;
        self.tokens.check(token, self.callee)
    }
}

/// `grpc-timeout`: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |value: &str| timeout(&HeaderMap::from_iter([(TIMEOUT.parse().unwrap(), value.parse().unwrap())]));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        for bad in ["", "m", "5", "5x", "-5m", "123456789m", "é"] {
            assert_eq!(
                timeout(&HeaderMap::from_iter(http::HeaderValue::from_str(bad).map(|v| (TIMEOUT.parse().unwrap(), v)))),
                None,
                "{bad}"
            );
        }
    }
}
