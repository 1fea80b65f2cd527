//! What came of it, as it is kept.

use serde::{Deserialize, Serialize};

use crate::{
    floors::FloorResult,
    load::{GroupResult, IdleResult, LoginResult, ReconnectResult},
    measure::Calibration,
    run::FloorTimes,
};

/// Something that was measured once, between two calibrations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beside<T> {
    pub(crate) before: Calibration,
    /// What it is compared with, measured just before it; none where it is compared with nothing.
    pub(crate) floor: Option<FloorResult>,
    pub(crate) found: T,
    pub(crate) after: Calibration,
}

/// All that is measured once; none of what was not, or not yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Workloads {
    pub(crate) login: Option<Beside<LoginResult>>,
    /// Beside bare connections.
    pub(crate) idle: Option<Beside<IdleResult>>,
    /// The floors beneath a message with many operations at the same time.
    pub(crate) loaded: Option<Beside<FloorTimes>>,
    pub(crate) group: Option<Beside<GroupResult>>,
    /// A larger one, one message at a time, beside a write loop.
    pub(crate) large_group: Option<Beside<GroupResult>>,
    /// The same with several messages at a time, beside a coalesced write loop.
    pub(crate) burst: Option<Beside<GroupResult>>,
    /// Beside bare handshakes.
    pub(crate) reconnect: Option<Beside<ReconnectResult>>,
}

impl<T> Beside<T> {
    /// Whether the machine stayed the same meanwhile.
    pub(crate) fn compares(&self) -> bool {
        !self.before.moved(&self.after)
    }
}
