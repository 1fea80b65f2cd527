//! What a run found, as it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LoadResult;
use crate::{
    floors::{Floor, FloorResult},
    load::IdleResult,
    measure::{Calibration, Machine, Plateau, Quiet},
};

/// What each floor took.
pub(crate) type FloorTimes = BTreeMap<Floor, FloorResult>;

/// Everything that the document says of a target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunResult {
    pub(crate) version: String,
    /// `standalone`, `processes` or an address.
    pub(crate) target: String,
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    /// Rounds that were meant to be.
    pub(crate) rounds_planned: u64,
    pub(crate) interrupted: bool,
    pub(crate) machine: Machine,
    /// The best calibration of the run; none if there was no round.
    pub(crate) quiet: Option<Quiet>,
    pub(crate) rounds: Vec<Round>,
    /// Of all latencies of all rounds at the paced rate.
    pub(crate) ack_plateaus: Vec<Plateau>,
    pub(crate) delivery_plateaus: Vec<Plateau>,
    pub(crate) idle: Option<IdleResult>,
}

/// Floor, subject, subject, floor, between two calibrations; and the closed loop with calibrations of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) before: Calibration,
    pub(crate) floors: [FloorTimes; 2],
    pub(crate) subjects: [LoadResult; 2],
    pub(crate) after: Calibration,
    pub(crate) closed: LoadResult,
    pub(crate) after_closed: Calibration,
}
