//! A dead letter that the queue refuses for good is cut, so that the partition goes on.

use std::time::Duration;

use im_infra::{
    mq::{DAMAGED, EmbeddedLogOptions, Failure, KafkaOptions, NewRecord, Room, Topic},
    testing::{eventually, infra},
};
use prost::Message as _;
use proto::{ErrorCode, mq};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use super::{quick, start};
use crate::queues::{Fixture, Kind, PARTITIONS, namespace};

#[tokio::test(flavor = "multi_thread")]
async fn r16_a_letter_that_never_fits_into_the_embedded_log_is_cut() {
    // The key stands in a letter twice.
    let log = EmbeddedLogOptions { topic_bytes_max: 64 << 10, reserve_bytes: 0, ..EmbeddedLogOptions::default() };
    cut(Fixture::configured(Kind::Embedded, log, KafkaOptions::default()).await, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_a_letter_that_a_cluster_refuses_is_cut() {
    let kafka = KafkaOptions { namespace: namespace(), ..KafkaOptions::default() };
    make_narrow_topic(&format!("{}im.dead.v1", kafka.namespace)).await;
    cut(Fixture::configured(Kind::Kafka, EmbeddedLogOptions::default(), kafka).await, 0).await;
}

/// As an operator may have made it, who did not read the table.
async fn make_narrow_topic(name: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", infra("GOCHAT_TEST_KAFKA")).create().unwrap();
    let partitions = i32::try_from(PARTITIONS).unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("max.message.bytes", "20000");
    let patience = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    let made = admin.create_topics(&[topic], &patience).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

async fn cut(fixture: Fixture, kept_bytes: usize) {
    let produce = |record| fixture.queue.produce(Topic::Upstream, vec![record], Room::Internal);
    let large = NewRecord { key: vec![b'k'; 30_000].into(), ..NewRecord::to_partition(0, vec![b'p'; 20_000]) };
    produce(large).await.unwrap();
    fixture.produce(Topic::Upstream, 0, &["after"]).await;
    let running = start(&fixture.queue, quick(), |batch, _| {
        match batch.iter().position(|record| record.payload.starts_with(b"p") || record.payload.is_empty()) {
            Some(index) => Err(Failure::Poison(vec![(index, ErrorCode::Unsupported.into())])),
            None => Ok(()),
        }
    });
    assert_eq!(running.done(1).await, ["after"]);
    let partition = fixture.queue.partition_of(Topic::Dead, &[b'k'; 1_024]);
    let letter = mq::Dead::decode(fixture.all(Topic::Dead, partition, 1).await.remove(0).payload).unwrap();
    assert_eq!((letter.key.len(), letter.payload.len()), (1_024, kept_bytes));
    let marker = letter.headers.iter().find(|header| header.name == DAMAGED).unwrap();
    let told = format!("cut: {kept_bytes} of 20000 bytes, sha256 ");
    assert!(marker.value.starts_with(told.as_bytes()), "{marker:?}");
    assert_eq!(running.script.parked.lock().unwrap().len(), 1);

    // Sent again, the part is not taken for the whole.
    let headers = letter.headers.into_iter().map(|header| (header.name, header.value)).collect();
    let part = NewRecord { key: letter.key, payload: letter.payload, headers, partition: Some(0) };
    eventually("room for it", || async { produce(part.clone()).await.ok() }).await;
    fixture.produce(Topic::Upstream, 0, &["the end"]).await;
    assert_eq!(running.done(2).await, ["after", "the end"]);
    let again = mq::Dead::decode(fixture.all(Topic::Dead, partition, 2).await.remove(1).payload).unwrap();
    assert_eq!(again.error.unwrap().code, "invalid_argument", "it was not handled");
    let script = running.script.clone();
    running.stop().await;
    assert_eq!((script.parked.lock().unwrap().len(), script.lost.lock().unwrap().len()), (1, 1));
}
