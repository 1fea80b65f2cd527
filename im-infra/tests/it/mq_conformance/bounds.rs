//! What happens where something is full or too large.

use im_infra::{
    mq::{EmbeddedLogOptions, KafkaOptions, MqError, NewRecord, Room, Topic},
    testing::eventually,
};

use super::assigned;
use crate::queues::{Fixture, Kind, PARTITIONS, on_every_queue, payloads, take};

on_every_queue! {
    p8_the_largest_record_of_a_topic_passes_and_a_larger_one_is_refused_for_good,
}

async fn p8_the_largest_record_of_a_topic_passes_and_a_larger_one_is_refused_for_good(fixture: Fixture) {
    for topic in Topic::ALL {
        let record = |bytes: usize| NewRecord::keyed("k", vec![b'x'; bytes]).header("traceparent", "00-x");
        let bytes = topic.record_bytes_max() - record(0).bytes();
        fixture.queue.produce(topic, vec![record(bytes)], Room::Internal).await.unwrap();
        let refused = fixture.queue.produce(topic, vec![record(bytes + 1)], Room::Internal).await.unwrap_err();
        assert!(matches!(refused, MqError::Refused(_)), "{refused:?}");
        let partition = fixture.queue.partition_of(topic, b"k");
        let read = fixture.all(topic, partition, 1).await;
        assert!(read.len() == 1 && read[0].payload.len() == bytes, "{topic:?}");
        assert_eq!(fixture.queue.end(topic, partition).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_full_embedded_log_tells_so_loses_nothing_and_keeps_order() {
    // Room for ten records of five thousand bytes.
    let log = EmbeddedLogOptions { topic_bytes_max: 53_000, reserve_bytes: 0, ..EmbeddedLogOptions::default() };
    full(Fixture::configured(Kind::Embedded, log, KafkaOptions::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_full_producer_of_kafka_tells_so_loses_nothing_and_keeps_order() {
    // Ten records may wait, and the cluster gets none of them for three seconds.
    let kafka = KafkaOptions { produce_records_max: 10, linger_ms: 3_000, ..KafkaOptions::default() };
    full(Fixture::configured(Kind::Kafka, EmbeddedLogOptions::default(), kafka).await).await;
}

async fn full(fixture: Fixture) {
    let record = |number: usize| NewRecord::to_partition(0, format!("{number:05000}"));
    let produce = |records: Vec<NewRecord>| fixture.queue.produce(Topic::Upstream, records, Room::Internal);
    let (fits, too_much) = tokio::join!(produce((0..10).map(record).collect()), produce(vec![record(10)]));
    fits.unwrap();
    let told = too_much.unwrap_err();
    assert_eq!(told, MqError::Full { topic: "im.upstream.v1" });
    assert!(told.is_transient());

    // There is room when the group has read on, or when the cluster has confirmed what waits.
    let mut member = fixture.join(&fixture.queue).await;
    let mut given = assigned(&mut member, PARTITIONS as usize).await;
    let mine = given.get_mut(&0).unwrap();
    let mut read = take(&mut *mine.reader, 10).await;
    mine.commit.commit(10).await.unwrap();
    eventually("room", || async { produce(vec![record(10)]).await.ok() }).await;
    read.extend(take(&mut *mine.reader, 1).await);
    assert_eq!(payloads(&read), (0..=10).map(|number| format!("{number:05000}")).collect::<Vec<_>>());
    assert_eq!(fixture.queue.end(Topic::Upstream, 0).await.unwrap(), 11, "nothing twice");
}
