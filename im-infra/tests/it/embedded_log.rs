//! The embedded log's own: its bounds, and that it is there after the process.

use im_infra::{
    mq::{EmbeddedLog, EmbeddedLogOptions, Group, MqError, NewRecord, Queue, Room, Topic},
    telemetry::Telemetry,
};

use super::queues::{payloads, take};

mod damaged;

fn open(folder: &std::path::Path, topic_bytes_max: u64, reserve_bytes: u64) -> Queue {
    let options = EmbeddedLogOptions { topic_bytes_max, reserve_bytes, partitions: 1 };
    Queue::new(EmbeddedLog::open(folder, &options).unwrap(), &Telemetry::for_tests())
}

fn record(number: usize) -> NewRecord {
    NewRecord::keyed("k", format!("{number:01000}"))
}

async fn fill(queue: &Queue, topic: Topic, room: Room) -> usize {
    for number in 0.. {
        match queue.produce(topic, vec![record(number)], room).await {
            Ok(()) => assert!(number < 1_000, "never full"),
            Err(MqError::Full { .. }) => return number,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!()
}

#[tokio::test]
async fn r20_full_producers_from_outside_are_refused_before_the_pipelines_own() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), 64 << 10, 16 << 10);
    let outside = fill(&queue, Topic::Upstream, Room::External).await;
    assert!((40..50).contains(&outside), "48 KiB of records of 1 KiB: {outside}");
    let inside = fill(&queue, Topic::Upstream, Room::Internal).await;
    assert!((12..18).contains(&inside), "the reserve of 16 KiB: {inside}");
}

#[tokio::test]
async fn r20_what_never_has_room_is_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), 64 << 10, 16 << 10);
    let record = || vec![NewRecord::keyed("k", vec![7; 50 << 10])];
    let refused = queue.produce(Topic::Upstream, record(), Room::External).await.unwrap_err();
    assert!(matches!(refused, MqError::Refused(_)), "{refused:?}");
    queue.produce(Topic::Upstream, record(), Room::Internal).await.unwrap();
}

#[tokio::test]
async fn r20_only_what_every_group_has_read_is_evicted() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), 64 << 10, 0);
    let held = fill(&queue, Topic::Upstream, Room::External).await;
    let mut member = queue.join(Group::Logic, Topic::Upstream).await.unwrap();
    let mut mine = member.next().await.unwrap();
    let records = take(&mut *mine.reader, held).await;
    assert!(matches!(queue.produce(Topic::Upstream, vec![record(0)], Room::External).await, Err(MqError::Full { .. })));
    mine.commit.commit(10).await.unwrap();
    queue.produce(Topic::Upstream, vec![record(held)], Room::External).await.unwrap();
    // What was not committed is all still there, and what was evicted is told as out of range.
    let mut reader = queue.read(Topic::Upstream, 0, 10).await.unwrap();
    let rest = take(&mut *reader, held + 1 - 10).await;
    assert_eq!(payloads(&rest[..held - 10]), payloads(&records[10..]));
    assert!(matches!(queue.read(Topic::Upstream, 0, 0).await, Err(MqError::OutOfRange { .. })));
}

#[tokio::test]
async fn r20_a_topic_without_a_group_evicts_its_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), 64 << 10, 0);
    for number in 0..500 {
        queue.produce(Topic::Downstream, vec![record(number)], Room::Internal).await.unwrap();
    }
    assert_eq!(queue.end(Topic::Downstream, 0).await.unwrap(), 500);
    let mut reader = queue.read(Topic::Downstream, 0, 470).await.unwrap();
    assert_eq!(take(&mut *reader, 30).await.last().unwrap().offset, 499);
    let told = queue.read(Topic::Downstream, 0, 0).await.err().unwrap();
    assert!(matches!(told, MqError::OutOfRange { first, end: 500, .. } if first > 400), "{told:?}");
}

#[tokio::test]
async fn offsets_go_on_after_a_restart_even_if_all_was_evicted() {
    let folder = tempfile::tempdir().unwrap();
    {
        let queue = open(folder.path(), 64 << 10, 0);
        queue.produce(Topic::Upstream, (0..5).map(record).collect(), Room::Internal).await.unwrap();
        let mut member = queue.join(Group::Logic, Topic::Upstream).await.unwrap();
        let mine = member.next().await.unwrap();
        mine.commit.commit(3).await.unwrap();
    }
    let queue = open(folder.path(), 64 << 10, 0);
    assert_eq!(queue.committed(Group::Logic, Topic::Upstream, 0).await.unwrap(), Some(3));
    assert_eq!(queue.end(Topic::Upstream, 0).await.unwrap(), 5);
    queue.produce(Topic::Upstream, vec![record(5)], Room::Internal).await.unwrap();
    let mut reader = queue.read(Topic::Upstream, 0, 0).await.unwrap();
    assert_eq!(payloads(&take(&mut *reader, 6).await), (0..6).map(|n| format!("{n:01000}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_number_of_partitions_is_fixed() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), 64 << 10, 0));
    let more = EmbeddedLogOptions { partitions: 2, ..EmbeddedLogOptions::default() };
    assert!(matches!(EmbeddedLog::open(folder.path(), &more), Err(MqError::Refused(_))));
}
