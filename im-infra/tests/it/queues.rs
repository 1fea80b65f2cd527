//! The adapters of the queue port, each with a log of its own.

use im_infra::{
    mq::{
        EmbeddedLog, EmbeddedLogOptions, Group, Kafka, KafkaOptions, Member, NewRecord, Queue, Reader, Record, Room,
        Topic,
    },
    telemetry::Telemetry,
    testing::infra,
};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    Kafka,
}

/// Partitions of every topic in these tests.
pub(crate) const PARTITIONS: u32 = 2;

/// Of topics and groups that no other test has.
pub(crate) fn namespace() -> String {
    format!("t{}.", uuid::Uuid::new_v4().simple())
}

/// A queue as two processes see it.
pub(crate) struct Fixture {
    pub(crate) queue: Queue,
    pub(crate) other: Queue,
    pub(crate) telemetry: Telemetry,
    _folder: Option<TempDir>,
}

impl Fixture {
    pub(crate) async fn start(kind: Kind) -> Self {
        Self::configured(kind, EmbeddedLogOptions::default(), KafkaOptions::default()).await
    }

    /// With bounds of its own. A namespace is made up unless there is one.
    pub(crate) async fn configured(kind: Kind, log: EmbeddedLogOptions, kafka: KafkaOptions) -> Self {
        let telemetry = Telemetry::for_tests();
        match kind {
            Kind::Embedded => {
                let folder = tempfile::tempdir().unwrap();
                let options = EmbeddedLogOptions { partitions: PARTITIONS, ..log };
                let queue = Queue::new(EmbeddedLog::open(folder.path(), &options).unwrap(), &telemetry);
                Self { other: queue.clone(), queue, telemetry, _folder: Some(folder) }
            }
            Kind::Kafka => {
                let options = KafkaOptions {
                    brokers: infra("GOCHAT_TEST_KAFKA"),
                    namespace: if kafka.namespace.is_empty() { namespace() } else { kafka.namespace.clone() },
                    partitions: PARTITIONS,
                    downstream_partitions: PARTITIONS,
                    session_timeout_ms: 3_000,
                    ..kafka
                };
                let queue = Queue::new(Kafka::connect(&options).await.unwrap(), &telemetry);
                let other = Queue::new(Kafka::connect(&options).await.unwrap(), &telemetry);
                Self { queue, other, telemetry, _folder: None }
            }
        }
    }

    pub(crate) async fn produce(&self, topic: Topic, partition: u32, payloads: &[&str]) {
        let record = |payload: &&str| NewRecord::to_partition(partition, payload.as_bytes().to_vec());
        self.queue.produce(topic, payloads.iter().map(record).collect(), Room::Internal).await.unwrap();
    }

    pub(crate) async fn join(&self, queue: &Queue) -> Box<dyn Member> {
        queue.join(Group::Logic, Topic::Upstream).await.unwrap()
    }

    /// Everything in a partition, once there are so many records.
    pub(crate) async fn all(&self, topic: Topic, partition: u32, count: usize) -> Vec<Record> {
        let mut reader = self.queue.read(topic, partition, 0).await.unwrap();
        take(&mut *reader, count).await
    }
}

/// The next so many records.
pub(crate) async fn take(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        let next = tokio::time::timeout(std::time::Duration::from_secs(10), reader.next(count - records.len()));
        records.extend(next.await.expect("records come in time").unwrap());
    }
    records
}

pub(crate) fn payloads(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.payload.to_vec()).unwrap()).collect()
}

/// Makes one test per adapter of an async function that takes a [`Fixture`].
macro_rules! on_every_queue {
    ($($test:ident,)+) => {
        mod embedded { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(crate::queues::Fixture::start(crate::queues::Kind::Embedded).await).await; } )+ }
        mod kafka { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(crate::queues::Fixture::start(crate::queues::Kind::Kafka).await).await; } )+ }
    };
}
pub(crate) use on_every_queue;
