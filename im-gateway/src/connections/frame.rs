//! A frame for clients, encoded at most once per format however many connections get it.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use prost::Message as _;
use proto::client::{ServerFrame, server_frame};

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
    json: OnceLock<Utf8Bytes>,
    proto: OnceLock<Bytes>,
}

/// A frame's bytes.
#[derive(Clone)]
pub(crate) enum Wire {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Wire {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl Frame {
    pub(crate) fn new(frame: server_frame::Frame) -> Self {
        let frame = ServerFrame { frame: Some(frame) };
        Self { shared: Arc::new(Shared { frame, json: OnceLock::new(), proto: OnceLock::new() }) }
    }

    pub(crate) fn wire(&self, format: Format) -> Wire {
        let Shared { frame, json, proto } = &*self.shared;
        match format {
            // Our own messages always have a JSON form.
            Format::Json => {
                Wire::Text(json.get_or_init(|| serde_json::to_string(frame).unwrap_or_default().into()).clone())
            }
            Format::Proto => Wire::Binary(proto.get_or_init(|| frame.encode_to_vec().into()).clone()),
        }
    }
}
