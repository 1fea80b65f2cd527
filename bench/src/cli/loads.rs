//! Workloads beside `direct` and `idle`.

use std::path::PathBuf;

use clap::{Args, value_parser};

use super::rate;
use crate::{
    load::{GroupPlan, MixedPlan, ReconnectPlan, SyncPlan},
    measure::Length,
    target::{Site, TargetName},
};

/// Times a second at which a group is written to, where nothing else is asked for.
const GROUP_RATE: f64 = 2.0;
/// The same for bursts.
const BURST_RATE: f64 = 0.5;

/// What is loaded, and what is told of it.
#[derive(Args)]
pub(crate) struct Setting {
    /// What to load: `standalone`, `processes` (both are started and stopped), or the http:// address of a gateway.
    #[arg(long, default_value = "standalone")]
    pub(crate) target: TargetName,
    /// Bytes of text in a message.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=16_000))]
    pub(crate) payload_bytes: u32,
    /// Decides the texts and the intended times.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Writes the result there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) site: Site,
}

/// `group`.
#[derive(Args)]
pub(crate) struct GroupArgs {
    /// Members, all connected; the first one writes.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(2..=5_000))]
    members: u32,
    /// Times a second at which something is written [default: 2, with --burst 0.5].
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Messages that are written together each time.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=256))]
    burst: u32,
    /// Seconds before the load in which nobody writes, to tell what servers use anyway.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u64).range(0..=120))]
    silent_seconds: u64,
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    pub(crate) setting: Setting,
}

/// `reconnect`.
#[derive(Args)]
pub(crate) struct ReconnectArgs {
    /// Connections that are cut, each of a user of its own. One address has no more ports than twice the most allowed here.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(2..=13_000))]
    connections: u32,
    /// Handshakes at the same time while they come back, or fewer if there are fewer connections [default: 256].
    #[arg(long, value_parser = value_parser!(u32).range(1..=4_096))]
    in_flight: Option<u32>,
    /// Pairs of others who keep talking meanwhile.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=200))]
    pairs: u32,
    /// Messages a second over all of those pairs, at intended times.
    #[arg(long, default_value_t = 250.0, value_parser = rate)]
    rate: f64,
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    pub(crate) setting: Setting,
}

/// `sync`.
#[derive(Args)]
pub(crate) struct SyncArgs {
    /// Devices that were away, each of a user of its own.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=5_000))]
    devices: u32,
    /// Conversations of each device.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=500))]
    conversations: u32,
    /// Messages that came into each conversation meanwhile; a sync brings the newest 20, the rest is fetched.
    #[arg(long, default_value_t = 25, value_parser = value_parser!(u32).range(1..=10_000))]
    messages: u32,
    /// Devices a second that come back, at intended times; the first tenth of them is the warm-up.
    #[arg(long, default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    #[command(flatten)]
    pub(crate) setting: Setting,
}

/// `mixed`.
#[derive(Args)]
pub(crate) struct MixedArgs {
    /// Groups of 50 users; every user is in one, and has one other user to write to.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=40))]
    groups: u32,
    /// What all of them do a second, at intended times.
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    rate: f64,
    #[command(flatten)]
    length: Length,
    #[command(flatten)]
    pub(crate) setting: Setting,
}

impl GroupArgs {
    pub(crate) fn plan(&self) -> GroupPlan {
        let Self { members, burst, length, silent_seconds, .. } = *self;
        let rate = self.rate.unwrap_or(if burst > 1 { BURST_RATE } else { GROUP_RATE });
        let Setting { payload_bytes, seed, .. } = self.setting;
        GroupPlan { members, rate, burst, length, silent_seconds, payload_bytes, seed }
    }
}

impl ReconnectArgs {
    pub(crate) fn plan(&self) -> ReconnectPlan {
        let Self { connections, pairs, rate, length, .. } = *self;
        let in_flight = self.in_flight.unwrap_or(connections.min(256));
        let Setting { payload_bytes, seed, .. } = self.setting;
        ReconnectPlan { connections, in_flight, pairs, rate, length, payload_bytes, seed }
    }
}

impl SyncArgs {
    pub(crate) fn plan(&self) -> SyncPlan {
        let Self { devices, conversations, messages, rate, .. } = *self;
        let Setting { payload_bytes, seed, .. } = self.setting;
        SyncPlan { devices, conversations, messages, rate, payload_bytes, seed }
    }
}

impl MixedArgs {
    pub(crate) fn plan(&self) -> MixedPlan {
        let Self { groups, rate, length, .. } = *self;
        let Setting { payload_bytes, seed, .. } = self.setting;
        MixedPlan { groups, rate, length, payload_bytes, seed }
    }
}
