//! What came of it, as it is kept.

use serde::{Deserialize, Serialize};

use crate::{
    floors::FloorResult,
    load::{GroupResult, IdleResult, LoginResult, ReconnectResult},
    measure::Calibration,
    run::FloorTimes,
};

/// Something that was measured between two calibrations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beside<T> {
    pub(crate) before: Calibration,
    /// What it is compared with, measured just before it; none where it is compared with nothing.
    pub(crate) floor: Option<FloorResult>,
    pub(crate) found: T,
    pub(crate) after: Calibration,
}

/// All of it, as often as it was measured by now, in that order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Workloads {
    pub(crate) login: Vec<Beside<LoginResult>>,
    /// Beside bare connections.
    pub(crate) idle: Vec<Beside<IdleResult>>,
    /// The floors beneath a message with many operations at the same time.
    pub(crate) loaded: Vec<Beside<FloorTimes>>,
    pub(crate) group: Vec<Beside<GroupResult>>,
    /// A larger one, one message at a time, beside a write loop.
    pub(crate) large_group: Vec<Beside<GroupResult>>,
    /// The same with several messages at a time, beside a coalesced write loop.
    pub(crate) burst: Vec<Beside<GroupResult>>,
    /// Beside bare handshakes.
    pub(crate) reconnect: Vec<Beside<ReconnectResult>>,
}

impl<T> Beside<T> {
    /// Whether the machine stayed the same meanwhile.
    pub(crate) fn compares(&self) -> bool {
        !self.before.moved(&self.after)
    }
}
