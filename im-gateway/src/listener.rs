//! Takes TCP connections in: bounded in number, with a time for the handshake of TLS and for every request's head, ended in
//! order when the gateway stops. HTTP/1.1 alone is spoken here.

use std::{
    convert::Infallible,
    future, io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    Router,
    extract::ConnectInfo,
    response::{IntoResponse as _, Response},
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use im_infra::{
    lifecycle::Lifecycle,
    tls::{TlsAcceptor, TlsStream},
};
use proto::{Error, ErrorCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::{
    config::HttpOptions,
    connections::{Line, LineStream},
    error::Problem,
    metrics::Metrics,
    write_limit::WriteLimited,
};

/// What clients may ask for in a handshake.
pub(crate) const PROTOCOL: &[u8] = b"http/1.1";
/// Connections that the system holds until they are taken in, as far as its own bound lets it (`net.core.somaxconn`). Without
/// room for those who come all at once it drops what they send, and they try again after a second.
const BACKLOG: u32 = 4_096;
/// The wait after the system gave no connection, as when it is out of descriptors.
const ACCEPT_RETRY_MS: u64 = 500;
/// Connections past the bound that are told so at once; others are closed without a word.
const REFUSALS_MAX: usize = 256;
/// How long one of them may take to ask and to listen.
const REFUSAL_LIMIT_MS: u64 = 1_000;
/// When to come again if there is no room.
const RETRY_AFTER_MS: u64 = 5_000;
/// How long a connection without a request may take for the last bytes of its answer when the gateway stops.
const LAST_BYTES_MS: u64 = 1_000;

/// A place among the connections, in the extensions of every request. It is free again when the last clone is dropped: a
/// WebSocket keeps that of the connection it was, so descriptors are bounded by one number.
#[derive(Clone)]
pub(crate) struct Seat {
    _taken: Arc<Taken>,
}

struct Taken {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Seat {
    fn take(permit: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Self {
        metrics.tcp_connections.add(1, &[]);
        Self { _taken: Arc::new(Taken { _permit: permit, metrics }) }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.metrics.tcp_connections.add(-1, &[]);
    }
}

/// Takes the address, on which everybody waits until a [`Listener`] accepts them.
pub(crate) fn bind(options: &HttpOptions) -> io::Result<TcpListener> {
    let address = options.listen;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a process before this one may not have ended yet.
    socket.set_reuseaddr(true)?;
    // Whoever is accepted has it from here. Elsewhere the system's own bound is all there is.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&socket).set_tcp_notsent_lowat(options.unsent_bytes_max)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves a router to whoever connects.
pub(crate) struct Listener {
    router: Router,
    http: http1::Builder,
    /// None: without TLS.
    tls: Option<TlsAcceptor>,
    handshake_limit: Duration,
    write_limit_ms: u32,
    seats: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    life: Lifecycle,
}

impl Listener {
    /// One that has not begun. Its connections are tasks of `life`.
    pub(crate) fn new(
        router: Router,
        options: &HttpOptions,
        tls: Option<TlsAcceptor>,
        metrics: Arc<Metrics>,
        life: Lifecycle,
    ) -> Self {
        let mut http = http1::Builder::new();
        let limit = Duration::from_millis(options.header_timeout_ms);
        // Hyper starts this time when it waits for a head: it ends half a head, a silent connection, and one that was kept
        // alive for nothing.
        http.timer(TokioTimer::new()).header_read_timeout(limit);
        Self {
            router,
            http,
            tls,
            handshake_limit: limit,
            write_limit_ms: u32::try_from(options.header_timeout_ms).unwrap_or(u32::MAX),
            seats: Arc::new(Semaphore::new(options.connections_max)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            metrics,
            life,
        }
    }

    /// Accepts until the gateway stops; connections that are there then end by themselves.
    pub(crate) async fn accept(self, socket: TcpListener) {
        let stopping = self.life.stopping();
        let listener = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => listener.admit(stream, peer),
                Err(error) if ended_by_the_client(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted, trying again");
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)) => {}
                    }
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // A frame is written whole: waiting for company would only delay it. One that fails is gone already.
        let _ = stream.set_nodelay(true);
        let listener = self.clone();
        if let Ok(permit) = self.seats.clone().try_acquire_owned() {
            let seat = Seat::take(permit, self.metrics.clone());
            match &self.tls {
                None => {
                    let stream = LineStream::new(stream);
                    let line = stream.line();
                    self.life.spawn_detached("connection", listener.serve(stream, line, peer, seat));
                }
                Some(tls) => {
                    self.life.spawn_detached("connection", listener.serve_over(tls.clone(), stream, peer, seat));
                }
            }
            return;
        }
        self.metrics.refused(ErrorCode::Overloaded);
        if let Ok(turn) = self.refusals.clone().try_acquire_owned() {
            self.life.spawn_detached("refusal", listener.refuse(stream, turn));
        }
    }

    /// One connection over TLS, which has its seat from the first byte on.
    async fn serve_over(self: Arc<Self>, tls: TlsAcceptor, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        let stopping = self.life.stopping();
        let handshake = tokio::time::timeout(self.handshake_limit, Box::pin(shake_hands(&tls, stream)));
        let shaken = tokio::select! {
            () = stopping.cancelled() => return,
            shaken = handshake => shaken,
        };
        match shaken {
            // What goes over it is encrypted by this task alone.
            Ok(Ok(stream)) => self.serve(stream, Weak::new(), peer, seat).await,
            // Who speaks no TLS, or trusts somebody else, has heard why.
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
            Err(_) => tracing::debug!(%peer, "no handshake in time"),
        }
    }

    /// One connection, until it ends or becomes a WebSocket, which is a task of its own. Over its line, if it has one, frames
    /// are pushed to that WebSocket.
    async fn serve<S>(self: Arc<Self>, stream: S, line: Weak<Line>, peer: SocketAddr, seat: Seat)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let requests = TaskTracker::new();
        let (router, begun) = (self.router.clone(), requests.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(seat.clone());
            request.extensions_mut().insert(line.clone());
            begun.track_future(router.clone().call(request))
        });
        let mut connection = pin!(
            self.http
                .serve_connection(TokioIo::new(WriteLimited::new(stream, self.write_limit_ms)), service)
                .with_upgrades()
        );
        let stopping = self.life.stopping();
        tokio::select! {
            // How it ended is between hyper and the client: a head that came too late, a connection that broke.
            _ = connection.as_mut() => return,
            () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        loop {
            let idle = requests.is_empty();
            tokio::select! {
                _ = connection.as_mut() => return,
                () = tokio::time::sleep(Duration::from_millis(LAST_BYTES_MS)) => {}
            }
            // What is being answered is waited for; half a head, or an answer that nobody takes, is not.
            if idle && requests.is_empty() {
                return;
            }
        }
    }

    /// Answers the first request of a connection that found no place.
    async fn refuse(self: Arc<Self>, stream: TcpStream, turn: OwnedSemaphorePermit) {
        let told = async {
            match &self.tls {
                None => self.tell_overloaded(stream).await,
                Some(tls) => {
                    if let Ok(stream) = shake_hands(tls, stream).await {
                        self.tell_overloaded(stream).await;
                    }
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(REFUSAL_LIMIT_MS), told).await;
        drop(turn);
    }

    async fn tell_overloaded<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S) {
        let mut http = self.http.clone();
        http.keep_alive(false);
        let service = service_fn(|_: Request<Incoming>| future::ready(Ok::<_, Infallible>(overloaded())));
        let _ = http.serve_connection(TokioIo::new(WriteLimited::new(stream, self.write_limit_ms)), service).await;
    }
}

/// In a box: the state of TLS is large, and a connection's task has room for what it is given more than once.
async fn shake_hands(tls: &TlsAcceptor, stream: TcpStream) -> io::Result<Box<TlsStream<TcpStream>>> {
    tls.accept(stream).await.map(Box::new)
}

fn overloaded() -> Response {
    let error = Error::new(ErrorCode::Overloaded).with("limit", "connections").retry_after_ms(RETRY_AFTER_MS);
    Problem(error).into_response()
}

/// Whether it was gone before it was accepted.
fn ended_by_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use futures_util::future::try_join_all;
    use im_infra::tls::TlsOptions;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn options(listen: &str) -> HttpOptions {
        HttpOptions {
            listen: listen.parse().unwrap(),
            origins: Vec::new(),
            connections_max: 1,
            unsent_bytes_max: 131_072,
            header_timeout_ms: 1_000,
            body_bytes_max: 1_024,
            outcome_timeout_ms: 1_000,
            tls: TlsOptions::default(),
        }
    }

    #[tokio::test]
    async fn those_who_come_all_at_once_have_room_to_wait() {
        let listener = bind(&options("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        // More than the standard library has room for. Nobody accepts them, so without room they would never be connected.
        let coming = try_join_all((0..192).map(|_| TcpStream::connect(address)));
        let came = tokio::time::timeout(Duration::from_secs(10), coming).await;
        assert_eq!(came.expect("room, if net.core.somaxconn is 192 at least").unwrap().len(), 192);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told() {
        let listener = bind(&options("127.0.0.1:0")).unwrap();
        let again = bind(&options(&listener.local_addr().unwrap().to_string()));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn p8_r18_what_the_system_takes_for_a_slow_client_is_bounded_however_much_it_took_before() {
        let listener = bind(&options("127.0.0.1:0")).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16_384).unwrap();
        let mut client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut near, _) = listener.accept().await.unwrap();
        // The system's own bound grows with what a client takes.
        let much = vec![b'x'; 64 << 20];
        let mut taken = vec![0; much.len()];
        let (written, read) = tokio::join!(near.write_all(&much), client.read_exact(&mut taken));
        assert!(written.is_ok() && read.is_ok());
        let mut waiting = 0;
        while let Ok(bytes) = near.try_write(&much[..16_384]) {
            waiting += bytes;
        }
        assert!((16_384..512 << 10).contains(&waiting), "{waiting}");
        drop(client);
    }
}
