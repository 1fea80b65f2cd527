//! Where a partition's records come out: its own queue inside librdkafka, and the reader that takes from it.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::{
    Message as _,
    consumer::{BaseConsumer, Consumer as _, base_consumer::PartitionQueue},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    super::{Headers, MqError, Reader, Record},
    callbacks::Events,
    client::{Partition, blocking, lock, native, unsigned},
    error::{is_damaged, is_out_of_range, unavailable},
};

/// Bytes after which a batch is full, however many records were asked for.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// An idle reader is woken by the first record; it looks again after this time for its own peace of mind. There is a reader for
/// each partition, so this is no short time.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The end of a partition's queue. Its consumer's thread opens and closes it, a reader takes from it.
pub(super) struct Tap {
    partition: Partition,
    request_timeout: Duration,
    source: Mutex<Source>,
    arrived: Arc<Notify>,
    closed: CancellationToken,
}

struct Source {
    consumer: Weak<BaseConsumer<Events>>,
    /// Holds the consumer: none once closed, so that no reader is the one who drops it. None, too, while the consumer is
    /// replaced.
    queue: Option<PartitionQueue<Events>>,
    /// The first offset that was not handed out yet.
    next: u64,
    fault: Option<Fault>,
}

enum Fault {
    OutOfRange,
    Passing(MqError),
    Lasting(MqError),
}

enum Taken {
    Records(Vec<Record>),
    Nothing,
    Closed,
    OutOfRange(u64),
    Failed(MqError),
}

impl Tap {
    /// Before the partition is assigned, so that no record of it goes another way; closed before it is opened again.
    pub(super) fn open(
        consumer: &Arc<BaseConsumer<Events>>,
        partition: Partition,
        from: u64,
        request_timeout: Duration,
    ) -> Result<Arc<Self>, MqError> {
        let arrived = Arc::new(Notify::new());
        let queue = Some(split(consumer, &partition, &arrived)?);
        let consumer = Arc::downgrade(consumer);
        let source = Mutex::new(Source { consumer, queue, next: from, fault: None });
        let closed = CancellationToken::new();
        Ok(Arc::new(Self { partition, request_timeout, source, arrived, closed }))
    }

    /// Nothing comes out any more, and nothing may be committed.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.detach();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Returns once it is.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Its consumer is of no use any more: nothing comes out until there is another. What was fetched and not handed out is
    /// fetched again.
    pub(super) fn detach(&self) {
        let queue = lock(&self.source).queue.take();
        drop(queue);
    }

    /// Goes on with another consumer, before the partition is assigned to it: from the position that is returned.
    pub(super) fn attach(&self, consumer: &Arc<BaseConsumer<Events>>) -> Result<u64, MqError> {
        let queue = split(consumer, &self.partition, &self.arrived)?;
        let mut source = lock(&self.source);
        source.consumer = Arc::downgrade(consumer);
        source.queue = Some(queue);
        Ok(source.next)
    }

    /// The reader is told so from now on; it gets no more records.
    pub(super) fn fail(&self, error: MqError) {
        lock(&self.source).fault = Some(Fault::Lasting(error));
        self.arrived.notify_one();
    }

    pub(super) const fn partition(&self) -> &Partition {
        &self.partition
    }

    pub(super) const fn number(&self) -> u32 {
        self.partition.number
    }

    fn take(&self, records_max: usize) -> Taken {
        if self.is_closed() {
            return Taken::Closed;
        }
        let mut source = lock(&self.source);
        let records = source.drain(&self.partition, records_max.max(1));
        if !records.is_empty() {
            return Taken::Records(records);
        }
        match source.fault.take() {
            Some(Fault::Passing(error)) => Taken::Failed(error),
            Some(Fault::Lasting(error)) => {
                source.fault = Some(Fault::Lasting(error.clone()));
                Taken::Failed(error)
            }
            Some(Fault::OutOfRange) => {
                source.fault = Some(Fault::OutOfRange);
                Taken::OutOfRange(source.next)
            }
            None => Taken::Nothing,
        }
    }

    /// The error that says what there is instead; or that the cluster could not be asked, then it comes the next time.
    async fn out_of_range(&self, offset: u64) -> MqError {
        let consumer = lock(&self.source).consumer.clone();
        let (partition, wait) = (self.partition.clone(), self.request_timeout);
        let asked = blocking(move || {
            let consumer = consumer.upgrade().ok_or_else(|| MqError::Unavailable("the reader is closed".into()))?;
            partition.watermarks(consumer.client(), wait)
        });
        match asked.await {
            Ok(bounds) => self.partition.out_of_range(offset, bounds),
            Err(error) => error,
        }
    }
}

/// A partition's own queue. Before the partition is assigned, so that no record of it goes another way.
fn split(
    consumer: &Arc<BaseConsumer<Events>>,
    partition: &Partition,
    arrived: &Arc<Notify>,
) -> Result<PartitionQueue<Events>, MqError> {
    let mut queue = consumer
        .split_partition_queue(&partition.name, native(partition.number))
        .ok_or_else(|| MqError::Unavailable(format!("no queue for {}/{}", partition.name, partition.number)))?;
    let waker = arrived.clone();
    // Called whenever the queue was empty and is not any more.
    queue.set_nonempty_callback(move || waker.notify_one());
    Ok(queue)
}

impl Source {
    /// Whatever has arrived, up to a batch. Does not wait.
    fn drain(&mut self, partition: &Partition, records_max: usize) -> Vec<Record> {
        let mut records = Vec::new();
        let Some(queue) = &self.queue else { return records };
        let mut bytes = 0;
        while self.fault.is_none() && records.len() < records_max && bytes < BATCH_BYTES_MAX {
            match queue.poll(Duration::ZERO) {
                None => break,
                // After a rebalance librdkafka fetches again from where it believes us to be.
                Some(Ok(message)) if unsigned(message.offset()) < self.next => {}
                Some(Ok(message)) => {
                    let record = record(partition, &message);
                    self.next = record.offset + 1;
                    bytes += record.key.len() + record.payload.len();
                    records.push(record);
                }
                Some(Err(error)) => self.fault = Some(Fault::of(&error)),
            }
        }
        records
    }
}

impl Fault {
    fn of(error: &KafkaError) -> Self {
        if is_out_of_range(error) {
            Self::OutOfRange
        } else if is_damaged(error) {
            Self::Lasting(MqError::Refused(format!("damaged record: {error}")))
        } else {
            Self::Passing(unavailable(error))
        }
    }
}

fn record(partition: &Partition, message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic: partition.topic,
        partition: partition.number,
        offset: unsigned(message.offset()),
        produced_at_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        headers: headers(message),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Headers {
    let Some(found) = message.headers() else { return Headers::new() };
    // A name that is not UTF-8, which only others write, makes the iterator panic: such a record goes on without headers.
    let copied = catch_unwind(AssertUnwindSafe(|| {
        found
            .iter()
            .map(|header| (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default())))
            .collect::<Headers>()
    }));
    copied.unwrap_or_else(|_| {
        tracing::warn!(partition = message.partition(), offset = message.offset(), "unreadable headers");
        Headers::new()
    })
}

/// Takes from a tap. The guard, where there is one, ends the consumer with the reader.
pub(super) struct TapReader {
    tap: Arc<Tap>,
    _ends: Option<DropGuard>,
}

impl TapReader {
    pub(super) fn new(tap: Arc<Tap>, ends: Option<DropGuard>) -> Self {
        Self { tap, _ends: ends }
    }
}

#[async_trait]
impl Reader for TapReader {
    /// Between taking records and returning them there is no await: dropped while waiting, nothing is lost.
    async fn next(&mut self, records_max: usize) -> Result<Vec<Record>, MqError> {
        loop {
            match self.tap.take(records_max) {
                Taken::Records(records) => return Ok(records),
                Taken::Failed(error) => return Err(error),
                Taken::OutOfRange(offset) => return Err(self.tap.out_of_range(offset).await),
                Taken::Nothing => {
                    let _ = timeout(LOOK_AGAIN, self.tap.arrived.notified()).await;
                }
                // The partition was lost: the assignment's token says so, and the reader is about to be dropped.
                Taken::Closed => pending().await,
            }
        }
    }
}
