//! A frame for clients, encoded at most once per format however many connections get it.

use std::sync::{Arc, OnceLock};

use proto::client::{ServerFrame, server_frame};

use super::Wire;

/// How a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `gochat.v1.json`
    Json,
    /// `gochat.v1.proto`
    Proto,
}

/// A frame. Clones share its bytes.
#[derive(Clone)]
pub(crate) struct Frame {
    shared: Arc<Shared>,
}

struct Shared {
    frame: ServerFrame,
    json: OnceLock<Wire>,
    proto: OnceLock<Wire>,
}

impl Frame {
    pub(crate) fn new(frame: server_frame::Frame) -> Self {
        let frame = ServerFrame { frame: Some(frame) };
        Self { shared: Arc::new(Shared { frame, json: OnceLock::new(), proto: OnceLock::new() }) }
    }

    pub(crate) fn wire(&self, format: Format) -> Wire {
        let Shared { frame, json, proto } = &*self.shared;
        let encoded = match format {
            Format::Json => json,
            Format::Proto => proto,
        };
        encoded.get_or_init(|| Wire::of(frame, format)).clone()
    }
}
