//! All brokers go away in order and come back, or stand still: every client of Kafka goes on by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use im_infra::{
    config::Secret,
    mq::{Group, Kafka, KafkaOptions, MqError, NewRecord, Queue, Reader, Room, Topic},
    telemetry::Telemetry,
    testing::eventually_within,
};
use tokio::{task::JoinSet, time::timeout};

use super::infrastructure::Infrastructure;

/// Processes: each produces to a partition of its own and reads it.
const PROCESSES: u32 = 24;
const ROUNDS_MAX: usize = 10;
/// From the broker's return on: until a client is known to be lost, replaced, and at work again. It takes a few seconds where
/// nothing else is to be done.
const BACK_MAX: Duration = Duration::from_secs(60);

/// What one process has confirmed, and what came back.
#[derive(Default)]
struct Seen {
    sent: AtomicU64,
    confirmed: AtomicU64,
    read: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_of_kafka_gets_over_a_broker_that_ends_and_comes_back() {
    let infrastructure = Infrastructure::start_only(&["kafka"]).await;
    let options = KafkaOptions {
        brokers: infrastructure.address("GOCHAT_TEST_KAFKA"),
        partitions: 2,
        downstream_partitions: PROCESSES,
        session_timeout_ms: 6_000,
        request_timeout_ms: 60_000,
        ..KafkaOptions::default()
    };
    // A client loses its way in the moment in which the broker, about to end, names no broker any more: so it asks often.
    let often = [("retry_backoff_ms", "1"), ("retry_backoff_max_ms", "5")];
    let properties = often.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
    let options = KafkaOptions { properties, ..options };
    let mut tasks = JoinSet::new();
    let (mut all, mut told) = (Vec::new(), Vec::new());
    for process in 0..PROCESSES {
        let kafka = Kafka::connect(&options).await.unwrap();
        let telemetry = Telemetry::for_tests();
        let queue = Queue::new(kafka, &telemetry);
        let seen = Arc::new(Seen::default());
        let reader = queue.read(Topic::Downstream, process, 0).await.unwrap();
        tasks.spawn(read(reader, seen.clone()));
        tasks.spawn(produce(queue.clone(), process, seen.clone()));
        all.push((queue, seen));
        told.push(telemetry);
    }
    // The group's members see what the first process sends upstream.
    let consumed = Arc::new(AtomicU64::new(0));
    for (queue, _) in all.iter().take(4) {
        tasks.spawn(consume(queue.clone(), consumed.clone()));
    }
    eventually_within(BACK_MAX, "all of them to be at work", || async {
        let busy = all.iter().all(|(_, seen)| seen.read.load(Ordering::Relaxed) > 0);
        (busy && consumed.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;

    for round in 0.. {
        assert!(
            round < ROUNDS_MAX,
            "no client lost its way: is librdkafka mended, and `mq/kafka/lost.rs` needed no more?"
        );
        infrastructure.stop("kafka").await;
        infrastructure.start_again("kafka").await;
        let sent: Vec<_> = all.iter().map(|(_, seen)| seen.sent.load(Ordering::Relaxed)).collect();
        let before = consumed.load(Ordering::Relaxed);
        eventually_within(BACK_MAX, "all of them, and the group, to be at work again", || async {
            let mut processes = all.iter().zip(&sent);
            let back = processes.all(|((_, seen), sent)| seen.read.load(Ordering::Relaxed) > *sent);
            (back && consumed.load(Ordering::Relaxed) > before).then_some(())
        })
        .await;
        if told.iter().any(|telemetry| replaced(telemetry) > 0) {
            break;
        }
    }
    // Nothing that was confirmed is missing: the readers check the order themselves.
    let settled = || async {
        all.iter()
            .all(|(_, seen)| seen.read.load(Ordering::Relaxed) >= seen.confirmed.load(Ordering::Relaxed))
            .then_some(())
    };
    eventually_within(BACK_MAX, "what was confirmed to be read", settled).await;
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        assert!(ended.is_err_and(|error| error.is_cancelled()), "a task ended by itself");
    }
}

/// A worker that waited for such an answer would hold the process when it stops.
#[tokio::test]
async fn a_commit_waits_for_no_broker_once_its_partition_is_lost() {
    let infrastructure = Infrastructure::start_only(&["kafka"]).await;
    let options = KafkaOptions {
        brokers: infrastructure.address("GOCHAT_TEST_KAFKA"),
        partitions: 1,
        session_timeout_ms: 1_000,
        ..KafkaOptions::default()
    };
    let queue = Queue::new(Kafka::connect(&options).await.unwrap(), &Telemetry::for_tests());
    queue.produce(Topic::Upstream, vec![NewRecord::keyed("key", "payload")], Room::External).await.unwrap();
    let mut member = queue.join(Group::Logic, Topic::Upstream).await.unwrap();
    let mut assignment = member.next().await.unwrap();
    let records = assignment.reader.next(1).await.unwrap();
    infrastructure.signal("kafka1", "STOP").await;
    // Asked for while the partition is still ours, and never answered.
    let committed = timeout(BACK_MAX, assignment.commit.commit(records[0].offset + 1)).await;
    infrastructure.signal("kafka1", "CONT").await;
    assert_eq!(committed, Ok(Err(MqError::Fenced)));
}

/// Sends 1, 2, 3 ..., each when the one before is confirmed, and again for as long as it is not.
async fn produce(queue: Queue, process: u32, seen: Arc<Seen>) {
    for number in 1_u64.. {
        seen.sent.store(number, Ordering::Relaxed);
        let downstream = || vec![NewRecord::to_partition(process, number.to_string())];
        while queue.produce(Topic::Downstream, downstream(), Room::Internal).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        seen.confirmed.store(number, Ordering::Relaxed);
        if process == 0 {
            let upstream = vec![NewRecord::keyed(number.to_string(), number.to_string())];
            // Whether one of them gets there makes no difference, as others follow.
            let _ = queue.produce(Topic::Upstream, upstream, Room::External).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A number may come again, and none may be passed over.
async fn read(mut reader: Box<dyn Reader>, seen: Arc<Seen>) {
    loop {
        let records = match reader.next(100).await {
            Ok(records) => records,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                continue;
            }
        };
        for record in records {
            let number: u64 = std::str::from_utf8(&record.payload).unwrap().parse().unwrap();
            let read = seen.read.load(Ordering::Relaxed);
            assert!(number <= read + 1, "{number} after {read}");
            seen.read.store(read.max(number), Ordering::Relaxed);
        }
    }
}

async fn consume(queue: Queue, consumed: Arc<AtomicU64>) {
    let mut member = queue.join(Group::Logic, Topic::Upstream).await.unwrap();
    let mut workers = JoinSet::new();
    loop {
        let mut assignment = member.next().await.unwrap();
        let consumed = consumed.clone();
        workers.spawn(async move {
            let lost = assignment.lost.clone();
            let work = async {
                loop {
                    let Ok(records) = assignment.reader.next(100).await else { continue };
                    let Some(last) = records.last() else { continue };
                    consumed.fetch_add(records.len() as u64, Ordering::Relaxed);
                    let _ = assignment.commit.commit(last.offset + 1).await;
                }
            };
            tokio::select! { () = lost.cancelled() => {} () = work => {} }
        });
    }
}

fn replaced(telemetry: &Telemetry) -> u64 {
    let text = telemetry.metrics_text().unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("im_mq_clients_replaced_total")?.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_default()
}
