//! The job.

use std::mem;

use async_trait::async_trait;
use im_infra::{
    failpoint::{Point, reach},
    gateways::{Gateways, Letters},
    mq::Topic,
    telemetry::trace_context,
};
use proto::{
    Error,
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

/// Bytes of records that are held before they are sent.
const LETTERS_BYTES_MAX: usize = 8 << 20;

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
        for (index, task) in tasks.iter().enumerate() {
            if task.entries.iter().any(|part| !is_of(part, &task.conversation_id)) {
                return Verdict::Reject(index, Error::invalid("entries", "entries of the conversation"));
            }
        }
        match self.fan_out(tasks).await {
            Ok(()) => Verdict::Done,
            Err(error) => Verdict::Retry(error),
        }
    }
}

impl FanOut {
    async fn fan_out(&self, tasks: &[mq::FanOut]) -> Result<(), Error> {
        // After the commit of all of them: a gateway that is not there yet has clients that read them at their hello.
        let live: Vec<_> = self.gateways.find(&[]).await.live().cloned().collect();
        let mut letters = Letters::default();
        for part in tasks.iter().flat_map(|task| &task.entries) {
            let Some(entry) = &part.entry else { continue };
            if becomes_large(entry) {
                flip::index(self, &live, &entry.conversation_id, &mut letters).await?;
            }
            let span = tracing::info_span!("task.entry.fan_out", otel.kind = "consumer", gateways = live.len());
            trace_context::continue_in(&span, &part.trace_parent);
            let trace_parent = trace_context::of(&span);
            for gateway in &live {
                pack::broadcast(&mut letters, gateway, entry, &trace_parent);
            }
            // However many gateways there are, not all of it is held at once.
            if letters.bytes() > LETTERS_BYTES_MAX {
                self.send(mem::take(&mut letters)).await?;
            }
        }
        reach(Point::TaskBeforeProduce);
        self.send(letters).await
    }

    async fn send(&self, letters: Letters) -> Result<(), Error> {
        self.gateways.send(letters).await.map_err(|error| error.about(Topic::Downstream))
    }

    /// Records of a conversation were given up: every gateway has to load its members again, and its members have to sync.
    /// Empty: nobody knows of which.
    pub(crate) async fn given_up(&self, conversation_id: &str) -> Result<(), Error> {
        let mut letters = Letters::default();
        for gateway in self.gateways.find(&[]).await.live() {
            pack::missed(&mut letters, gateway, conversation_id);
        }
        self.send(letters).await
    }
}

fn is_of(part: &mq::FanOutEntry, conversation_id: &str) -> bool {
    part.entry.as_ref().is_some_and(|entry| entry.conversation_id == conversation_id)
}

/// Whether it is the entry from which on a conversation is large.
pub fn becomes_large(entry: &Entry) -> bool {
    let kind = entry.body.as_ref().and_then(|body| body.kind.as_ref());
    matches!(kind, Some(Kind::FanOutChanged(change)) if change.mode() == FanOutMode::Large)
}
