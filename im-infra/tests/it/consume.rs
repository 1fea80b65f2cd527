//! Consuming, above the port: order, retry in place, dead letters, commit after effect.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use im_infra::{
    clock::Clock,
    lifecycle::Lifecycle,
    mq::{ConsumeOptions, Failure, Group, Handler, Queue, Record, Topic, consume},
    testing::eventually,
};
use prost::Message as _;
use proto::{Error, ErrorCode, mq};

use super::queues::{Fixture, on_every_queue};

mod letters;

on_every_queue! {
    p6_an_offset_is_committed_only_after_the_effect,
    a_dependency_that_is_down_is_waited_for_in_place_and_order_is_kept,
    r16_poison_order_the_dead_letter_is_confirmed_before_any_later_record,
    r16_a_record_that_makes_the_handler_panic_is_set_aside_and_the_rest_flows,
    too_many_dead_letters_in_a_row_pause_the_partition,
    the_lag_is_shown_while_a_dependency_is_down_and_until_the_partition_is_given_back,
}

type Plan = Box<dyn Fn(&[Record], &[String]) -> Result<(), Failure> + Send + Sync>;

/// Remembers what it did; a plan says what fails.
pub(crate) struct Script {
    done: Mutex<Vec<String>>,
    pub(crate) parked: Mutex<Vec<String>>,
    /// Offsets.
    pub(crate) lost: Mutex<Vec<u64>>,
    plan: Plan,
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
        let done = self.done.lock().unwrap().clone();
        (self.plan)(batch, &done)?;
        self.done.lock().unwrap().extend(super::queues::payloads(batch));
        Ok(())
    }

    async fn parked(&self, record: &Record, _: &Error) -> Result<(), Failure> {
        self.parked.lock().unwrap().push(String::from_utf8(record.payload.to_vec()).unwrap());
        Ok(())
    }

    async fn lost(&self, record: &Record) -> Result<(), Failure> {
        self.lost.lock().unwrap().push(record.offset);
        Ok(())
    }
}

pub(crate) struct Running {
    pub(crate) script: Arc<Script>,
    life: Lifecycle,
}

pub(crate) fn start(
    queue: &Queue,
    options: ConsumeOptions,
    plan: impl Fn(&[Record], &[String]) -> Result<(), Failure> + Send + Sync + 'static,
) -> Running {
    let (done, parked, lost) = (Mutex::default(), Mutex::default(), Mutex::default());
    let script = Arc::new(Script { done, parked, lost, plan: Box::new(plan) });
    let life = Lifecycle::new();
    let source = (queue.clone(), Group::Logic, Topic::Upstream);
    life.spawn("consume", consume(source, script.clone(), options, life.clone(), Clock::manual(7)));
    Running { script, life }
}

impl Running {
    pub(crate) async fn done(&self, count: usize) -> Vec<String> {
        eventually("the records to be handled", || async {
            let done = self.script.done.lock().unwrap().clone();
            (done.len() >= count).then_some(done)
        })
        .await
    }

    pub(crate) async fn stop(self) {
        self.life.drain(Duration::from_secs(20)).await.unwrap();
    }
}

pub(crate) fn quick() -> ConsumeOptions {
    ConsumeOptions { retry_min_ms: 1, retry_max_ms: 5, ..ConsumeOptions::default() }
}

fn position(batch: &[Record], payload: &str) -> Option<usize> {
    batch.iter().position(|record| record.payload == payload)
}

async fn p6_an_offset_is_committed_only_after_the_effect(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "b"]).await;
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let seen = down.clone();
    let running = start(&fixture.queue, quick(), move |_, _| {
        if seen.load(std::sync::atomic::Ordering::Relaxed) {
            Err(Failure::Transient(ErrorCode::Unavailable.into()))
        } else {
            Ok(())
        }
    });
    eventually("a retry", || async {
        fixture.telemetry.metrics_text().unwrap().contains("im_mq_retries_total").then_some(())
    })
    .await;
    assert_eq!(fixture.queue.committed(Group::Logic, Topic::Upstream, 0).await.unwrap().unwrap_or(0), 0);
    down.store(false, std::sync::atomic::Ordering::Relaxed);
    running.done(2).await;
    eventually("the commit", || async {
        (fixture.queue.committed(Group::Logic, Topic::Upstream, 0).await.unwrap() == Some(2)).then_some(())
    })
    .await;
    running.stop().await;
}

async fn a_dependency_that_is_down_is_waited_for_in_place_and_order_is_kept(fixture: Fixture) {
    let names: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    fixture.produce(Topic::Upstream, 0, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let tries = std::sync::atomic::AtomicU32::new(0);
    let options = ConsumeOptions { batch_records_max: 7, ..quick() };
    let running = start(&fixture.queue, options, move |_, _| {
        // Two of three tries fail.
        if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3 == 2 {
            Ok(())
        } else {
            Err(Failure::Transient(ErrorCode::Unavailable.into()))
        }
    });
    assert_eq!(running.done(50).await, names);
    running.stop().await;
}

async fn r16_poison_order_the_dead_letter_is_confirmed_before_any_later_record(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "poison", "b"]).await;
    let queue = fixture.queue.clone();
    let running = start(&fixture.queue, quick(), move |batch, _| {
        if let Some(index) = position(batch, "poison") {
            return Err(Failure::Poison(vec![(index, ErrorCode::Unsupported.into())]));
        }
        // Whatever is handled after it finds the letter there.
        let queue = queue.clone();
        let dead = std::thread::scope(|scope| {
            let ask = scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let ends = [queue.end(Topic::Dead, 0).await.unwrap(), queue.end(Topic::Dead, 1).await.unwrap()];
                    ends.iter().sum::<u64>()
                })
            });
            ask.join().unwrap()
        });
        assert_eq!(dead, 1);
        Ok(())
    });
    assert_eq!(running.done(2).await, ["a", "b"]);
    assert_eq!(*running.script.parked.lock().unwrap(), ["poison"]);
    let partition = fixture.queue.partition_of(Topic::Dead, b"");
    let letter = mq::Dead::decode(fixture.all(Topic::Dead, partition, 1).await.remove(0).payload).unwrap();
    assert_eq!(
        (&*letter.topic, letter.offset, &letter.payload[..], letter.died_at_ms),
        ("im.upstream.v1", 1, &b"poison"[..], 7)
    );
    assert_eq!((letter.error.unwrap().code.as_str(), letter.consumer.as_str()), ("unsupported", "im-logic"));
    running.stop().await;
}

async fn r16_a_record_that_makes_the_handler_panic_is_set_aside_and_the_rest_flows(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "boom", "b", "c"]).await;
    let options = ConsumeOptions { attempts_max: 2, ..quick() };
    let running = start(&fixture.queue, options, |batch, _| {
        assert!(position(batch, "boom").is_none(), "a rule panics");
        Ok(())
    });
    assert_eq!(running.done(3).await, ["a", "b", "c"]);
    let partition = fixture.queue.partition_of(Topic::Dead, b"");
    let letter = mq::Dead::decode(fixture.all(Topic::Dead, partition, 1).await.remove(0).payload).unwrap();
    assert_eq!((letter.attempts, letter.error.unwrap().params["panic"].contains("a rule panics")), (2, true));
    running.stop().await;
}

async fn too_many_dead_letters_in_a_row_pause_the_partition(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["x", "x", "x", "x"]).await;
    let options = ConsumeOptions { dead_in_row_max: 2, dead_pause_ms: 600_000, ..quick() };
    let running = start(&fixture.queue, options, |batch, _| {
        Err(Failure::Poison((0..batch.len()).map(|index| (index, ErrorCode::Unsupported.into())).collect()))
    });
    eventually("two letters", || async { (running.script.parked.lock().unwrap().len() == 2).then_some(()) }).await;
    let third = tokio::time::timeout(Duration::from_millis(100), async {
        while running.script.parked.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
    });
    assert!(third.await.is_err(), "it pauses");
    running.stop().await;
}

async fn the_lag_is_shown_while_a_dependency_is_down_and_until_the_partition_is_given_back(fixture: Fixture) {
    fixture.produce(Topic::Upstream, 0, &["a", "b", "c"]).await;
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let seen = down.clone();
    let running = start(&fixture.queue, quick(), move |_, _| {
        if seen.load(std::sync::atomic::Ordering::Relaxed) {
            Err(Failure::Transient(ErrorCode::Unavailable.into()))
        } else {
            Ok(())
        }
    });
    let shown = |records: u32| {
        let line = format!("im_mq_lag{{group=\"im-logic\",partition=\"0\",topic=\"im.upstream.v1\"}} {records}\n");
        fixture.telemetry.metrics_text().unwrap().contains(&line).then_some(())
    };
    eventually("three records behind", || async { shown(3) }).await;
    down.store(false, std::sync::atomic::Ordering::Relaxed);
    running.done(3).await;
    eventually("none behind", || async { shown(0) }).await;
    running.stop().await;
    assert!(!fixture.telemetry.metrics_text().unwrap().contains("im_mq_lag{"), "nobody here has the partition");
}
