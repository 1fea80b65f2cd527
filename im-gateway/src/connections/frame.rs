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
    content: Content,
    json: OnceLock<Wire>,
    proto: OnceLock<Wire>,
}

enum Content {
    One(ServerFrame),
    Train(Vec<Frame>),
}

impl Frame {
    pub(crate) fn new(frame: server_frame::Frame) -> Self {
        Self::of(Content::One(ServerFrame { frame: Some(frame) }))
    }

    /// Frames that go together: they wait as one, and are written as one.
    pub(crate) fn train(frames: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(frames) {
            Ok([only]) => only,
            Err(frames) => Self::of(Content::Train(frames)),
        }
    }

    fn of(content: Content) -> Self {
        Self { shared: Arc::new(Shared { content, json: OnceLock::new(), proto: OnceLock::new() }) }
    }

    pub(crate) fn wire(&self, format: Format) -> Wire {
        let Shared { content, json, proto } = &*self.shared;
        let encoded = match format {
            Format::Json => json,
            Format::Proto => proto,
        };
        let encode = || match content {
            Content::One(frame) => Wire::of(frame, format),
            Content::Train(frames) => Wire::train(frames.iter().map(|frame| frame.wire(format))),
        };
        encoded.get_or_init(encode).clone()
    }
}

#[cfg(test)]
mod tests {
    use proto::client::Pong;

    use super::*;

    #[test]
    fn a_train_is_its_frames_one_behind_the_other() {
        let frame = |data: &str| Frame::new(server_frame::Frame::Pong(Pong { data: data.into() }));
        let frames = [frame("a"), frame(""), frame("bc")];
        for format in [Format::Json, Format::Proto] {
            let each: Vec<u8> = frames.iter().flat_map(|frame| frame.wire(format).bytes().to_vec()).collect();
            assert_eq!(Frame::train(frames.to_vec()).wire(format).bytes()[..], each);
        }
        let alone = Frame::train(vec![frames[0].clone()]);
        assert!(Arc::ptr_eq(&alone.shared, &frames[0].shared), "nothing is copied");
    }
}
