//! Runs the tasks of one kind.

use std::{collections::HashSet, time::Duration};

use im_infra::mq::Failure;
use proto::{Error, ErrorCode};
use tokio::time::Instant;

use super::{Job, Verdict};
use crate::metrics::Metrics;

/// A kind of work with its metrics.
pub(crate) struct Runner<J> {
    job: J,
    metrics: Metrics,
}

impl<J: Job> Runner<J> {
    pub(crate) const fn new(job: J, metrics: Metrics) -> Self {
        Self { job, metrics }
    }

    pub(super) const fn job(&self) -> &J {
        &self.job
    }

    /// Runs tasks, each with its record's place in the batch.
    pub(super) async fn run(&self, tasks: Vec<(usize, J::Task)>) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let (places, tasks): (Vec<usize>, Vec<J::Task>) =
            tasks.into_iter().filter(|(_, task)| seen.insert(self.job.idempotency_key(task))).unzip();
        let limits = self.job.limits();
        for (places, tasks) in places.chunks(limits.tasks_max).zip(tasks.chunks(limits.tasks_max)) {
            let started = Instant::now();
            let limit = Duration::from_millis(limits.timeout_ms);
            let verdict = tokio::time::timeout(limit, self.job.run(tasks)).await.unwrap_or_else(|_| {
                Verdict::Retry(Error::new(ErrorCode::DeadlineExceeded).with("timeout_ms", limits.timeout_ms))
            });
            let (result, done) = match verdict {
                Verdict::Done => ("done", Ok(())),
                Verdict::Retry(error) => ("retry", Err(Failure::of(error))),
                Verdict::Reject(index, error) => {
                    let place = places.get(index).copied().unwrap_or_default();
                    ("reject", Err(Failure::Poison(vec![(place, error)])))
                }
            };
            self.metrics.ran(J::NAME, result, tasks.len(), started.elapsed());
            done?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use im_infra::telemetry::Telemetry;

    use super::{super::JobLimits, *};

    /// Writes down what it is given; 7 waits for ever, 8 is busy, 9 is poison.
    #[derive(Default)]
    struct Writer(Mutex<Vec<Vec<u32>>>);

    #[async_trait]
    impl Job for Writer {
        type Task = u32;
        const NAME: &'static str = "write";

        fn limits(&self) -> JobLimits {
            JobLimits { tasks_max: 2, timeout_ms: 10 }
        }

        fn idempotency_key(&self, task: &u32) -> String {
            task.to_string()
        }

        async fn run(&self, tasks: &[u32]) -> Verdict {
            match tasks.iter().position(|task| *task >= 7) {
                Some(index) if tasks[index] == 9 => Verdict::Reject(index, ErrorCode::Unsupported.into()),
                Some(index) if tasks[index] == 8 => Verdict::Retry(ErrorCode::Unavailable.into()),
                Some(_) => std::future::pending().await,
                None => {
                    self.0.lock().unwrap().push(tasks.to_vec());
                    Verdict::Done
                }
            }
        }
    }

    async fn run(tasks: &[u32]) -> (Result<(), Failure>, Vec<Vec<u32>>) {
        let runner = Runner::new(Writer::default(), Metrics::new(&Telemetry::for_tests()));
        let done = runner.run(tasks.iter().copied().enumerate().collect()).await;
        (done, runner.job.0.into_inner().unwrap())
    }

    #[tokio::test]
    async fn tasks_run_in_order_so_many_at_once_and_once_per_key() {
        let (done, written) = run(&[1, 2, 1, 3, 2]).await;
        assert_eq!((done, written), (Ok(()), vec![vec![1, 2], vec![3]]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_is_told_of_the_record_it_is_about() {
        let (done, written) = run(&[1, 1, 2, 3, 9]).await;
        assert_eq!(written, [[1, 2]]);
        assert_eq!(done, Err(Failure::Poison(vec![(4, ErrorCode::Unsupported.into())])));
        assert!(matches!(run(&[8]).await.0, Err(Failure::Transient(error)) if error.code() == ErrorCode::Unavailable));
        assert!(
            matches!(run(&[7]).await.0, Err(Failure::Transient(error)) if error.code() == ErrorCode::DeadlineExceeded)
        );
    }
}
