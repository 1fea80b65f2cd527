//! Which floors there are, and whose.

use std::fmt;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{FloorPlan, FloorResult, call, echo, insert, kafka, log, sockets};
use crate::{
    own_thread::on_own_thread,
    target::{Site, TargetName},
};

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 100;

/// Frames of a burst.
pub(crate) const BURST_FRAMES: u32 = 16;

/// What a part can do alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Floor {
    /// Produce to consume through rdkafka: acks=all, linger 0.
    KafkaHop,
    /// The same twice, as in through one topic and out through another.
    KafkaTwoHops,
    /// One durable insert into MariaDB.
    MariadbInsert,
    /// One durable insert of 100 rows into MariaDB.
    MariadbBatch,
    /// A gRPC unary call over loopback.
    Call,
    /// A frame to a bare WebSocket server and back.
    Echo,
    /// Append to read through the embedded log.
    LogHop,
    /// The same twice.
    LogTwoHops,
    /// One durable insert into SQLite (synchronous=FULL).
    SqliteInsert,
    /// One durable insert of 100 rows into SQLite.
    SqliteBatch,
    /// One frame to each of many sockets.
    WriteLoop,
    /// Sixteen frames to each of many sockets, those of a socket in one write.
    CoalescedWriteLoop,
    /// Memory of bare connections that say nothing.
    IdleConnection,
    /// Many bare handshakes, a bounded number at the same time.
    Handshake,
}

impl Floor {
    /// Whether it has many connections.
    pub(crate) const fn has_sockets(self) -> bool {
        matches!(self, Self::WriteLoop | Self::CoalescedWriteLoop | Self::IdleConnection | Self::Handshake)
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KafkaHop => "Kafka, one hop",
            Self::KafkaTwoHops => "Kafka, two hops",
            Self::MariadbInsert => "MariaDB, one row",
            Self::MariadbBatch => "MariaDB, 100 rows",
            Self::Call => "gRPC call",
            Self::Echo => "WebSocket echo",
            Self::LogHop => "embedded log, one hop",
            Self::LogTwoHops => "embedded log, two hops",
            Self::SqliteInsert => "SQLite, one row",
            Self::SqliteBatch => "SQLite, 100 rows",
            Self::WriteLoop => "write loop",
            Self::CoalescedWriteLoop => "write loop, 16 at once",
            Self::IdleConnection => "idle connection",
            Self::Handshake => "handshake",
        })
    }
}

/// The floors beneath a target's messages, each an operation by itself. One that only has an address stands on whatever
/// infrastructure is named, else on none.
pub(crate) fn floors_of(target: &TargetName, site: &Site) -> &'static [Floor] {
    const OF_PROCESSES: [Floor; 6] =
        [Floor::KafkaHop, Floor::KafkaTwoHops, Floor::MariadbInsert, Floor::MariadbBatch, Floor::Call, Floor::Echo];
    const OF_STANDALONE: [Floor; 5] =
        [Floor::LogHop, Floor::LogTwoHops, Floor::SqliteInsert, Floor::SqliteBatch, Floor::Echo];
    match target {
        TargetName::Processes => &OF_PROCESSES,
        TargetName::Url(_) if site.has_infrastructure() => &OF_PROCESSES,
        TargetName::Url(_) | TargetName::Standalone => &OF_STANDALONE,
    }
}

/// Measures one of them. Operations have a thread of their own, whose runtime does nothing else; connections that are many share
/// the runtime of whoever asks, as those of a load do.
pub(crate) async fn measure_floor(
    floor: Floor,
    plan: &FloorPlan,
    site: &Site,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    if floor.has_sockets() {
        return measure(floor, plan, site, stop).await;
    }
    let (plan, site, stop) = (*plan, site.clone(), stop.clone());
    let work = move || async move { measure(floor, &plan, &site, &stop).await };
    on_own_thread("floor", work)?.await.context("the thread of a floor has ended")?
}

async fn measure(floor: Floor, plan: &FloorPlan, site: &Site, stop: &CancellationToken) -> anyhow::Result<FloorResult> {
    match floor {
        Floor::KafkaHop => Box::pin(kafka::measure(site, 1, plan, stop)).await,
        Floor::KafkaTwoHops => Box::pin(kafka::measure(site, 2, plan, stop)).await,
        Floor::MariadbInsert => Box::pin(insert::into_mariadb(site, 1, plan, stop)).await,
        Floor::MariadbBatch => Box::pin(insert::into_mariadb(site, BATCH_ROWS, plan, stop)).await,
        Floor::Call => Box::pin(call::measure(plan, stop)).await,
        Floor::Echo => Box::pin(echo::measure(plan, stop)).await,
        Floor::LogHop => Box::pin(log::measure(site, 1, plan, stop)).await,
        Floor::LogTwoHops => Box::pin(log::measure(site, 2, plan, stop)).await,
        Floor::SqliteInsert => Box::pin(insert::into_sqlite(site, 1, plan, stop)).await,
        Floor::SqliteBatch => Box::pin(insert::into_sqlite(site, BATCH_ROWS, plan, stop)).await,
        Floor::WriteLoop => Box::pin(sockets::write_loop(1, plan, stop)).await,
        Floor::CoalescedWriteLoop => Box::pin(sockets::write_loop(BURST_FRAMES, plan, stop)).await,
        Floor::IdleConnection => Box::pin(sockets::idle_connections(plan, stop)).await,
        Floor::Handshake => Box::pin(sockets::handshakes(plan, stop)).await,
    }
}
