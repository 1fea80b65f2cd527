//! Logs, traces and metrics of a process.
//!
//! ```
//! use im_infra::telemetry::{LogFormat, Telemetry, TelemetryOptions};
//!
//! let telemetry = Telemetry::for_tests();
//! telemetry.meter().u64_counter("demo.events").build().add(2, &[]);
//! assert!(telemetry.metrics_text().unwrap().contains("demo_events_total 2"));
//! ```

mod logging;
pub mod names;
mod options;
mod setup;
pub mod trace_context;

pub use options::{LogFormat, LogOptions, TelemetryOptions, TraceOptions};
pub use setup::{Telemetry, TelemetryError};
