//! Append to read through the embedded log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use im_infra::mq::{Broker as _, EmbeddedLog, EmbeddedLogOptions, NewRecord, Reader, Room, Routed, Topic};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    FloorPlan, FloorResult,
    parties::Parties,
    plan::{lane, number_of},
    timed::timed,
};
use crate::target::Site;

/// The way of a record: in through the first, out through the second.
const WAY: [Topic; 2] = [Topic::Upstream, Topic::Downstream];
const BATCH_MAX: usize = 256;
/// A lane has one operation at a time.
const ARRIVALS_MAX: usize = 16;

/// Over one hop or two, `hops` at most the length of [`WAY`].
pub(super) async fn measure(
    site: &Site,
    hops: usize,
    plan: &FloorPlan,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let folder = site.own_folder()?;
    let log = Arc::new(EmbeddedLog::open(folder.path(), &EmbeddedLogOptions::default())?);
    let (arrived, arrivals): (Vec<_>, Vec<_>) = (0..plan.lanes()).map(|_| mpsc::channel(ARRIVALS_MAX)).unzip();
    let mut readers = JoinSet::new();
    let way = &WAY[..hops];
    for (hop, topic) in way.iter().enumerate() {
        let reader = log.read(*topic, 0, 0).await?;
        let next = way.get(hop + 1).map(|topic| (log.clone(), *topic));
        readers.spawn(relay(reader, next, arrived.clone()));
    }
    // Only the readers hold them: if they end, so does the waiting.
    drop(arrived);
    let lanes = arrivals.into_iter().map(|mut arrivals| {
        let log = &log;
        async move |number: u64| -> anyhow::Result<Duration> {
            let started = Instant::now();
            produce(log, WAY[0], plan.payload(number).into()).await?;
            let (found, at): (u64, Instant) = arrivals.recv().await.context("the reader has ended")?;
            ensure!(found == number, "record {found} came instead of {number}");
            Ok(at.duration_since(started))
        }
    });
    let measured = timed(plan, &Parties::here(), stop, lanes.collect()).await;
    // They hold the log, and its folder is removed next.
    readers.shutdown().await;
    measured
}

async fn produce(log: &EmbeddedLog, topic: Topic, payload: Bytes) -> anyhow::Result<()> {
    let record = NewRecord { payload, ..NewRecord::default() };
    Ok(log.produce(topic, vec![Routed { partition: 0, record }], Room::Internal).await?)
}

/// Takes records on to the next topic, or tells their lanes when they arrived.
async fn relay(
    mut reader: Box<dyn Reader>,
    next: Option<(Arc<EmbeddedLog>, Topic)>,
    arrived: Vec<mpsc::Sender<(u64, Instant)>>,
) -> anyhow::Result<()> {
    loop {
        for record in reader.next(BATCH_MAX).await? {
            let at = Instant::now();
            match &next {
                Some((log, topic)) => produce(log, *topic, record.payload).await?,
                None => {
                    let number = number_of(&record.payload).context("a record without a number")?;
                    lane(&arrived, number).send((number, at)).await?;
                }
            }
        }
    }
}
