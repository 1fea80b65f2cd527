//! What librdkafka calls back with: log lines, errors and rebalances.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::{
    client::{STEP_WAIT, alone, lock, start_thread},
    lost::Silence,
};

/// A log line of librdkafka.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// An error that concerns no call: librdkafka mends it by itself, and its log line says the same.
pub(super) fn log_error(error: &KafkaError, reason: &str) {
    tracing::debug!(target: "librdkafka", %error, reason, "client error");
}

/// The callbacks of a client that is only asked.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

/// How the partitions of a member change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gained,
    /// They are ours until we give them back.
    Revoked,
    /// Another member may have them already.
    Lost,
}

/// A change that waits for an answer: librdkafka does nothing more in the group until it has one.
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) list: TopicPartitionList,
}

/// The callbacks of a consumer. A rebalance is only noted: the thread answers it later, as it may have to wait for workers.
#[derive(Default)]
pub(super) struct Events {
    changes: Mutex<VecDeque<Change>>,
    leaving: AtomicBool,
    pub(super) silence: Silence,
}

impl Events {
    pub(super) fn next_change(&self) -> Option<Change> {
        lock(&self.changes).pop_front()
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.silence.note(&error);
        log_error(&error, reason);
    }
}

impl ConsumerContext for Events {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.leaving.load(Ordering::Acquire) {
            // Accepted in every state of a consumer that is closing.
            let _ = consumer.unassign();
            return;
        }
        let kind = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Kind::Gained,
            _ if consumer.assignment_lost() => Kind::Lost,
            _ => Kind::Revoked,
        };
        lock(&self.changes).push_back(Change { kind, list: list.clone() });
    }
}

/// Answers a change: takes partitions, with their positions, or gives them back.
pub(super) fn answer(consumer: &BaseConsumer<Events>, gained: bool, list: &TopicPartitionList) -> KafkaResult<()> {
    match (consumer.rebalance_protocol(), gained) {
        (RebalanceProtocol::Cooperative, true) => consumer.incremental_assign(list),
        (RebalanceProtocol::Cooperative, false) => consumer.incremental_unassign(list),
        (RebalanceProtocol::Eager | RebalanceProtocol::None, true) => consumer.assign(list),
        (RebalanceProtocol::Eager | RebalanceProtocol::None, false) => consumer.unassign(),
    }
}

/// Closes a client that is of no use any more, on a thread of its own: nobody knows how long that takes where no broker can be
/// told.
pub(super) fn abandon(close: impl FnOnce() + Send + 'static) {
    if let Err(error) = start_thread("kafka-abandoned", close) {
        tracing::warn!(%error, "a client that is replaced was not closed in order");
    }
}

/// Leaves the group, if it is in one, and closes the consumer. Blocks until the cluster has been told.
pub(super) fn close(consumer: Arc<BaseConsumer<Events>>, unanswered: bool) {
    let consumer = alone(consumer, |consumer| drop(consumer.poll(STEP_WAIT)));
    let unanswered = unanswered || consumer.context().next_change().is_some();
    consumer.context().leaving.store(true, Ordering::Release);
    if unanswered && consumer.close_queue().is_ok() {
        // Once it is closing, this is an answer to any change.
        let _ = consumer.unassign();
    }
    drop(consumer);
}
