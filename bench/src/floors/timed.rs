//! Operations at a pace.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, future::try_join_all, stream::FuturesUnordered};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    FloorPlan, Pace,
    parties::Parties,
    result::{FloorResult, us_for_each},
};
use crate::{
    load::{Pacer, Schedule},
    measure::{Latencies, Window},
};

/// How long a single operation may take.
const OPERATION_MAX: Duration = Duration::from_secs(10);

/// How late a floor may be that begins with others.
const LATE_MAX: Duration = Duration::from_millis(500);

/// Does operations in as many lanes as the plan has, one after the other in each; an operation answers how long it took. Of n
/// lanes the first has the numbers 0, n, 2n, the second 1, n + 1, and so on. The first of each only makes ready: what connects
/// then is no part of an operation, nor is it late for what would have been due meanwhile.
pub(super) async fn timed<F>(
    plan: &FloorPlan,
    parties: &Parties,
    stop: &CancellationToken,
    mut lanes: Vec<F>,
) -> anyhow::Result<FloorResult>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let first = lanes.iter_mut().zip(0..).map(async |(lane, number)| {
        timeout(OPERATION_MAX, lane(number)).await.context("the first operation took too long")?
    });
    try_join_all(first).await?;
    let begin = plan.begin.unwrap_or_else(Instant::now);
    ensure!(begin.elapsed() < LATE_MAX, "the first operations took too long to begin with the others");
    let window = Window::starting_at(begin, plan.length);
    let doing = async {
        match plan.pace {
            Pace::Rate(rate) | Pace::Dealt { rate, .. } => {
                paced(Schedule::new(rate, plan.seed), window, stop, lanes).await
            }
            Pace::InFlight(_) => back_to_back(window, stop, lanes).await,
        }
    };
    let (latencies, cpu) = tokio::try_join!(doing, parties.cpu_over(window, stop))?;
    let times = latencies.summary();
    Ok(FloorResult { times, cpu_us: us_for_each(cpu, times.count), ..FloorResult::default() })
}

/// Whenever one is due and the one before it in its lane is done. Of what cannot be done at that pace, those count that begin
/// within the window, as their CPU does.
async fn paced<F>(
    schedule: Schedule,
    window: Window,
    stop: &CancellationToken,
    lanes: Vec<F>,
) -> anyhow::Result<Latencies>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let count = lanes.len() as u64;
    let (_pacer, times) = Pacer::start(schedule, window, lanes.len(), stop)?;
    let latencies = RefCell::new(Latencies::default());
    let doing = times.into_iter().zip(lanes).zip(count..).map(async |((mut due, mut lane), mut number)| {
        while due.recv().await.is_some() {
            let started = Instant::now();
            if started >= window.to || stop.is_cancelled() {
                break;
            }
            let took = timeout(OPERATION_MAX, lane(number)).await.context("an operation took too long")??;
            if window.holds(started) {
                latencies.borrow_mut().record(took);
            }
            number += count;
        }
        anyhow::Ok(())
    });
    try_join_all(doing).await?;
    Ok(latencies.into_inner())
}

/// Each as soon as the one before it in its lane is done.
async fn back_to_back<F>(window: Window, stop: &CancellationToken, lanes: Vec<F>) -> anyhow::Result<Latencies>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let count = lanes.len() as u64;
    let mut latencies = Latencies::default();
    let first = lanes.into_iter().zip(count..).map(|(lane, number)| once(lane, number));
    let mut busy: FuturesUnordered<_> = first.collect();
    while let Some(done) = busy.next().await {
        let (lane, number, started, took) = done?;
        if window.holds(started) {
            latencies.record(took);
        }
        if Instant::now() < window.to && !stop.is_cancelled() {
            busy.push(once(lane, number + count));
        }
    }
    Ok(latencies)
}

/// One operation, and its lane back.
async fn once<F>(mut lane: F, number: u64) -> anyhow::Result<(F, u64, Instant, Duration)>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let started = Instant::now();
    let took = timeout(OPERATION_MAX, lane(number)).await.context("an operation took too long")??;
    Ok((lane, number, started, took))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::measure::Length;

    #[tokio::test]
    async fn in_flight_each_lane_goes_on_with_numbers_of_its_own() {
        let stop = CancellationToken::new();
        let length = Length { seconds: 60, warm_up_seconds: 0 };
        let plan = FloorPlan { pace: Pace::InFlight(3), ..FloorPlan::at_rate(1.0, length, 16, 1) };
        let done = RefCell::new(Vec::new());
        let lanes = (0..3_u64).map(|lane| {
            let (done, stop) = (&done, &stop);
            async move |number: u64| -> anyhow::Result<Duration> {
                tokio::task::yield_now().await;
                done.borrow_mut().push((lane, number));
                if number >= 30 {
                    stop.cancel();
                }
                Ok(Duration::from_micros(5))
            }
        });
        let found = timed(&plan, &Parties::here(), &stop, lanes.collect()).await.unwrap();
        let mut done = done.into_inner();
        assert_eq!(found.times.count + 3, done.len() as u64, "the first ones do not count");
        assert!(found.cpu_us.is_some_and(|us| us >= 0.0), "{found:?}");
        assert!(done.iter().all(|(lane, number)| number % 3 == *lane), "{done:?}");
        done.sort_unstable();
        done.dedup();
        assert_eq!(found.times.count + 3, done.len() as u64, "no number twice");
        assert!(done.len() > 20, "all lanes go on: {done:?}");
    }

    #[tokio::test]
    async fn what_is_due_is_dealt_to_the_lanes_and_one_that_is_busy_holds_up_no_other() {
        let length = Length { seconds: 1, warm_up_seconds: 0 };
        let plan = FloorPlan { pace: Pace::Dealt { rate: 100.0, lanes: 2 }, ..FloorPlan::at_rate(1.0, length, 16, 1) };
        let done = RefCell::new([Vec::new(), Vec::new()]);
        let (release, stop) = (tokio::sync::Notify::new(), CancellationToken::new());
        let lanes = (0..2).map(|lane: usize| {
            let (done, release) = (&done, &release);
            async move |number: u64| -> anyhow::Result<Duration> {
                done.borrow_mut()[lane].push(number);
                if lane == 1 && number == 41 {
                    release.notify_one();
                }
                if lane == 0 && number == 2 {
                    release.notified().await;
                }
                Ok(Duration::ZERO)
            }
        });
        let found = timed(&plan, &Parties::here(), &stop, lanes.collect()).await.unwrap();
        let [first, second] = done.into_inner();
        // The last ones may be due too shortly before the end.
        assert!(first.len() > 45 && second.len() > 45, "{first:?} {second:?}");
        assert!((0..).step_by(2).zip(&first).all(|(number, done)| number == *done), "{first:?}");
        assert!((1..).step_by(2).zip(&second).all(|(number, done)| number == *done), "{second:?}");
        assert_eq!(found.times.count + 2, (first.len() + second.len()) as u64, "the first ones do not count");
    }

    #[tokio::test]
    async fn an_operation_that_fails_ends_the_measurement() {
        let length = Length { seconds: 60, warm_up_seconds: 0 };
        for pace in [Pace::Rate(100.0), Pace::Dealt { rate: 100.0, lanes: 2 }, Pace::InFlight(1)] {
            let plan = FloorPlan { pace, ..FloorPlan::at_rate(1.0, length, 16, 1) };
            for last in [0, u64::from(plan.lanes())] {
                let fails = async move |number: u64| -> anyhow::Result<Duration> {
                    if number >= last { bail!("no more") } else { Ok(Duration::ZERO) }
                };
                let lanes = vec![fails; plan.lanes() as usize];
                let found = timed(&plan, &Parties::here(), &CancellationToken::new(), lanes).await;
                assert_eq!(found.unwrap_err().to_string(), "no more", "{pace:?} after {last}");
            }
        }
    }

    #[tokio::test]
    async fn what_begins_with_others_begins_then_and_not_long_after() {
        let length = Length { seconds: 1, warm_up_seconds: 0 };
        let plan = FloorPlan::at_rate(100.0, length, 16, 1);
        let started = Instant::now();
        let at = std::cell::Cell::new(None);
        let once = async |number: u64| -> anyhow::Result<Duration> {
            if number == 1 {
                at.set(Some(started.elapsed()));
            }
            Ok(Duration::ZERO)
        };
        let wait = Duration::from_millis(300);
        let later = FloorPlan { begin: Some(started + wait), ..plan };
        timed(&later, &Parties::here(), &CancellationToken::new(), vec![once]).await.unwrap();
        assert!(at.take().is_some_and(|at| at >= wait));
        let missed = FloorPlan { begin: started.checked_sub(Duration::from_secs(1)), ..plan };
        let found = timed(&missed, &Parties::here(), &CancellationToken::new(), vec![once]).await;
        assert!(found.unwrap_err().to_string().contains("to begin with the others"));
    }
}
