//! The way between our services and a server, which can be cut, slowed, and cut off from the answer to a COMMIT.
//!
//! What is held is held as a network would: connections stay open, senders find their buffers full, and in the end everything
//! that was sent arrives. At most one chunk for each direction of a connection lies here.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use super::{commit::CommitWatch, fault::Way};

/// Past it new connections wait.
const CONNECTIONS_MAX: usize = 1_024;
const CHUNK_BYTES: usize = 16 * 1_024;
/// Until it is tried again to accept, out of descriptors for example.
const BREATH: Duration = Duration::from_millis(50);

/// How bytes pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Open,
    Held,
    Slow(Duration),
}

/// How they pass in each direction.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    to_server: Flow,
    to_client: Flow,
}

#[derive(Clone, Copy)]
enum Toward {
    Server,
    Client,
}

/// COMMITs whose answer is to be lost.
#[derive(Default)]
struct Commits {
    wanted: AtomicU64,
    lost: AtomicU64,
}

/// An address that leads nowhere yet.
pub(super) struct Bound(TcpListener);

impl Bound {
    /// A free one.
    pub(super) async fn free() -> io::Result<Self> {
        Ok(Self(TcpListener::bind("127.0.0.1:0").await?))
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// From now on it leads to a server, at host and port.
    pub(super) fn toward(self, server: String) -> io::Result<Proxy> {
        let address = self.address()?;
        let (link, commits) = (watch::Sender::new(Link::default()), Arc::new(Commits::default()));
        let mut accepting = JoinSet::new();
        let road = Road { server, link: link.subscribe(), commits: commits.clone() };
        accepting.spawn(accept(self.0, road));
        Ok(Proxy { address, link, commits, _accepting: accepting })
    }
}

/// A way to a server; gone when dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    link: watch::Sender<Link>,
    commits: Arc<Commits>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(super) fn cut(&self, way: Way) {
        let held = |cut: bool| if cut { Flow::Held } else { Flow::Open };
        self.link.send_replace(Link { to_server: held(way != Way::ToClient), to_client: held(way != Way::ToServer) });
    }

    pub(super) fn slow(&self, delay: Duration) {
        self.link.send_replace(Link { to_server: Flow::Slow(delay), to_client: Flow::Slow(delay) });
    }

    /// Everything passes again, and no more COMMITs are waited for.
    pub(super) fn heal(&self) {
        self.commits.wanted.store(0, Ordering::Relaxed);
        self.link.send_replace(Link::default());
    }

    /// The next so many connections that do a COMMIT end before its answer.
    pub(super) fn lose_commits(&self, count: u64) {
        self.commits.wanted.fetch_add(count, Ordering::Relaxed);
    }

    /// How many answers were lost so far.
    pub(super) fn lost_commits(&self) -> u64 {
        self.commits.lost.load(Ordering::Relaxed)
    }
}

/// What a connection needs to know.
#[derive(Clone)]
struct Road {
    server: String,
    link: watch::Receiver<Link>,
    commits: Arc<Commits>,
}

async fn accept(listener: TcpListener, road: Road) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((client, _)) => drop(connections.spawn(relay(client, road.clone()))),
                Err(_) => sleep(BREATH).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Until one side ends, or is cut off.
async fn relay(client: TcpStream, road: Road) {
    let Road { server, link, commits } = road;
    passes(&mut link.clone(), Toward::Server).await;
    // Nobody there is nobody here.
    let Ok(server) = TcpStream::connect(server).await else { return };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // Set while the answer to a COMMIT is awaited that is to be lost.
    let awaited = AtomicBool::new(false);
    let mut watch = CommitWatch::default();
    let requests = |bytes: &[u8]| {
        if watch.sees_commit(bytes) && claim(&commits.wanted) {
            awaited.store(true, Ordering::Release);
        }
        true
    };
    let answers = |_: &[u8]| {
        let lost = awaited.load(Ordering::Acquire);
        commits.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
        !lost
    };
    tokio::select! {
        () = pump(from_client, to_server, (link.clone(), Toward::Server), requests) => {}
        () = pump(from_server, to_client, (link.clone(), Toward::Client), answers) => {}
    }
}

fn claim(wanted: &AtomicU64) -> bool {
    wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Hands on what comes until it ends or `goes_on` says no to it.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (mut link, toward): (watch::Receiver<Link>, Toward),
    mut goes_on: impl FnMut(&[u8]) -> bool,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        if !goes_on(&chunk[..count]) {
            return;
        }
        passes(&mut link, toward).await;
        if to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}

/// Waits until bytes may pass.
async fn passes(link: &mut watch::Receiver<Link>, toward: Toward) {
    loop {
        let now = *link.borrow_and_update();
        let flow = match toward {
            Toward::Server => now.to_server,
            Toward::Client => now.to_client,
        };
        match flow {
            Flow::Open => return,
            Flow::Slow(delay) => return sleep(delay).await,
            // Without its sender nobody will ever open it again.
            Flow::Held => {
                if link.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    /// A server that sends back what it gets, and a way to it.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (from, to) = stream.into_split();
                pump(from, to, (watch::Sender::new(Link::default()).subscribe(), Toward::Client), |_| true).await;
            }
        });
        (Bound::free().await.unwrap().toward(address).unwrap(), serving)
    }

    async fn asks(stream: &mut TcpStream, what: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(what).await?;
        let mut answer = vec![0; what.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn what_is_held_arrives_once_the_way_is_open_again() {
        for way in [Way::Both, Way::ToServer, Way::ToClient] {
            let (proxy, _serving) = echo().await;
            let mut stream = TcpStream::connect(proxy.address).await.unwrap();
            assert_eq!(asks(&mut stream, b"one").await.unwrap(), b"one");
            proxy.cut(way);
            stream.write_all(b"two").await.unwrap();
            let mut answer = [0; 3];
            assert!(timeout(SOON, stream.read_exact(&mut answer)).await.is_err(), "{way:?}");
            proxy.heal();
            timeout(SOON * 10, stream.read_exact(&mut answer)).await.unwrap().unwrap();
            assert_eq!(&answer, b"two");
        }
    }

    #[tokio::test]
    async fn what_is_slow_takes_its_time_in_each_direction() {
        let (proxy, _serving) = echo().await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        proxy.slow(SOON);
        let started = std::time::Instant::now();
        assert_eq!(asks(&mut stream, b"one").await.unwrap(), b"one");
        assert!(started.elapsed() >= SOON * 2);
    }

    #[tokio::test]
    async fn the_answer_to_a_commit_is_lost_as_often_as_asked_and_the_commit_arrives() {
        let commit = b"\x07\x00\x00\x00\x03COMMIT";
        let (proxy, _serving) = echo().await;
        proxy.lose_commits(1);
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(asks(&mut stream, b"\x07\x00\x00\x00\x03SELECT").await.unwrap().len(), 11);
        // What the server sends back shows that it had it; none of it passes.
        assert!(asks(&mut stream, commit).await.is_err());
        assert_eq!(proxy.lost_commits(), 1);
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(asks(&mut stream, commit).await.unwrap(), commit);
    }
}
