//! Operations at a pace.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
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

/// Does operations in as many lanes as the plan has, one after the other in each; an operation answers how long it took. Of n
/// lanes the first has the numbers 0, n, 2n, the second 1, n + 1, and so on.
pub(super) async fn timed<F>(
    plan: &FloorPlan,
    parties: &Parties,
    stop: &CancellationToken,
    lanes: Vec<F>,
) -> anyhow::Result<FloorResult>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let window = Window::starting_now(plan.length);
    let doing = async {
        match plan.pace {
            Pace::Rate(rate) => paced(Schedule::new(rate, plan.seed), window, stop, lanes).await,
            Pace::InFlight(_) => back_to_back(window, stop, lanes).await,
        }
    };
    let (latencies, cpu) = tokio::try_join!(doing, parties.cpu_over(window, stop))?;
    let times = latencies.summary();
    Ok(FloorResult { times, cpu_us: us_for_each(cpu, times.count), ..FloorResult::default() })
}

/// Whenever one is due and the one before is done, in one lane. Of what cannot be done at that pace, those count that begin
/// within the window, as their CPU does.
async fn paced<F>(
    schedule: Schedule,
    window: Window,
    stop: &CancellationToken,
    mut lanes: Vec<F>,
) -> anyhow::Result<Latencies>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let (_pacer, mut times) = Pacer::start(schedule, window, 1, stop)?;
    let (Some(mut due), Some(mut operation)) = (times.pop(), lanes.pop()) else { bail!("there is no lane") };
    let mut latencies = Latencies::default();
    let mut number = 0;
    while due.recv().await.is_some() {
        let started = Instant::now();
        if started >= window.to {
            break;
        }
        let took = timeout(OPERATION_MAX, operation(number)).await.context("an operation took too long")??;
        if window.holds(started) {
            latencies.record(took);
        }
        number += 1;
    }
    Ok(latencies)
}

/// Each as soon as the one before it in its lane is done.
async fn back_to_back<F>(window: Window, stop: &CancellationToken, lanes: Vec<F>) -> anyhow::Result<Latencies>
where
    F: AsyncFnMut(u64) -> anyhow::Result<Duration>,
{
    let count = lanes.len() as u64;
    let mut latencies = Latencies::default();
    let mut busy: FuturesUnordered<_> = lanes.into_iter().zip(0..).map(|(lane, number)| once(lane, number)).collect();
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
    use std::cell::RefCell;

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
        assert_eq!(found.times.count, done.len() as u64);
        assert!(found.cpu_us.is_some_and(|us| us >= 0.0), "{found:?}");
        assert!(done.iter().all(|(lane, number)| number % 3 == *lane), "{done:?}");
        done.sort_unstable();
        done.dedup();
        assert_eq!(found.times.count, done.len() as u64, "no number twice");
        assert!(done.len() > 20, "all lanes go on: {done:?}");
    }

    #[tokio::test]
    async fn an_operation_that_fails_ends_the_measurement() {
        let length = Length { seconds: 60, warm_up_seconds: 0 };
        for pace in [Pace::Rate(100.0), Pace::InFlight(1)] {
            let plan = FloorPlan { pace, ..FloorPlan::at_rate(1.0, length, 16, 1) };
            let fails = async |_: u64| -> anyhow::Result<Duration> { bail!("no more") };
            let found = timed(&plan, &Parties::here(), &CancellationToken::new(), vec![fails]).await;
            assert_eq!(found.unwrap_err().to_string(), "no more");
        }
    }
}
