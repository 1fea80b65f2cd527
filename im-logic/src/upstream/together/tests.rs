use std::sync::Arc;

use im_infra::{mq::Topic, telemetry::Telemetry, testing::eventually};
use tokio::{sync::Semaphore, time::Instant};

use super::*;

/// Notes each call by its payloads. `g` waits until it is let go, `h` for ever; `x` fails whatever it is part of, `p` panics.
#[derive(Default)]
struct Script {
    calls: Mutex<Vec<Vec<u8>>>,
    gate: Option<Semaphore>,
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
        let payloads: Vec<u8> = batch.iter().map(|record| record.payload[0]).collect();
        self.calls.lock().unwrap().push(payloads.clone());
        if payloads.contains(&b'g') {
            self.gate.as_ref().unwrap().acquire().await.unwrap().forget();
        }
        if payloads.contains(&b'h') {
            std::future::pending::<()>().await;
        }
        assert!(!payloads.contains(&b'p'), "a planned panic");
        if payloads.contains(&b'x') {
            let index = payloads.iter().position(|payload| *payload == b'x').unwrap();
            return Err(Failure::Poison(vec![(index, ErrorCode::Internal.into())]));
        }
        Ok(())
    }
}

fn record(partition: u32, payload: &'static str) -> Record {
    Record {
        topic: Topic::Upstream,
        partition,
        offset: 0,
        produced_at_ms: 0,
        key: bytes::Bytes::new(),
        payload: payload.into(),
        headers: Vec::new(),
    }
}

fn together(script: Script, records_max: usize) -> (Arc<Together<Script>>, Telemetry) {
    with(script, &TogetherOptions { at_once: 1, further_from: 1, records_max })
}

fn with(script: Script, options: &TogetherOptions) -> (Arc<Together<Script>>, Telemetry) {
    let telemetry = Telemetry::for_tests();
    (Arc::new(Together::new(script, options, Metrics::new(&telemetry))), telemetry)
}

/// How many batches were counted: alone, joint, apart.
fn counted(telemetry: &Telemetry) -> [Option<u64>; 3] {
    let text = telemetry.metrics_text().unwrap();
    ["alone", "joint", "apart"].map(|kind| {
        let name = format!("im_commands_batches_total{{kind=\"{kind}\"");
        text.lines().find(|line| line.starts_with(&name))?.rsplit(' ').next()?.parse().ok()
    })
}

/// Handles `g`, and, while that waits, the others; answers what became of them, in which calls, and what was counted.
async fn while_one_waits(
    records_max: usize,
    others: &[&'static str],
) -> (Vec<std::thread::Result<Result<(), Failure>>>, Vec<Vec<u8>>, [Option<u64>; 3]) {
    let script = Script { gate: Some(Semaphore::new(0)), ..Script::default() };
    let (together, telemetry) = together(script, records_max);
    let one = |partition: usize, payload: &'static str| {
        let together = together.clone();
        async move {
            let batch = [record(u32::try_from(partition).unwrap(), payload)];
            AssertUnwindSafe(together.handle(&batch)).catch_unwind().await
        }
    };
    let first = one(0, "g");
    let rest = futures_util::future::join_all(others.iter().enumerate().map(|(at, payload)| one(at + 1, payload)));
    let open = eventually("the others to wait", || async {
        (lock(&together.waiting).len() == others.len()).then(|| together.alone().gate.as_ref().unwrap().add_permits(1))
    });
    let (first, rest, ()) = tokio::join!(first, rest, open);
    assert!(matches!(first, Ok(Ok(()))));
    let calls = together.alone().calls.lock().unwrap().clone();
    (rest, calls, counted(&telemetry))
}

#[tokio::test]
async fn what_arrives_during_a_batch_goes_together_into_the_next() {
    let (done, calls, counted) = while_one_waits(10, &["a", "b", "c"]).await;
    assert!(done.iter().all(|done| matches!(done, Ok(Ok(())))));
    assert_eq!(calls, [b"g".to_vec(), b"abc".to_vec()]);
    assert_eq!(counted, [Some(1), Some(3), None]);
}

#[tokio::test]
async fn a_joint_batch_is_bounded() {
    let (done, calls, _) = while_one_waits(2, &["a", "b", "c"]).await;
    assert!(done.iter().all(|done| matches!(done, Ok(Ok(())))));
    assert_eq!(calls, [b"g".to_vec(), b"ab".to_vec(), b"c".to_vec()]);
}

#[tokio::test]
async fn a_failure_is_that_of_its_own_batch_alone() {
    let (done, calls, counted) = while_one_waits(10, &["a", "x", "c"]).await;
    assert!(matches!((&done[0], &done[2]), (Ok(Ok(())), Ok(Ok(())))));
    assert_eq!(done[1].as_ref().unwrap(), &Err(Failure::Poison(vec![(0, ErrorCode::Internal.into())])));
    assert_eq!(calls[1], b"axc".to_vec());
    assert_eq!(calls.len(), 5, "each apart afterwards: {calls:?}");
    assert_eq!(counted, [Some(1), Some(3), Some(3)]);
}

#[tokio::test]
async fn a_panic_is_that_of_its_own_batch_alone() {
    let (done, ..) = while_one_waits(10, &["a", "p", "c"]).await;
    assert!(matches!((&done[0], &done[2]), (Ok(Ok(())), Ok(Ok(())))));
    assert!(done[1].is_err());
}

#[tokio::test]
async fn a_batch_that_hangs_holds_up_nobody_for_longer_than_a_turn_and_its_partition_goes_alone() {
    let (together, _) = together(Script::default(), 10);
    let (one, another) = ([record(1, "h")], [record(2, "a")]);
    for others in 1..=3 {
        tokio::select! {
            biased;
            _ = together.handle(&one) => panic!("it hangs"),
            done = together.handle(&another) => done.unwrap(),
        }
        // The first time the other one waits for the turn; afterwards the partition that hangs takes none.
        assert_eq!(together.alone().calls.lock().unwrap().len(), others * 2);
    }
    assert!(together.goes_apart(&one) && !together.goes_apart(&another));
}

#[tokio::test]
async fn a_partition_goes_alone_until_its_batch_was_handled() {
    let (together, _) = together(Script::default(), 10);
    assert!(together.handle(&[record(1, "x")]).await.is_err());
    assert!(together.goes_apart(&[record(1, "a")]));
    together.handle(&[record(1, "a")]).await.unwrap();
    assert!(!together.goes_apart(&[record(1, "a")]));
}

/// How long a batch waits beside one that hangs, if two may be under way and three records are enough.
async fn waits_beside_one_that_hangs(payloads: &[&'static str]) -> Duration {
    let (together, _) = with(Script::default(), &TogetherOptions { at_once: 2, further_from: 3, records_max: 10 });
    let (one, began) = ([record(1, "h")], Instant::now());
    let another: Vec<Record> = payloads.iter().map(|payload| record(2, payload)).collect();
    tokio::select! {
        biased;
        _ = together.handle(&one) => panic!("it hangs"),
        done = together.handle(&another) => done.unwrap(),
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_is_enough_goes_beside_a_batch_under_way_and_what_is_not_waits_a_moment() {
    assert_eq!(waits_beside_one_that_hangs(&["a", "b", "c"]).await, Duration::ZERO);
    let waited = waits_beside_one_that_hangs(&["a", "b"]).await;
    assert!((PATIENCE..TURN_MAX).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_counted_with_what_arrives() {
    let (together, _) = with(Script::default(), &TogetherOptions { at_once: 2, further_from: 3, records_max: 10 });
    let batches = [[record(1, "h")], [record(2, "a")], [record(3, "b")], [record(4, "c")]];
    let began = Instant::now();
    let [first, rest @ ..] = &batches;
    tokio::select! {
        biased;
        _ = together.handle(first) => panic!("it hangs"),
        done = futures_util::future::try_join_all(rest.iter().map(|batch| together.handle(batch))) => drop(done.unwrap()),
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(lock(&together.alone().calls).clone(), [b"h".to_vec(), b"cab".to_vec()]);
}
