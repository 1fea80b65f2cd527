//! What generated clients call through.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use proto::{Error, ErrorCode};
use tonic::{Status, body::Body, service::Routes};
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use super::{RpcOptions, ServiceTokens, context, serve};
use crate::{registry::ServiceName, telemetry::trace_context};

/// gRPC's header for the time a call may take.
pub(super) const TIMEOUT: &str = "grpc-timeout";

/// A way to a service. Clones share.
#[derive(Clone)]
pub struct Channel {
    transport: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
    caller: ServiceName,
    callee: ServiceName,
    deadline: Duration,
    tokens: ServiceTokens,
}

impl Channel {
    /// To a service in this process: no socket, the same rest.
    pub fn local(
        routes: Routes,
        caller: ServiceName,
        callee: ServiceName,
        options: &RpcOptions,
        tokens: ServiceTokens,
    ) -> Self {
        let transport = serve::guarded(routes, callee, tokens.clone());
        Self { transport, caller, callee, deadline: Duration::from_millis(options.deadline_ms), tokens }
    }

    fn prepare(&self, request: &mut Request<Body>) -> Result<Duration, Error> {
        let deadline = context::remaining().map_or(self.deadline, |left| left.min(self.deadline));
        let headers = request.headers_mut();
        let text = |value: String| HeaderValue::try_from(value).map_err(|_| Error::new(ErrorCode::Internal));
        headers.insert(TIMEOUT, text(format!("{}m", deadline.as_millis().min(99_999_999)))?);
        headers.insert(AUTHORIZATION, text(format!("Bearer {}", self.tokens.token(self.caller, self.callee)?))?);
        let trace_parent = trace_context::current();
        if !trace_parent.is_empty() {
            headers.insert(trace_context::TRACE_PARENT, text(trace_parent)?);
        }
        Ok(deadline)
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let prepared = self.prepare(&mut request);
        let transport = self.transport.clone();
        Box::pin(async move {
            let deadline = prepared?;
            match tokio::time::timeout(deadline, transport.oneshot(request)).await {
                Ok(Ok(response)) => Ok(response),
                Err(_) => Err(Error::new(ErrorCode::DeadlineExceeded).into()),
            }
        })
    }
}
