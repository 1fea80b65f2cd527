//! Many instances of a service: one lazy connection each, taken in turn; an instance that cannot be reached is skipped, and
//! a call that may be repeated is tried at another.

use std::{
    collections::HashMap,
    error::Error as StdError,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt as _, Full};
use proto::{Error, ErrorCode};
use tokio::sync::watch;
use tonic::{
    body::Body,
    transport::{Channel as Transport, ClientTlsConfig, Endpoint},
};
use tower::{BoxError, Service as _, ServiceExt as _};

use super::RpcOptions;
use crate::registry::Instance;

/// Calls that must not be sent twice: they make something new each time, or use something up.
const ONCE: [&str; 7] = [
    "/im.repo.v1.UserRepo/Register",
    "/im.repo.v1.SessionRepo/Create",
    "/im.repo.v1.SessionRepo/Rotate",
    "/im.auth.v1.AuthService/Register",
    "/im.auth.v1.AuthService/Guest",
    "/im.auth.v1.AuthService/Login",
    "/im.auth.v1.AuthService/Refresh",
];

/// Instances tried for one call.
const TRIES_MAX: usize = 3;
/// How long TCP may take to connect, and again TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// When to ask again if nobody is there.
const RETRY_AFTER_MS: u64 = 500;

pub(super) struct Remote {
    instances: watch::Receiver<Vec<Instance>>,
    connections: Mutex<HashMap<String, Transport>>,
    turn: AtomicUsize,
    /// None: calls go without TLS.
    tls: Option<ClientTlsConfig>,
}

impl Remote {
    pub(super) fn new(instances: watch::Receiver<Vec<Instance>>, options: &RpcOptions) -> Self {
        Self { instances, connections: Mutex::default(), turn: AtomicUsize::new(0), tls: client_tls(options) }
    }

    pub(super) async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(Error::from)?.to_bytes();
        let tries = if ONCE.contains(&parts.uri.path()) { 1 } else { TRIES_MAX };
        let mut refused = Vec::new();
        let mut last = None;
        for _ in 0..tries {
            let address = self.pick(&refused).await;
            match self.send(&address, &parts, &body).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    tracing::debug!(address, error = reasons(&*error), path = parts.uri.path(), "instance not reached");
                    self.forget(&address);
                    refused.push(address);
                    last = Some(error);
                }
            }
        }
        let reason = last.map(|error| error.to_string()).unwrap_or_default();
        Err(Error::new(ErrorCode::Unavailable).with("reason", reason).retry_after_ms(RETRY_AFTER_MS))
    }

    async fn send(&self, address: &str, parts: &Parts, body: &Bytes) -> Result<Response<Body>, BoxError> {
        let mut request = Request::new(Body::new(Full::new(body.clone())));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers.clone();
        let mut transport = self.connection(address)?;
        let answer = transport.ready().await?.call(request).await?;
        // All calls are unary. The whole answer is waited for here, where the call's deadline ends the waiting: an instance
        // that stands still after the first bytes of its answer must not hold its caller for ever.
        let (parts, body) = answer.into_parts();
        Ok(body.collect().await.map(|whole| Response::from_parts(parts, Body::new(whole)))?)
    }

    /// The next instance in turn that was not refused; waits for one if there is none (the call's deadline ends the wait).
    async fn pick(&self, refused: &[String]) -> String {
        let mut instances = self.instances.clone();
        loop {
            let picked = {
                let live = instances.borrow_and_update();
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                let fresh: Vec<&Instance> = live.iter().filter(|one| !refused.contains(&one.address)).collect();
                // Refused everywhere: once more from the start, it may have been a moment.
                let among = if fresh.is_empty() { live.iter().collect() } else { fresh };
                (!among.is_empty()).then(|| among[turn % among.len()].address.clone())
            };
            if let Some(address) = picked {
                return address;
            }
            if instances.changed().await.is_err() {
                // The registry is gone: nobody will come.
                std::future::pending::<()>().await;
            }
        }
    }

    fn connection(&self, address: &str) -> Result<Transport, tonic::transport::Error> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connections.get(address) {
            return Ok(connection.clone());
        }
        let live = self.instances.borrow();
        connections.retain(|held, _| live.iter().any(|instance| instance.address == *held));
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .connect_timeout(CONNECT_LIMIT)
            .tcp_nodelay(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        if let Some(tls) = &self.tls {
            endpoint = endpoint.tls_config(tls.clone())?;
        }
        let connection = endpoint.connect_lazy();
        connections.insert(address.to_owned(), connection.clone());
        Ok(connection)
    }

    /// A broken connection is made anew at the next call.
    fn forget(&self, address: &str) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }
}

fn client_tls(options: &RpcOptions) -> Option<ClientTlsConfig> {
    if options.caller_tls.authorities.is_empty() {
        return None;
    }
    let tls = options.caller_tls.grpc_client(CONNECT_LIMIT);
    Some(if options.server_name.is_empty() { tls } else { tls.domain_name(options.server_name.as_str()) })
}

/// What tonic calls a "transport error" is told by its sources: a refused connection, a certificate of nobody we know.
fn reasons(error: &(dyn StdError + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}
