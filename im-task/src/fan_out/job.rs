//! The job.

use async_trait::async_trait;
use im_infra::{
    gateways::{Gateways, Letters},
    telemetry::trace_context,
};
use proto::{
    Error, ErrorCode,
    common::FanOutMode,
    message::{Entry, entry_body::Kind},
    mq,
};

use super::{flip, pack};
use crate::{
    config::FanOutOptions,
    job::{Job, JobLimits, Verdict},
    repo::Repo,
};

/// Fans entries of large conversations out.
pub(crate) struct FanOut {
    pub(crate) repo: Repo,
    pub(crate) gateways: Gateways,
    pub(crate) options: FanOutOptions,
}

#[async_trait]
impl Job for FanOut {
    type Task = mq::FanOut;

    const NAME: &'static str = "fan_out";

    fn limits(&self) -> JobLimits {
        JobLimits { tasks_max: self.options.tasks_max, timeout_ms: self.options.timeout_ms }
    }

    fn idempotency_key(&self, task: &mq::FanOut) -> String {
        let seq = |entry: Option<&mq::FanOutEntry>| entry.and_then(|one| one.entry.as_ref()).map_or(0, |one| one.seq);
        format!("{}:{}:{}", task.conversation_id, seq(task.entries.first()), seq(task.entries.last()))
    }

    async fn run(&self, tasks: &[mq::FanOut]) -> Verdict {
        // After the commit of all of them: a gateway that is not there yet has clients that read them at their hello.
        let live: Vec<_> = self.gateways.find(&[]).await.live().cloned().collect();
        let mut letters = Letters::default();
        for (index, task) in tasks.iter().enumerate() {
            for part in &task.entries {
                let Some(entry) = part.entry.as_ref().filter(|one| one.conversation_id == task.conversation_id) else {
                    return Verdict::Reject(index, Error::invalid("entries", "entries of the conversation"));
                };
                if becomes_large(entry)
                    && let Err(error) = flip::index(self, &live, &task.conversation_id, &mut letters).await
                {
                    return Verdict::Retry(error);
                }
                let span = tracing::info_span!("task.entry.fan_out", otel.kind = "consumer", gateways = live.len());
                trace_context::continue_in(&span, &part.trace_parent);
                let trace_parent = trace_context::of(&span);
                for gateway in &live {
                    pack::broadcast(&mut letters, gateway, entry, &trace_parent);
                }
            }
        }
        match self.gateways.send(letters).await {
            Ok(()) => Verdict::Done,
            Err(error) => {
                Verdict::Retry(Error::new(ErrorCode::Unavailable).with("part", "im.downstream").with("reason", error))
            }
        }
    }
}

fn becomes_large(entry: &Entry) -> bool {
    let kind = entry.body.as_ref().and_then(|body| body.kind.as_ref());
    matches!(kind, Some(Kind::FanOutChanged(change)) if change.mode() == FanOutMode::Large)
}
