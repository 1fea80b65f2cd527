//! Measures: latencies, memory, CPU, how quiet the machine is, and how far a figure may be trusted.

mod bootstrap;
mod calibrate;
mod cpu;
mod histogram;
mod machine;
mod slope;
mod threads;
mod window;

pub(crate) use bootstrap::{Interval, interval, median};
pub(crate) use calibrate::{Calibration, Quiet, calibrate};
pub(crate) use cpu::{CpuUse, cpu_over};
pub(crate) use histogram::{Latencies, Plateau, Summary};
pub(crate) use machine::Machine;
pub(crate) use slope::slope;
pub(crate) use threads::ThreadTimes;
pub(crate) use window::{Length, Window, micros, wait_until};
