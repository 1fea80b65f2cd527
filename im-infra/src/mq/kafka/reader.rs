//! A reader of one partition, without a group: a consumer of its own, and the thread that serves it.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig, Message as _, Offset,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use super::{
    super::{MqError, Reader},
    KafkaOptions,
    callbacks::{Events, close},
    client::{POLL_WAIT, Partition, signed, start_thread},
    error::{is_fatal, unavailable, unusable},
    tap::{Tap, TapReader},
};

/// librdkafka wants a group's name even where nothing is shared or committed.
const GROUP: &str = "im-reader";

/// Opens a reader; dropping it closes the consumer, on its thread.
pub(super) async fn open(
    options: &KafkaOptions,
    partition: Partition,
    from: u64,
    token: Option<TaskTrackerToken>,
) -> Result<Box<dyn Reader>, MqError> {
    let config = options.consumer(&format!("{}{GROUP}", options.namespace));
    let request_timeout = options.request_timeout();
    let (ready, opened) = oneshot::channel();
    let stop = CancellationToken::new();
    let ends = stop.clone().drop_guard();
    start_thread("kafka-reader", move || {
        let _token = token;
        match assign(&config, partition, from, request_timeout) {
            Ok((consumer, tap)) => {
                // If nobody waits any more, the guard is gone and the token cancelled.
                let _ = ready.send(Ok(tap.clone()));
                serve(&consumer, &tap, &stop);
                tap.close();
                close(consumer, false);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    })?;
    let tap = opened.await.map_err(|_| MqError::Unavailable("the reader's thread has ended".into()))??;
    Ok(Box::new(TapReader::new(tap, Some(ends))))
}

fn assign(
    config: &ClientConfig,
    partition: Partition,
    from: u64,
    request_timeout: Duration,
) -> Result<(Arc<BaseConsumer<Events>>, Arc<Tap>), MqError> {
    let consumer: BaseConsumer<Events> =
        config.create_with_context(Events::default()).map_err(|error| unusable(&error))?;
    let consumer = Arc::new(consumer);
    let list = partition.at(Offset::Offset(signed(from))).map_err(|error| unavailable(&error))?;
    let tap = Tap::open(&consumer, partition, from, request_timeout)?;
    if let Err(error) = consumer.assign(&list) {
        tap.close();
        close(consumer, false);
        return Err(unavailable(&error));
    }
    Ok((consumer, tap))
}

/// Log lines and errors come here; records and the partition's own errors come out of the tap.
fn serve(consumer: &BaseConsumer<Events>, tap: &Tap, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match consumer.poll(POLL_WAIT) {
            None => {}
            Some(Ok(message)) => {
                let stray = format!("record {} came out of the wrong queue", message.offset());
                tap.fail(MqError::Refused(stray));
            }
            Some(Err(error)) if is_fatal(&error) => tap.fail(unavailable(&error)),
            Some(Err(error)) => tracing::debug!(%error, "reader's consumer"),
        }
    }
}
