//! What can be configured of logs and traces.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Logs and traces.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryOptions {
    /// Logs.
    pub log: LogOptions,
    /// Traces.
    pub trace: TraceOptions,
}

/// How logs look and where they go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// A filter as `info` or `info,im_logic=debug`. Reloadable.
    pub level: String,
    /// On standard output.
    pub format: LogFormat,
    /// A file beside it, always JSON; empty: none.
    pub file: PathBuf,
    /// The file rolls at this size, and every day.
    pub file_bytes_max: u64,
    /// How many rolled files stay.
    pub files_kept: usize,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Where traces go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TraceOptions {
    /// An OTLP receiver (gRPC) as `http://jaeger:4317`; empty: traces are not exported.
    pub otlp_endpoint: String,
    /// The share of traces to keep, 0 to 1; a caller's decision wins.
    pub sample_ratio: f64,
}
