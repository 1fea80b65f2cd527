//! How often things go wrong.

/// A hop inside a site, microseconds.
pub(crate) const HOP: (u64, u64) = (100, 2_000);
/// One that takes long: a packet is sent again, a server is busy.
pub(crate) const SLOW_HOP: (u64, u64) = (2_000, 150_000);
/// A hop between a client and its gateway.
pub(crate) const WIRE: (u64, u64) = (500, 30_000);
/// Until a call that is not answered is given up.
pub(crate) const CALL: (u64, u64) = (20_000, 300_000);
/// Until a dead process is started again.
pub(crate) const RESTART: (u64, u64) = (50_000, 1_500_000);
/// How long a process stands still.
pub(crate) const PAUSE: (u64, u64) = (20_000, 2_500_000);

/// Probabilities, each of one hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// It takes long.
    pub(crate) hop_slow: f64,
    /// A call to the store does not come there.
    pub(crate) call_lost: f64,
    /// It comes there, and the answer is lost.
    pub(crate) answer_lost: f64,
    /// It is made twice.
    pub(crate) call_doubled: f64,
    /// A produce fails and nothing is there.
    pub(crate) produce_lost: f64,
    /// It fails and everything or some of it is there.
    pub(crate) produce_unknown: f64,
    /// A commit of an offset fails.
    pub(crate) commit_lost: f64,
    /// Whether processes die and stand still.
    pub(crate) is_chaos: bool,
}

impl Faults {
    pub(crate) const CHAOS: Self = Self {
        hop_slow: 0.03,
        call_lost: 0.01,
        answer_lost: 0.02,
        call_doubled: 0.02,
        produce_lost: 0.01,
        produce_unknown: 0.02,
        commit_lost: 0.02,
        is_chaos: true,
    };

    pub(crate) const NONE: Self = Self {
        hop_slow: 0.0,
        call_lost: 0.0,
        answer_lost: 0.0,
        call_doubled: 0.0,
        produce_lost: 0.0,
        produce_unknown: 0.0,
        commit_lost: 0.0,
        is_chaos: false,
    };
}
