//! One frame, or a burst of them, to each of many sockets.
//!
//! Only the writing side's CPU counts, which is all of the server's process: its loop, its runtime, and what the kernel does in
//! its write calls; over loopback that includes waking the reader. The readers are in this process: they take the bytes and
//! look at nothing. The next time through all sockets begins when the last byte of the one before was read, so a write never
//! waits for room; and not before it is due, if there is a rate: what lies in no processor's cache any more costs more to reach.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{child::SocketServer, frame::ready_frame, server::Role};
use crate::floors::{FloorPlan, parties::Parties, result::FloorResult, timed::timed};

const READ_BYTES: usize = 8_192;

/// `frames` to each of the plan's sockets with one write, whenever it is due while the window lasts.
pub(in crate::floors) async fn measure(
    frames: u32,
    plan: &FloorPlan,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let mut server = SocketServer::start(Role::Write, plan).await?;
    let taken = Arc::new(Taken::default());
    let mut readers = JoinSet::new();
    for socket in server.open(plan.sockets).await? {
        readers.spawn(read(socket.into_inner(), taken.clone()));
    }
    server.has(plan.sockets).await?;
    let bytes = ready_frame(plan.payload_bytes)?.len() as u64 * u64::from(frames) * u64::from(plan.sockets);
    let parties = Parties::server(server.pid);
    let through_all = async |_: u64| -> anyhow::Result<Duration> {
        let started = Instant::now();
        taken.want(bytes);
        server.write_frames(frames).await?;
        taken.all().await;
        Ok(started.elapsed())
    };
    let found = timed(plan, &parties, stop, vec![through_all]).await?;
    Ok(FloorResult { cpu_us: found.cpu_us.map(|us| us / f64::from(plan.sockets)), ..found })
}

/// How much of what was written has been read, on all sockets together.
#[derive(Default)]
struct Taken {
    bytes: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Taken {
    /// So many more are about to be written.
    fn want(&self, bytes: u64) {
        self.wanted.fetch_add(bytes, Ordering::SeqCst);
    }

    fn add(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if now >= self.wanted.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    async fn all(&self) {
        while self.bytes.load(Ordering::SeqCst) < self.wanted.load(Ordering::SeqCst) {
            self.reached.notified().await;
        }
    }
}

/// Until the connection ends.
async fn read(stream: TcpStream, taken: Arc<Taken>) -> io::Result<()> {
    loop {
        stream.readable().await?;
        match take(&stream) {
            Ok(0) => return Ok(()),
            Ok(bytes) => taken.add(bytes as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The buffer is not kept while a connection waits.
fn take(stream: &TcpStream) -> io::Result<usize> {
    stream.try_read(&mut [0; READ_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_is_read_when_as_much_came_as_was_wanted() {
        let taken = Arc::new(Taken::default());
        taken.all().await;
        taken.want(10);
        let waiting = async {
            taken.all().await;
            taken.bytes.load(Ordering::SeqCst)
        };
        let reading = async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
                taken.add(2);
            }
        };
        let (at_the_end, ()) = tokio::join!(waiting, reading);
        assert_eq!(at_the_end, 10);
        taken.want(1);
        assert!(tokio::time::timeout(Duration::from_millis(20), taken.all()).await.is_err(), "more is wanted now");
    }
}
