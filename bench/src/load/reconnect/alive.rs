//! Somebody who is connected, is cut off, and comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use im_bench::ledger::Event;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    load::{
        account::{Accounts, Guest},
        client::Socket,
        conversation::begin_direct,
        device::Device,
        pair::{End, Pair},
        seat::{Run, Took},
    },
    target::Endpoint,
};

/// Handshakes and commands at the same time while all get ready.
const AT_ONCE: usize = 32;
/// A client gives up after so many attempts.
const ATTEMPTS_MAX: u32 = 8;
/// It waits up to this long after the first one that failed, then up to twice as long.
const BACKOFF: Duration = Duration::from_millis(50);

/// A user with a device.
pub(super) struct Alive {
    guest: Guest,
    device: Device,
    random: fastrand::Rng,
}

/// Everybody, and what happened so far to the conversation of the first and the second, of the third and the fourth.
pub(super) struct Crowd {
    pub(super) everybody: Vec<Alive>,
    pub(super) made: Vec<Vec<Event>>,
    pub(super) run: Run,
    open: Vec<Socket>,
}

/// Somebody who tried to come back.
pub(super) struct Back {
    pub(super) alive: Alive,
    /// None if that failed for good.
    pub(super) socket: Option<Socket>,
    /// From the cut until it has all there is.
    pub(super) outage: Option<Took>,
    /// The same from the begin of the attempt that succeeded.
    pub(super) handshake: Duration,
    /// Its part from the hello to the welcome.
    pub(super) hello: Duration,
    pub(super) resumed: bool,
    /// Attempts that failed.
    pub(super) failed: u32,
    pub(super) broken: Option<String>,
}

impl Crowd {
    /// Makes and connects them; each two have a conversation, and each device knows what there is.
    pub(super) async fn connect(
        accounts: &Accounts,
        endpoint: &Endpoint,
        (connections, seed): (u32, u64),
    ) -> anyhow::Result<Self> {
        let (run, mut random) = (Run::begin(), fastrand::Rng::with_seed(seed));
        let guests = accounts.guests(connections as usize).await?;
        let twos = stream::iter(guests.chunks_exact(2)).map(|two| begin_direct(accounts, &run, (&two[0], &two[1])));
        let made = twos.buffered(AT_ONCE).map_ok(|(_, events)| events).try_collect().await?;
        let connecting = stream::iter(&guests).map(|guest| async move {
            let (mut socket, mut device) = (Socket::open(endpoint, guest).await?, Device::default());
            device.sync(&mut socket).await?;
            anyhow::Ok((socket, device))
        });
        let connected: Vec<(Socket, Device)> = connecting.buffered(AT_ONCE).try_collect().await?;
        let (mut everybody, mut open) = (Vec::new(), Vec::new());
        for (guest, (socket, device)) in guests.into_iter().zip(connected) {
            everybody.push(Alive { guest, device, random: random.fork() });
            open.push(socket);
        }
        Ok(Self { everybody, made, run, open })
    }

    /// Has each connection kept until the cut. What is answered tells why one broke before it.
    pub(super) fn keep(&mut self, cut: &CancellationToken) -> JoinSet<Option<String>> {
        let mut kept = JoinSet::new();
        for mut socket in self.open.drain(..) {
            let cut = cut.clone();
            kept.spawn(async move {
                tokio::select! {
                    () = cut.cancelled() => None,
                    why = socket.broken() => Some(format!("{why:#}")),
                }
            });
        }
        kept
    }
}

impl Alive {
    /// Connects again with what the device knows, as often as a client would try.
    pub(super) async fn resume(mut self, endpoint: &Endpoint, cut_at: Instant) -> Back {
        let mut failed = 0;
        loop {
            let begun = Instant::now();
            match self.attempt(endpoint).await {
                Ok((socket, hello, resumed)) => {
                    let now = Instant::now();
                    let (outage, handshake) = (Some(Took::until(cut_at, now)), now.duration_since(begun));
                    let (alive, socket, broken) = (self, Some(socket), None);
                    return Back { alive, socket, outage, handshake, hello, resumed, failed, broken };
                }
                Err(error) => {
                    failed += 1;
                    if failed >= ATTEMPTS_MAX {
                        let (handshake, hello, broken) = (Duration::ZERO, Duration::ZERO, Some(format!("{error:#}")));
                        let (alive, socket, outage, resumed) = (self, None, None, false);
                        return Back { alive, socket, outage, handshake, hello, resumed, failed, broken };
                    }
                    // Exponential, with full jitter.
                    let most = BACKOFF * 2_u32.pow(failed - 1);
                    sleep(most.mul_f64(self.random.f64())).await;
                }
            }
        }
    }

    /// A hello, and a sync if the server says that something changed.
    async fn attempt(&mut self, endpoint: &Endpoint) -> anyhow::Result<(Socket, Duration, bool)> {
        let (mut socket, welcomed) = Socket::hello(endpoint, &self.guest, Some(self.device.digest())).await?;
        if !welcomed.resumed {
            self.device.sync(&mut socket).await?;
        }
        Ok((socket, welcomed.took, welcomed.resumed))
    }
}

/// The two as a pair that talks, if both came back.
pub(super) fn pair(writer: Back, reader: Back, run: &Run, before: Vec<Event>) -> Option<Pair> {
    let end = |back: Back, client| Some(End { socket: back.socket?, guest: back.alive.guest, client });
    let (writer, reader) = (end(writer, 0)?, end(reader, 1)?);
    let (run, body, acknowledged) = (run.clone(), Arc::from("back"), Arc::default());
    Some(Pair { writer, reader, run, body, before, acknowledged })
}
