//! What can be configured of im-task.

use im_infra::{
    config::{Check, Report},
    mq::ConsumeOptions,
};
use serde::{Deserialize, Serialize};

/// Bounds of the fan-out.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FanOutOptions {
    /// Records of `im.task` that are fanned out together.
    pub tasks_max: usize,
    /// How long that may take.
    pub timeout_ms: u64,
}

/// im-task.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskOptions {
    /// The consumers of `im.task` and `im.dead`.
    pub consume: ConsumeOptions,
    /// The fan-out of large conversations.
    pub fan_out: FanOutOptions,
}

impl Check for TaskOptions {
    fn check(&self, report: &mut Report) {
        self.consume.check("task.consume", report);
        report.range("task.fan_out.tasks_max", self.fan_out.tasks_max, 1..=5_000);
        report.range("task.fan_out.timeout_ms", self.fan_out.timeout_ms, 100..=600_000);
    }
}
