//! A device that was away, and comes back.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::timeout;

use crate::{
    load::{
        account::Guest,
        client::Socket,
        device::{Device, Effort},
        seat::Took,
    },
    measure::micros,
    target::Endpoint,
};

/// How long catching up may take.
pub(super) const LEVEL_MAX: Duration = Duration::from_secs(60);

/// A user with a device.
pub(super) struct Away {
    pub(super) guest: Guest,
    pub(super) device: Device,
}

/// One that came back.
pub(super) struct Back {
    pub(super) away: Away,
    /// From when it was meant to come back until it has all there is; none if that failed.
    pub(super) level: Option<Level>,
    pub(super) broken: Option<String>,
}

/// How it caught up. The connection stays.
pub(super) struct Level {
    pub(super) took: Took,
    /// From the hello to the welcome.
    pub(super) hello: Took,
    pub(super) effort: Effort,
    pub(super) received_bytes: u64,
    _socket: Socket,
}

impl Away {
    /// Sees what there is, and leaves.
    pub(super) async fn visit(mut self, endpoint: &Endpoint) -> anyhow::Result<Self> {
        let mut socket = Socket::open(endpoint, &self.guest).await?;
        self.device.sync(&mut socket).await?;
        Ok(self)
    }

    /// Comes back at a time that may have passed already.
    pub(super) async fn come_back(mut self, endpoint: Endpoint, due: Instant) -> Back {
        let came = timeout(LEVEL_MAX, self.catch_up(&endpoint, due)).await;
        let (level, broken) = match came {
            Ok(Ok(level)) => (Some(level), None),
            Ok(Err(error)) => (None, Some(format!("{error:#}"))),
            Err(_) => (None, Some(format!("a device was not level after {} s", LEVEL_MAX.as_secs()))),
        };
        Back { away: self, level, broken }
    }

    async fn catch_up(&mut self, endpoint: &Endpoint, due: Instant) -> anyhow::Result<Level> {
        let (mut socket, welcomed) = Socket::hello(endpoint, &self.guest, Some(self.device.digest())).await?;
        ensure!(!welcomed.resumed, "a device was told that it has all there is, and it has not");
        let effort = self.device.sync(&mut socket).await?;
        let took = Took::until(due, Instant::now());
        let hello = Took { due, us: micros(welcomed.took) };
        Ok(Level { took, hello, effort, received_bytes: socket.received_bytes, _socket: socket })
    }
}
