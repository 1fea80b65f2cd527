//! What every queue must do, whichever adapter it is.

use std::{collections::BTreeMap, time::Duration};

use im_infra::mq::{Assignment, Group, Member, MqError, NewRecord, Room, Topic};

use super::queues::{Fixture, PARTITIONS, on_every_queue, payloads, take};

mod bounds;

on_every_queue! {
    records_keep_their_order_and_carry_key_and_headers,
    a_reader_seeks_and_waits_for_what_is_not_there_yet,
    r09_a_position_out_of_range_is_told,
    a_group_goes_on_after_what_it_committed,
    takeover_in_the_middle_of_a_batch_brings_the_records_again,
    generation_fencing_refuses_the_commit_of_a_member_that_lost_the_partition,
    two_members_share_the_partitions_and_one_takes_all_when_the_other_leaves,
    a_group_without_members_can_be_reset,
}

/// The next partitions that are given to a member, by number.
async fn assigned(member: &mut Box<dyn Member>, count: usize) -> BTreeMap<u32, Assignment> {
    let mut given = BTreeMap::new();
    while given.len() < count {
        let next =
            tokio::time::timeout(Duration::from_secs(20), member.next()).await.expect("assigned in time").unwrap();
        given.insert(next.partition, next);
    }
    given
}

async fn records_keep_their_order_and_carry_key_and_headers(fixture: Fixture) {
    let record =
        |number: u32| NewRecord::keyed("d:1:2", number.to_string()).header("traceparent", "00-x").header("empty", "");
    for start in [0, 50] {
        fixture
            .queue
            .produce(Topic::Upstream, (start..start + 50).map(record).collect(), Room::External)
            .await
            .unwrap();
    }
    let partition = fixture.queue.partition_of(Topic::Upstream, b"d:1:2");
    let records = fixture.all(Topic::Upstream, partition, 100).await;
    assert_eq!(payloads(&records), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(records.iter().zip(0..).all(|(record, offset)| record.offset == offset && record.key == "d:1:2"));
    assert_eq!((records[0].header("traceparent"), records[0].header("empty")), (Some("00-x"), None));
    assert_eq!(fixture.queue.end(Topic::Upstream, partition).await.unwrap(), 100);
    assert_eq!(fixture.queue.end(Topic::Upstream, 1 - partition).await.unwrap(), 0);
}

async fn a_reader_seeks_and_waits_for_what_is_not_there_yet(fixture: Fixture) {
    fixture.produce(Topic::Downstream, 1, &["a", "b", "c"]).await;
    let mut reader = fixture.other.read(Topic::Downstream, 1, 2).await.unwrap();
    assert_eq!(payloads(&take(&mut *reader, 1).await), ["c"]);
    let waiting = tokio::time::timeout(Duration::from_millis(50), reader.next(10)).await;
    assert!(waiting.is_err(), "nothing is there");
    let (read, ()) = tokio::join!(take(&mut *reader, 1), fixture.produce(Topic::Downstream, 1, &["d"]));
    assert_eq!((payloads(&read), read[0].offset), (vec!["d".to_owned()], 3));
}

async fn r09_a_position_out_of_range_is_told(fixture: Fixture) {
    fixture.produce(Topic::Downstream, 0, &["a"]).await;
    let told = match fixture.queue.read(Topic::Downstream, 0, 99).await {
        Err(error) => error,
        Ok(mut reader) => {
            tokio::time::timeout(Duration::from_secs(10), reader.next(1)).await.expect("told in time").unwrap_err()
        }
    };
    assert!(matches!(told, MqError::OutOfRange { offset: 99, first: 0, end: 1, .. }), "{told:?}");
}

async fn a_group_goes_on_after_what_it_committed(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "b", "c"]).await;
    let mut member = fixture.join(&fixture.queue).await;
    let mut given = assigned(&mut member, PARTITIONS as usize).await;
    let mine = given.get_mut(&0).unwrap();
    assert_eq!(payloads(&take(&mut *mine.reader, 3).await), ["a", "b", "c"]);
    mine.commit.commit(2).await.unwrap();
    drop((given, member));
    assert_eq!(fixture.queue.committed(Group::Logic, Topic::Upstream, 0).await.unwrap(), Some(2));
    let mut member = fixture.join(&fixture.other).await;
    let mut given = assigned(&mut member, PARTITIONS as usize).await;
    assert_eq!(payloads(&take(&mut *given.get_mut(&0).unwrap().reader, 1).await), ["c"]);
}

async fn takeover_in_the_middle_of_a_batch_brings_the_records_again(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "b", "c", "d"]).await;
    let mut first = fixture.join(&fixture.queue).await;
    let mut given = assigned(&mut first, PARTITIONS as usize).await;
    let mine = given.get_mut(&0).unwrap();
    take(&mut *mine.reader, 2).await;
    mine.commit.commit(1).await.unwrap();
    // It dies with "b" done but not committed.
    drop((given, first));
    let mut second = fixture.join(&fixture.other).await;
    let mut given = assigned(&mut second, PARTITIONS as usize).await;
    assert_eq!(payloads(&take(&mut *given.get_mut(&0).unwrap().reader, 3).await), ["b", "c", "d"]);
}

async fn generation_fencing_refuses_the_commit_of_a_member_that_lost_the_partition(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a"]).await;
    fixture.produce(Topic::Upstream, 1, &["b"]).await;
    let mut first = fixture.join(&fixture.queue).await;
    let before = assigned(&mut first, PARTITIONS as usize).await;
    let mut second = fixture.join(&fixture.other).await;
    // The group can only come to rest while the first member takes part.
    let keep = async {
        while let Ok(next) = first.next().await {
            drop(next);
        }
    };
    let moved = tokio::select! {
        given = assigned(&mut second, 1) => given,
        () = keep => panic!("the first member ended"),
    };
    let partition = *moved.keys().next().unwrap();
    let lost = &before[&partition];
    tokio::time::timeout(Duration::from_secs(10), lost.lost.cancelled()).await.expect("told that it is lost");
    assert_eq!(lost.commit.commit(1).await, Err(MqError::Fenced));
    moved[&partition].commit.commit(1).await.unwrap();
}

async fn two_members_share_the_partitions_and_one_takes_all_when_the_other_leaves(fixture: Fixture) {
    let mut first = fixture.join(&fixture.queue).await;
    let all = assigned(&mut first, PARTITIONS as usize).await;
    drop(all);
    let mut second = fixture.join(&fixture.other).await;
    let keep = async {
        while let Ok(next) = first.next().await {
            drop(next);
        }
    };
    let shared =
        tokio::select! { given = assigned(&mut second, 1) => given, () = keep => panic!("the first member ended") };
    assert_eq!(shared.len(), 1);
    drop(first);
    let taken = assigned(&mut second, 1).await;
    let mut both: Vec<u32> = shared.keys().chain(taken.keys()).copied().collect();
    both.sort_unstable();
    assert_eq!(both, [0, 1]);
}

async fn a_group_without_members_can_be_reset(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "b"]).await;
    let mut member = fixture.join(&fixture.queue).await;
    let mut given = assigned(&mut member, PARTITIONS as usize).await;
    let mine = given.get_mut(&0).unwrap();
    take(&mut *mine.reader, 2).await;
    mine.commit.commit(2).await.unwrap();
    assert!(
        matches!(fixture.other.reset(Group::Logic, Topic::Upstream, 0, 0).await, Err(MqError::Refused(_))),
        "it has a member"
    );
    drop((given, member));
    im_infra::testing::eventually("the group to be empty", || async {
        fixture.other.reset(Group::Logic, Topic::Upstream, 0, 0).await.ok()
    })
    .await;
    let mut member = fixture.join(&fixture.other).await;
    let mut given = assigned(&mut member, PARTITIONS as usize).await;
    assert_eq!(payloads(&take(&mut *given.get_mut(&0).unwrap().reader, 2).await), ["a", "b"]);
}
