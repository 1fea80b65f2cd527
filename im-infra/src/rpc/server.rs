//! A service on a socket.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{service::Routes, transport::Server};

use super::{RpcOptions, ServiceTokens, guard::GuardLayer};
use crate::{lifecycle::Lifecycle, registry::ServiceName};

/// Windows large enough that a full batch needs no second round trip.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Serves a service's routes until the process stops, over TLS where the options have a certificate; calls in progress end
/// first. Answers the address it took.
///
/// # Errors
/// If the address cannot be bound, or something is wrong with the certificate.
pub async fn serve(
    options: &RpcOptions,
    routes: Routes,
    (service, tokens): (ServiceName, ServiceTokens),
    life: &Lifecycle,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let stopping = life.stopping();
    let mut server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(Duration::from_secs(10)));
    if let Some(tls) = options.listener_tls.grpc_listener() {
        server = server.tls_config(tls).map_err(io::Error::other)?;
    }
    let server = server.layer(GuardLayer::new(service, tokens)).add_routes(routes);
    let incoming = TcpListenerStream::new(listener);
    life.spawn("rpc", async move {
        server.serve_with_incoming_shutdown(NoDelay(incoming), stopping.cancelled_owned()).await
    });
    Ok(address)
}

/// Small answers must not wait for more bytes to share a packet with.
struct NoDelay(TcpListenerStream);

impl tokio_stream::Stream for NoDelay {
    type Item = io::Result<tokio::net::TcpStream>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = std::pin::Pin::new(&mut self.0).poll_next(context);
        next.map(|next| next.map(|accepted| accepted.and_then(|socket| socket.set_nodelay(true).map(|()| socket))))
    }
}
