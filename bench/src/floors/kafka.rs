//! Produce to consume through rdkafka: a producer with its own thread, a consumer polled on its own.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaResult,
    producer::{BaseRecord, DefaultProducerContext, ThreadedProducer},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    FloorPlan, FloorResult,
    parties::Parties,
    plan::{lane, number_of},
    timed::timed,
};
use crate::target::{Site, Topics};

type Producer = ThreadedProducer<DefaultProducerContext>;

/// How soon a consumer notices that it should end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A lane has one operation at a time.
const ARRIVALS_MAX: usize = 16;

/// Over one hop or two, on topics of their own.
pub(super) async fn measure(
    site: &Site,
    hops: usize,
    plan: &FloorPlan,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let brokers = site.kafka()?;
    let parties = Parties::with_server(site, "Kafka")?;
    let run = uuid::Uuid::new_v4().simple().to_string();
    let names: Vec<String> = (0..hops).map(|hop| format!("bench.floor.{run}.{hop}")).collect();
    let topics = Topics::create(brokers, names.clone()).await?;
    let measured = over(brokers, &names, plan, &parties, stop).await;
    let deleted = topics.delete().await;
    measured.and_then(|found| deleted.map(|()| found))
}

async fn over(
    brokers: &str,
    names: &[String],
    plan: &FloorPlan,
    parties: &Parties,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let producer = producer(brokers)?;
    let (arrived, arrivals): (Vec<_>, Vec<_>) = (0..plan.lanes()).map(|_| mpsc::channel(ARRIVALS_MAX)).unzip();
    let ending = CancellationToken::new();
    let _ends = ending.clone().drop_guard();
    for (hop, name) in names.iter().enumerate() {
        let consumer = consumer(brokers, name)?;
        let next = names.get(hop + 1).map(|next| (producer.clone(), next.clone()));
        let (arrived, ending) = (arrived.clone(), ending.clone());
        let work = move || relay(&consumer, next.as_ref(), &arrived, &ending);
        thread::Builder::new().name("floor-consumer".into()).spawn(work).context("no thread for a consumer")?;
    }
    // Only the consumers hold them: if they end, so does the waiting.
    drop(arrived);
    let lanes = arrivals.into_iter().map(|mut arrivals| {
        let producer = producer.clone();
        async move |number: u64| -> anyhow::Result<Duration> {
            let bytes = plan.payload(number);
            let started = Instant::now();
            send(&producer, &names[0], &bytes)?;
            let (found, at): (u64, Instant) = arrivals.recv().await.context("a consumer has ended")?;
            ensure!(found == number, "record {found} came instead of {number}");
            Ok(at.duration_since(started))
        }
    });
    timed(plan, parties, stop, lanes.collect()).await
}

/// As the services set it.
fn producer(brokers: &str) -> anyhow::Result<Producer> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .create()
        .context("cannot use Kafka")
}

fn consumer(brokers: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench.floor")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "50")
        .create()
        .context("cannot use Kafka")?;
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&list)?;
    Ok(consumer)
}

fn send(producer: &Producer, topic: &str, bytes: &[u8]) -> KafkaResult<()> {
    producer.send(BaseRecord::<(), [u8]>::to(topic).partition(0).payload(bytes)).map_err(|(error, _)| error)
}

/// Takes records on to the next topic, or tells their lanes when they arrived; until the end.
fn relay(
    consumer: &BaseConsumer,
    next: Option<&(Producer, String)>,
    arrived: &[mpsc::Sender<(u64, Instant)>],
    ending: &CancellationToken,
) {
    while !ending.is_cancelled() {
        // What is passing (a leader that is not known yet) comes right by itself; what is not, the measurement's limit tells.
        let Some(Ok(message)) = consumer.poll(LOOK_AGAIN) else { continue };
        let at = Instant::now();
        let payload = message.payload().unwrap_or_default();
        let done = match next {
            Some((producer, topic)) => send(producer, topic, payload).is_ok(),
            None => number_of(payload).is_some_and(|number| lane(arrived, number).blocking_send((number, at)).is_ok()),
        };
        if !done {
            return;
        }
    }
}
