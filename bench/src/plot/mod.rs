//! Plots of a run on one page that needs nothing else: drawings (SVG) that follow the reader's light or dark scheme.

mod cpu;
mod drawing;
mod frame;
mod knee;
mod memory;
mod page;
mod scale;
mod spread;

/// The figures of a target: the last part of an anchor, and what the figure shows.
pub(crate) const FIGURES: [(&str, &str); 5] = [
    ("knee", "latency over rate"),
    ("cpu", "CPU a message by service"),
    ("memory", "memory over connections"),
    ("paced", "latencies at 100 msg/s"),
    ("tenth", "latencies at 10 % of the maximum"),
];

pub(crate) use page::page;
