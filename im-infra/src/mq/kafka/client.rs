//! What every client needs: a partition's name, a thread to be served on, and a place for calls that block.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{ClientContext, Offset, TopicPartitionList, client::Client, error::KafkaError};

use super::{
    super::{MqError, Topic},
    error::unavailable,
};

/// The longest that a thread waits for events before it looks whether it should end. Events end the wait.
pub(super) const POLL_WAIT: Duration = Duration::from_millis(250);
/// The same while it waits for something that no event announces.
pub(super) const STEP_WAIT: Duration = Duration::from_millis(5);
/// Before a call that failed is made again.
pub(super) const RETRY_WAIT: Duration = Duration::from_millis(250);
/// The same where somebody waits for it: a new topic is not known everywhere at once.
const SOON: Duration = Duration::from_millis(100);

/// A partition, by its name in the cluster.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) topic: Topic,
    /// The topic's name, with namespace.
    pub(super) name: String,
    pub(super) number: u32,
}

impl Partition {
    /// A list of this partition alone.
    pub(super) fn at(&self, offset: Offset) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.name, native(self.number), offset)?;
        Ok(list)
    }

    /// The oldest offset there and one past the newest. Blocks.
    pub(super) fn watermarks<C: ClientContext>(
        &self,
        client: &Client<C>,
        timeout: Duration,
    ) -> Result<(u64, u64), MqError> {
        let (first, end) =
            client.fetch_watermarks(&self.name, native(self.number), timeout).map_err(|error| unavailable(&error))?;
        Ok((unsigned(first), unsigned(end)))
    }

    pub(super) fn out_of_range(&self, offset: u64, (first, end): (u64, u64)) -> MqError {
        MqError::OutOfRange { topic: self.topic.name(), partition: self.number, offset, first, end }
    }
}

/// A partition's number as librdkafka has it; there are never that many.
pub(super) fn native(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// An offset as librdkafka has it.
pub(super) fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// An offset out of librdkafka; negative ones have a meaning there and never come with a record.
pub(super) fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default()
}

/// A call that blocks, on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, MqError> + Send + 'static,
) -> Result<T, MqError> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|error| Err(MqError::Unavailable(error.to_string())))
}

/// Tries again for that long what may pass: an answer is lost with its connection, a partition changes its leader or has none
/// yet. An attempt has the time that is left. Blocks.
pub(super) fn within<T>(
    limit: Duration,
    mut attempt: impl FnMut(Duration) -> Result<T, MqError>,
) -> Result<T, MqError> {
    let until = Instant::now() + limit;
    let left = || until.saturating_duration_since(Instant::now());
    loop {
        match attempt(left()) {
            Err(error) if error.is_transient() && left() > SOON => thread::park_timeout(SOON),
            done => return done,
        }
    }
}

// A client's thread waits in librdkafka for its whole life. It is not joined, as that would block whoever drops the client;
// `Kafka::counted_by` lets the process wait for it.
#[allow(clippy::disallowed_methods)]
pub(super) fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), MqError> {
    match thread::Builder::new().name(name.into()).spawn(work) {
        Ok(_detached) => Ok(()),
        Err(error) => Err(MqError::Unavailable(format!("no thread for {name}: {error}"))),
    }
}

/// Waits until nobody else uses a client, serving it meanwhile: dropping the last reference blocks, so it has to happen on
/// the client's own thread. Everyone else holds a `Weak`, and a reference only for the length of a call.
pub(super) fn alone<T>(mut shared: Arc<T>, serve: impl Fn(&T)) -> T {
    loop {
        match Arc::try_unwrap(shared) {
            Ok(alone) => return alone,
            Err(used) => {
                serve(&used);
                shared = used;
            }
        }
    }
}

/// A lock whose holder panicked still guards data that is whole: every change under it is a single step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_for_as_long_as_a_request_may_take() {
        let tried = |limit: Duration, mut failures: Vec<MqError>| {
            let done = within(limit, |_| failures.pop().map_or(Ok(()), Err));
            (done, failures.len())
        };
        let away = || MqError::Unavailable("connection lost".into());
        assert_eq!(tried(Duration::from_secs(10), vec![away(), away()]), (Ok(()), 0));
        assert_eq!(tried(Duration::ZERO, vec![away(), away()]), (Err(away()), 1), "not for ever");
        let refused = || MqError::Refused("no such setting".into());
        assert_eq!(tried(Duration::from_secs(10), vec![away(), refused()]), (Err(refused()), 1), "no repetition helps");
    }
}
