//! What generated clients call through.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use proto::{Error, ErrorCode};
use tokio::sync::watch;
use tonic::{Status, body::Body, service::Routes};
use tower::{Layer as _, ServiceExt as _};

use super::{
    RpcOptions, ServiceTokens,
    context::{self, TIMEOUT},
    guard::{Guard, GuardLayer},
    remote::Remote,
};
use crate::{
    registry::{Instance, ServiceName},
    telemetry::trace_context,
};

/// A way to a service. Clones share.
#[derive(Clone)]
pub struct Channel {
    transport: Transport,
    caller: ServiceName,
    callee: ServiceName,
    deadline: Duration,
    tokens: ServiceTokens,
}

#[derive(Clone)]
enum Transport {
    /// Within the process.
    Local(Guard),
    /// Over sockets.
    Remote(Arc<Remote>),
}

impl Channel {
    /// To a service in this process: no socket, the same rest.
    pub fn local(
        routes: Routes,
        (caller, callee): (ServiceName, ServiceName),
        options: &RpcOptions,
        tokens: ServiceTokens,
    ) -> Self {
        let guard = GuardLayer::new(callee, tokens.clone()).layer(routes);
        Self::new(Transport::Local(guard), (caller, callee), options, tokens)
    }

    /// To whichever instances of a service live.
    pub fn remote(
        instances: watch::Receiver<Vec<Instance>>,
        between: (ServiceName, ServiceName),
        options: &RpcOptions,
        tokens: ServiceTokens,
    ) -> Self {
        Self::new(Transport::Remote(Arc::new(Remote::new(instances, options))), between, options, tokens)
    }

    fn new(
        transport: Transport,
        (caller, callee): (ServiceName, ServiceName),
        options: &RpcOptions,
        tokens: ServiceTokens,
    ) -> Self {
        Self { transport, caller, callee, deadline: Duration::from_millis(options.deadline_ms), tokens }
    }

    fn prepare(&self, request: &mut Request<Body>) -> Result<Duration, Error> {
        let deadline = context::remaining().map_or(self.deadline, |left| left.min(self.deadline));
        let headers = request.headers_mut();
        let text = |value: String| HeaderValue::try_from(value).map_err(|_| Error::new(ErrorCode::Internal));
        headers.insert(TIMEOUT, text(format!("{}m", deadline.as_millis().clamp(1, 99_999_999)))?);
        headers.insert(AUTHORIZATION, text(format!("Bearer {}", self.tokens.token(self.caller, self.callee)?))?);
        let trace_parent = trace_context::current();
        if !trace_parent.is_empty() {
            headers.insert(trace_context::TRACE_PARENT, text(trace_parent)?);
        }
        Ok(deadline)
    }
}

impl Transport {
    async fn call(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        match self {
            Self::Local(guard) => {
                let answered: Result<_, Infallible> = guard.oneshot(request).await;
                answered.map_err(|never| match never {})
            }
            Self::Remote(remote) => remote.call(request).await,
        }
    }
}

impl tower::Service<Request<Body>> for Channel {
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
            match tokio::time::timeout(deadline, transport.call(request)).await {
                Ok(answered) => Ok(answered?),
                Err(_) => Err(Error::new(ErrorCode::DeadlineExceeded).into()),
            }
        })
    }
}
