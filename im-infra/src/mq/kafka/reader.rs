//! A reader of one partition, without a group: a consumer of its own, and the thread that serves it.

use std::{sync::Arc, thread};

use rdkafka::{
    ClientConfig, Message as _, Offset,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use super::{
    super::{MqError, Reader},
    KafkaOptions,
    callbacks::{Events, abandon, close},
    client::{POLL_WAIT, Partition, RETRY_WAIT, signed, start_thread},
    error::{is_fatal, unavailable, unusable},
    lost::{Replaced, Watch},
    tap::{Tap, TapReader},
};

/// librdkafka wants a group's name even where nothing is shared or committed.
const GROUP: &str = "im-reader";

type Consumer = BaseConsumer<Events>;

/// Opens a reader; dropping it closes the consumer, on its thread.
pub(super) async fn open(
    (options, replaced): (&KafkaOptions, &Replaced),
    partition: Partition,
    from: u64,
    token: Option<TaskTrackerToken>,
) -> Result<Box<dyn Reader>, MqError> {
    let config = options.consumer(&format!("{}{GROUP}", options.namespace));
    let watch = Watch::new(options, &partition.name, replaced);
    let request_timeout = options.request_timeout();
    let (ready, opened) = oneshot::channel();
    let stop = CancellationToken::new();
    let ends = stop.clone().drop_guard();
    start_thread("kafka-reader", move || {
        let _token = token;
        match assign(&config, |consumer| Ok((Tap::open(consumer, partition, from, request_timeout)?, from))) {
            Ok((consumer, tap)) => {
                // If nobody waits any more, the guard is gone and the token cancelled.
                let _ = ready.send(Ok(tap.clone()));
                run(&config, consumer, &tap, (watch, &stop));
                tap.close();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    })?;
    let tap = opened.await.map_err(|_| MqError::Unavailable("the reader's thread has ended".into()))??;
    Ok(Box::new(TapReader::new(tap, Some(ends))))
}

/// A new consumer with one partition, whose records come out of the tap that `connect` gives, from its position on.
fn assign(
    config: &ClientConfig,
    connect: impl FnOnce(&Arc<Consumer>) -> Result<(Arc<Tap>, u64), MqError>,
) -> Result<(Arc<Consumer>, Arc<Tap>), MqError> {
    let consumer: Consumer = config.create_with_context(Events::default()).map_err(|error| unusable(&error))?;
    let consumer = Arc::new(consumer);
    let (tap, from) = connect(&consumer)?;
    let list = tap.partition().at(Offset::Offset(signed(from)));
    if let Err(error) = list.and_then(|list| consumer.assign(&list)) {
        tap.detach();
        close(consumer, false);
        return Err(unavailable(&error));
    }
    Ok((consumer, tap))
}

/// Until nobody reads any more. A consumer that is lost is replaced; the reader only waits longer for its next record.
fn run(
    config: &ClientConfig,
    mut consumer: Arc<Consumer>,
    tap: &Arc<Tap>,
    (mut watch, stop): (Watch, &CancellationToken),
) {
    while serve(&consumer, tap, &mut watch, stop).is_lost() {
        tap.detach();
        abandon(move || close(consumer, false));
        consumer = loop {
            if stop.is_cancelled() {
                return;
            }
            match assign(config, |consumer| Ok((tap.clone(), tap.attach(consumer)?))) {
                Ok((next, _)) => break next,
                Err(error) => tracing::error!(%error, "no new reader yet"),
            }
            thread::park_timeout(RETRY_WAIT);
        };
    }
    tap.close();
    close(consumer, false);
}

/// Why a consumer is served no more.
enum End {
    Stopped,
    Lost,
}

impl End {
    const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost)
    }
}

/// Log lines and errors come here; records and the partition's own errors come out of the tap.
fn serve(consumer: &Consumer, tap: &Tap, watch: &mut Watch, stop: &CancellationToken) -> End {
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
        if watch.is_lost("reader", &consumer.context().silence, consumer.client()) {
            return End::Lost;
        }
    }
    End::Stopped
}
