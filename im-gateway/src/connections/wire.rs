//! Frames as they go over the socket: RFC 6455 for a server, whose frames have no mask and are whole messages.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use proto::client::ServerFrame;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::Format;

/// The longest header of a frame that a server sends: section 5.2.
const HEADER_BYTES_MAX: usize = 10;
/// A frame that is a whole message.
const FINAL: u8 = 0x80;

/// An encoded frame, the WebSocket's header and all, or several of them: it can be written as it is. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    bytes: Bytes,
}

impl Wire {
    /// Frames of one write.
    pub(crate) const AT_ONCE: usize = 64;

    /// Encodes a frame behind room for its header, which is known when its length is.
    pub(super) fn of(frame: &ServerFrame, format: Format) -> Self {
        let mut bytes = vec![0_u8; HEADER_BYTES_MAX];
        let (kind, encoded) = match format {
            Format::Json => (Data::Text, serde_json::to_writer(&mut bytes, frame).is_ok()),
            Format::Proto => (Data::Binary, frame.encode(&mut bytes).is_ok()),
        };
        // Our own messages always have both forms.
        if !encoded {
            bytes.truncate(HEADER_BYTES_MAX);
        }
        Self::framed(OpCode::Data(kind), bytes)
    }

    /// Frames one behind the other, which from then on are one.
    pub(super) fn train(frames: impl Iterator<Item = Self>) -> Self {
        let frames: Vec<Bytes> = frames.map(|frame| frame.bytes).collect();
        Self { bytes: frames.concat().into() }
    }

    /// What answers a ping.
    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::control(Control::Pong, payload)
    }

    /// Says why a connection ends.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::control(Control::Close, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
    }

    /// What answers the payload of a close: its code, or that it broke the protocol. Section 5.5.1.
    pub(crate) fn close_answer(payload: &[u8]) -> Self {
        match payload {
            [] => Self::control(Control::Close, &[]),
            [high, low, ..] if CloseCode::from(u16::from_be_bytes([*high, *low])).is_allowed() => {
                Self::control(Control::Close, &[*high, *low])
            }
            _ => Self::close(CloseCode::Protocol.into(), ""),
        }
    }

    fn control(kind: Control, payload: &[u8]) -> Self {
        Self::framed(OpCode::Control(kind), [&[0; HEADER_BYTES_MAX][..], payload].concat())
    }

    /// Of a payload with room for the longest header before it.
    fn framed(opcode: OpCode, mut bytes: Vec<u8>) -> Self {
        let (header, header_bytes) = header(opcode, bytes.len() - HEADER_BYTES_MAX);
        let start = HEADER_BYTES_MAX - header_bytes;
        bytes[start..HEADER_BYTES_MAX].copy_from_slice(&header[..header_bytes]);
        Self { bytes: Bytes::from(bytes).slice(start..) }
    }

    /// What goes over the socket, which is what may wait for a client.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes of the first frames, as one write takes them.
    pub(crate) fn gather<'into, 'frames>(
        frames: &'frames VecDeque<Self>,
        into: &'into mut [IoSlice<'frames>; Self::AT_ONCE],
    ) -> &'into [IoSlice<'frames>] {
        for (slice, frame) in into.iter_mut().zip(frames) {
            *slice = IoSlice::new(frame.bytes());
        }
        &into[..frames.len().min(Self::AT_ONCE)]
    }

    /// Removes so many bytes that were written: whole frames, and a part of the next one, which is left as the first.
    pub(crate) fn advance(frames: &mut VecDeque<Self>, mut written: usize) {
        while let Some(bytes) = frames.front().map(Self::len).filter(|bytes| *bytes <= written) {
            frames.pop_front();
            written -= bytes;
        }
        if let Some(begun) = frames.front_mut() {
            begun.bytes.advance(written);
        }
    }
}

/// The header of a payload of so many bytes, and how long it is.
fn header(opcode: OpCode, payload_bytes: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = FINAL | u8::from(opcode);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(bytes @ 0..=125), _) => {
            header[1] = bytes;
            (header, 2)
        }
        (_, Ok(bytes)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&bytes.to_be_bytes());
            (header, 4)
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            (header, 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::client::{Pong, server_frame::Frame};

    use super::*;

    fn pong(bytes: usize) -> ServerFrame {
        ServerFrame { frame: Some(Frame::Pong(Pong { data: "x".repeat(bytes) })) }
    }

    #[test]
    fn a_frame_has_the_header_of_its_length_before_its_payload() {
        for (payload_bytes, header_bytes) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let (header, length) = header(OpCode::Data(Data::Text), payload_bytes);
            assert_eq!((header[0], length), (0x81, header_bytes), "{payload_bytes}");
            let told: usize = match header[1] {
                126 => u16::from_be_bytes([header[2], header[3]]).into(),
                127 => header[2..].iter().fold(0, |told, byte| (told << 8) | usize::from(*byte)),
                short => short.into(),
            };
            assert_eq!(told, payload_bytes);
        }
        for data_bytes in [1, 300, 70_000] {
            let frame = pong(data_bytes);
            let (wire, payload) = (Wire::of(&frame, Format::Proto), frame.encode_to_vec());
            assert!(wire.bytes().ends_with(&payload) && wire.bytes()[0] == 0x82);
            assert_eq!(wire.len(), header(OpCode::Data(Data::Binary), payload.len()).1 + payload.len());
        }
    }

    #[test]
    fn text_is_told_apart_from_bytes() {
        let payload = r#"{"pong":{"data":"x"}}"#;
        let wire = Wire::of(&pong(1), Format::Json);
        assert_eq!(wire.bytes()[..], [&[0x81, payload.len() as u8][..], payload.as_bytes()].concat());
    }

    #[test]
    fn a_close_is_answered_with_its_code_if_it_may_have_one() {
        for (payload, expected) in [
            (&b""[..], &[0x88_u8, 0][..]),
            (&[3, 232, b'b', b'y', b'e'], &[0x88, 2, 3, 232]),
            (&[15, 160], &[0x88, 2, 15, 160]),
            (&[3], &[0x88, 2, 3, 234]),
            (&[3, 237], &[0x88, 2, 3, 234]),
        ] {
            assert_eq!(Wire::close_answer(payload).bytes()[..], *expected, "{payload:?}");
        }
        assert_eq!(Wire::close(4_000, "why").bytes()[..], *b"\x88\x05\x0f\xa0why");
    }

    #[test]
    fn what_was_written_is_removed_and_a_frame_that_was_begun_is_left_first() {
        let mut frames: VecDeque<Wire> = [&b"a"[..], b"bc", b""].map(Wire::pong).into();
        Wire::advance(&mut frames, 3 + 2);
        let mut slices = [IoSlice::new(&[]); Wire::AT_ONCE];
        let left: Vec<&[u8]> = Wire::gather(&frames, &mut slices).iter().map(|slice| &slice[..]).collect();
        assert_eq!(left, [&b"bc"[..], &[0x8a, 0]]);
        Wire::advance(&mut frames, 4);
        assert!(frames.is_empty());
    }
}
