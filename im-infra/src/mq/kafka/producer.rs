//! One idempotent producer for the whole process: records of a partition keep their order, and a retry inside librdkafka
//! stores none of them twice.

use std::{
    sync::{Arc, Mutex, Weak, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    super::{MqError, Routed, Topic},
    KafkaOptions,
    callbacks::abandon,
    client::{POLL_WAIT, Partition, RETRY_WAIT, STEP_WAIT, alone, blocking, lock, native, start_thread, within},
    delivery::{Batch, Deliveries},
    error::{undelivered, unusable},
    lost::{Replaced, Watch},
};

/// How long a call waits for room among the records that are not confirmed yet.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// How often it looks.
const ROOM_STEP: Duration = Duration::from_millis(5);
/// [`POLL_WAIT`], and what a timer is late by. The rest of a wait that is less than a millisecond, rdkafka spends without sleeping,
/// again and again asking for events; of a wait of whole milliseconds that rest is nearly one, at the end of each.
const SERVE_WAIT: Duration = POLL_WAIT.saturating_add(Duration::from_micros(50));
/// How long records nobody waits for may take to leave when the producer ends.
const FLUSH_WAIT: Duration = Duration::from_secs(5);

type Client = BaseProducer<Deliveries>;

/// Takes records to the producer, which its thread owns.
pub(super) struct Producer {
    current: Arc<Mutex<Weak<Client>>>,
    request_timeout: Duration,
    /// Ends the thread.
    _ends: DropGuard,
}

/// Why a client is served no more.
#[derive(PartialEq, Eq)]
enum End {
    Stopped,
    /// The cluster takes nothing from it any more: there is a gap in its sequence.
    Fatal,
    /// It reaches no broker any more.
    Lost,
}

fn create(config: &ClientConfig) -> Result<Arc<Client>, MqError> {
    let client: Client = config.create_with_context(Deliveries::default()).map_err(|error| unusable(&error))?;
    Ok(Arc::new(client))
}

impl Producer {
    pub(super) fn start(options: &KafkaOptions, replaced: &Replaced) -> Result<Self, MqError> {
        let config = options.producer();
        let first = create(&config)?;
        // What it is asked about makes no difference: it produces to all of them.
        let watch = Watch::new(options, &options.topic_name(Topic::Upstream), replaced);
        let stop = CancellationToken::new();
        let ends = stop.clone().drop_guard();
        let current = Arc::new(Mutex::new(Arc::downgrade(&first)));
        let shown = current.clone();
        start_thread("kafka-producer", move || serve(&config, (first, watch), &shown, &stop))?;
        Ok(Self { current, request_timeout: options.request_timeout(), _ends: ends })
    }

    /// Sends records in order; returns when every one is confirmed. Without an answer from the cluster that is never: the
    /// caller knows how long to wait, and may repeat. `name` is the topic's, with namespace.
    pub(super) async fn produce(&self, topic: Topic, name: &str, records: &[Routed]) -> Result<(), MqError> {
        let batch = Batch::new();
        let until = Instant::now() + ROOM_WAIT;
        let mut rest = records;
        loop {
            let sent = self.send(name, rest, &batch)?;
            rest = &rest[sent..];
            if rest.is_empty() {
                break;
            }
            if Instant::now() >= until {
                return Err(MqError::Full { topic: topic.name() });
            }
            tokio::time::sleep(ROOM_STEP).await;
        }
        batch.settled().await
    }

    /// Sends as many as there is room for.
    fn send(&self, topic: &str, records: &[Routed], batch: &Arc<Batch>) -> Result<usize, MqError> {
        let client = self.client()?;
        for (index, routed) in records.iter().enumerate() {
            batch.add();
            if let Err((error, _)) = client.send(native_record(topic, routed, batch)) {
                batch.settle(None);
                return match error {
                    KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => Ok(index),
                    error => Err(undelivered(&error)),
                };
            }
        }
        Ok(records.len())
    }

    /// The oldest offset of a partition, and one past the newest.
    pub(super) async fn watermarks(&self, partition: Partition) -> Result<(u64, u64), MqError> {
        let (client, timeout) = (self.client()?, self.request_timeout);
        blocking(move || within(timeout, |left| partition.watermarks(client.client(), left))).await
    }

    /// For the length of a call.
    fn client(&self) -> Result<Arc<Client>, MqError> {
        lock(&self.current).upgrade().ok_or_else(|| MqError::Unavailable("the producer is being replaced".into()))
    }
}

fn native_record<'a>(topic: &'a str, routed: &'a Routed, batch: &Arc<Batch>) -> BaseRecord<'a, [u8], [u8], Arc<Batch>> {
    let record = &routed.record;
    let native = BaseRecord::with_opaque_to(topic, batch.clone())
        .partition(native(routed.partition))
        .key(&record.key[..])
        .payload(&record.payload[..]);
    if record.headers.is_empty() {
        return native;
    }
    let headers =
        record.headers.iter().fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (name, value)| {
            headers.insert(Header { key: name, value: Some(&value[..]) })
        });
    native.headers(headers)
}

/// Serves delivery reports until the end. A producer that is of no use any more fails what it still holds and is replaced:
/// its callers repeat, and a repetition is harmless.
fn serve(
    config: &ClientConfig,
    (mut client, mut watch): (Arc<Client>, Watch),
    shown: &Mutex<Weak<Client>>,
    stop: &CancellationToken,
) {
    loop {
        let end = served(&client, &mut watch, stop);
        *lock(shown) = Weak::new();
        match end {
            // Calls to it that wait for an answer hold it until they give up; nobody has to wait for them.
            End::Lost => abandon(move || give_up(client)),
            End::Stopped | End::Fatal => retire(client),
        }
        client = loop {
            if stop.is_cancelled() {
                return;
            }
            match create(config) {
                Ok(next) => break next,
                Err(error) => tracing::error!(%error, "no new producer yet"),
            }
            thread::park_timeout(RETRY_WAIT);
        };
        if end == End::Fatal {
            tracing::warn!("producer replaced after a fatal error");
        }
        *lock(shown) = Arc::downgrade(&client);
    }
}

fn served(client: &Client, watch: &mut Watch, stop: &CancellationToken) -> End {
    let deliveries = client.context();
    loop {
        if stop.is_cancelled() {
            return End::Stopped;
        }
        if deliveries.fatal.load(Ordering::Acquire) {
            return End::Fatal;
        }
        if watch.is_lost("producer", &deliveries.silence, client.client()) {
            return End::Lost;
        }
        client.poll(SERVE_WAIT);
    }
}

/// There is nobody to send to what it holds.
fn give_up(client: Arc<Client>) {
    client.purge(PurgeConfig::default().queue().inflight());
    drop(alone(client, |client| client.poll(STEP_WAIT)));
}

/// Dropping a producer fails what it holds, so that is sent first.
fn retire(client: Arc<Client>) {
    let client = alone(client, |client| client.poll(STEP_WAIT));
    if let Err(error) = client.flush(FLUSH_WAIT) {
        tracing::warn!(%error, "producer ends with records that are not confirmed");
    }
}
