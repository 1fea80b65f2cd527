//! The queue between services: one table of topics, one port with two adapters (Kafka, and a log embedded in the process),
//! and above the port one way to consume: in order, commit after effect, retry in place, dead letters.
//!
//! ```
//! use im_infra::mq::{EmbeddedLog, EmbeddedLogOptions, NewRecord, Queue, Room, Topic};
//! use im_infra::{lifecycle::Lifecycle, telemetry::Telemetry};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let folder = tempfile::tempdir().unwrap();
//! let log = EmbeddedLog::open(folder.path(), &EmbeddedLogOptions::default()).unwrap();
//! let queue = Queue::new(log, &Telemetry::for_tests());
//! queue.produce(Topic::Upstream, vec![NewRecord::keyed("d:1:2", "hello")], Room::External).await.unwrap();
//! let partition = queue.partition_of(Topic::Upstream, b"d:1:2");
//! let mut reader = queue.read(Topic::Upstream, partition, 0).await.unwrap();
//! assert_eq!(reader.next(10).await.unwrap()[0].payload, "hello");
//! # });
//! ```

mod bury;
mod consume;
mod embedded;
mod error;
mod kafka;
mod lag;
mod port;
mod queue;
mod record;
mod table;
mod topic;
mod worker;

pub use consume::{ConsumeOptions, Failure, Handler, consume};
pub use embedded::{EmbeddedLog, EmbeddedLogOptions};
pub use error::MqError;
pub use kafka::{Kafka, KafkaOptions};
pub use port::{Assignment, Broker, Commit, Member, Reader, Room};
pub use queue::Queue;
pub use record::{DAMAGED, Headers, NewRecord, Record, Routed};
pub use table::{CLEANUP, Partitioning, TopicFacts};
pub use topic::{Group, Topic};
