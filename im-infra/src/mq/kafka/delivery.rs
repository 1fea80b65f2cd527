//! What becomes of the records of one call: counted by the delivery callbacks, not one future for each.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
};
use tokio::sync::Notify;

use super::{
    super::MqError,
    callbacks::{log, log_error},
    client::lock,
    error::undelivered,
    lost::Silence,
};

/// The records of one call.
pub(super) struct Batch {
    /// Records on their way, and one for the call itself, so that it cannot come to nothing before all are sent.
    open: AtomicUsize,
    failure: Mutex<Option<MqError>>,
    done: Notify,
}

impl Batch {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(1), failure: Mutex::default(), done: Notify::new() })
    }

    /// Before a record is sent: its report may be there before the send returns.
    pub(super) fn add(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A record has its report, or was not sent after all.
    pub(super) fn settle(&self, error: Option<MqError>) {
        if let Some(error) = error {
            let mut failure = lock(&self.failure);
            // One that lasts says more than one that passes.
            if failure.as_ref().is_none_or(MqError::is_transient) {
                *failure = Some(error);
            }
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    /// All were sent: waits for their reports.
    pub(super) async fn settled(&self) -> Result<(), MqError> {
        self.settle(None);
        self.done.notified().await;
        lock(&self.failure).take().map_or(Ok(()), Err)
    }
}

/// The callbacks of the producer.
#[derive(Default)]
pub(super) struct Deliveries {
    /// Set when the idempotent producer has lost track: it sends nothing any more.
    pub(super) fatal: AtomicBool,
    pub(super) silence: Silence,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.fatal.store(true, Ordering::Release);
        }
        self.silence.note(&error);
        log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        batch.settle(result.as_ref().err().map(|(error, _)| undelivered(error)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_done_when_its_last_record_is() {
        let batch = Batch::new();
        batch.add();
        batch.add();
        // One is reported before all are sent.
        batch.settle(None);
        let waiting = batch.clone();
        let settled = waiting.settled();
        tokio::pin!(settled);
        tokio::select! {
            biased;
            _ = &mut settled => panic!("one record is still on its way"),
            () = std::future::ready(()) => {}
        }
        batch.settle(None);
        assert_eq!(settled.await, Ok(()));
    }

    #[tokio::test]
    async fn a_refused_record_counts_for_more_than_an_outage() {
        let batch = Batch::new();
        for error in [MqError::Unavailable("a".into()), MqError::Refused("b".into()), MqError::Unavailable("c".into())]
        {
            batch.add();
            batch.settle(Some(error));
        }
        assert_eq!(batch.settled().await, Err(MqError::Refused("b".into())));
    }

    #[tokio::test]
    async fn a_call_without_records_is_done_at_once() {
        assert_eq!(Batch::new().settled().await, Ok(()));
    }
}
