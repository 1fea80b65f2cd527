//! The simulation, tested: that it passes, that it can fail, and that a seed is a run.

mod bugs;
mod seeds;
