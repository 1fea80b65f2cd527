//! What a client sends, put together from frames to messages: RFC 6455 without extensions. There is no I/O here, and no buffer
//! while nothing is on its way.

use std::{io::Cursor, mem};

use axum::extract::ws::Utf8Bytes;
use bytes::{Buf as _, Bytes, BytesMut};
use proto::ErrorCode;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Bytes of a control frame's payload: RFC 6455, section 5.5.
const CONTROL_BYTES_MAX: usize = 125;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// With what the pong has to repeat.
    Ping(Bytes),
    Pong,
    /// With the code and the reason, if there are any.
    Close(Bytes),
}

/// Why nothing more can be read of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A frame or a message over the limit.
    TooBig,
    /// No WebSocket is spoken here.
    Malformed,
}

impl Unreadable {
    /// The code to close with; none where no code would be understood.
    pub(super) const fn code(self) -> Option<ErrorCode> {
        match self {
            Self::TooBig => Some(ErrorCode::FrameTooBig),
            Self::Malformed => None,
        }
    }
}

/// Puts messages together.
pub(super) struct Incoming {
    /// What was read and is no whole frame yet. Not allocated while there is none: most connections say nothing most of the time.
    read: BytesMut,
    /// A message of which not all frames are there.
    begun: Option<Box<Begun>>,
    bytes_max: usize,
}

struct Begun {
    kind: Data,
    payload: BytesMut,
}

impl Incoming {
    /// Of messages of at most so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { read: BytesMut::new(), begun: None, bytes_max }
    }

    /// Adds what was read.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// The next whole message of what was added; none until there is more. After an error there is no next one.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, Unreadable> {
        while let Some((header, payload)) = self.next_frame()? {
            let message = match header.opcode {
                OpCode::Control(Control::Ping) => Some(Message::Ping(payload)),
                OpCode::Control(Control::Pong) => Some(Message::Pong),
                OpCode::Control(Control::Close) => Some(Message::Close(payload)),
                OpCode::Data(kind) => self.put_together(kind, header.is_final, payload)?,
                OpCode::Control(Control::Reserved(_)) => return Err(Unreadable::Malformed),
            };
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    fn next_frame(&mut self) -> Result<Option<(FrameHeader, Bytes)>, Unreadable> {
        let mut cursor = Cursor::new(&self.read[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Unreadable::Malformed)?;
        let Some((header, payload_bytes)) = parsed else { return Ok(None) };
        let header_bytes = usize::try_from(cursor.position()).map_err(|_| Unreadable::Malformed)?;
        let payload_bytes = usize::try_from(payload_bytes).map_err(|_| Unreadable::TooBig)?;
        let mask = self.check(&header, payload_bytes)?;
        if self.read.len() - header_bytes < payload_bytes {
            // What a client only announces takes no memory.
            return Ok(None);
        }
        self.read.advance(header_bytes);
        // The last one takes the buffer with it.
        let mut payload = if self.read.len() == payload_bytes {
            mem::take(&mut self.read)
        } else {
            self.read.split_to(payload_bytes)
        };
        unmask(&mut payload, mask);
        Ok(Some((header, payload.freeze())))
    }

    /// What a header may say; answers the mask.
    fn check(&self, header: &FrameHeader, payload_bytes: usize) -> Result<[u8; 4], Unreadable> {
        let extended = header.rsv1 || header.rsv2 || header.rsv3;
        let bad_control =
            matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || payload_bytes > CONTROL_BYTES_MAX);
        match header.mask {
            Some(_) if extended || bad_control => Err(Unreadable::Malformed),
            Some(_) if payload_bytes > self.bytes_max => Err(Unreadable::TooBig),
            Some(mask) => Ok(mask),
            None => Err(Unreadable::Malformed),
        }
    }

    /// The message that a data frame ends; none if more frames belong to it.
    fn put_together(&mut self, kind: Data, is_final: bool, payload: Bytes) -> Result<Option<Message>, Unreadable> {
        let (kind, payload) = match (kind, self.begun.take()) {
            (Data::Text | Data::Binary, None) if is_final => (kind, payload),
            (Data::Text | Data::Binary, None) => {
                self.begun = Some(Box::new(Begun { kind, payload: BytesMut::from(&payload[..]) }));
                return Ok(None);
            }
            (Data::Continue, Some(mut begun)) => {
                if begun.payload.len() + payload.len() > self.bytes_max {
                    return Err(Unreadable::TooBig);
                }
                begun.payload.extend_from_slice(&payload);
                if !is_final {
                    self.begun = Some(begun);
                    return Ok(None);
                }
                (begun.kind, begun.payload.freeze())
            }
            _ => return Err(Unreadable::Malformed),
        };
        if kind == Data::Binary {
            return Ok(Some(Message::Binary(payload)));
        }
        Utf8Bytes::try_from(payload).map(|text| Some(Message::Text(text))).map_err(|_| Unreadable::Malformed)
    }
}

/// Section 5.3.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let key = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 100_000;

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 0, 255, 90];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length @ 126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    fn all(incoming: &mut Incoming) -> Vec<Message> {
        std::iter::from_fn(|| incoming.next_message().unwrap()).collect()
    }

    fn read(bytes: &[u8]) -> Result<Option<Message>, Unreadable> {
        let mut incoming = Incoming::new(BYTES_MAX);
        incoming.add(bytes);
        incoming.next_message()
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            payloads in proptest::collection::vec(0_usize..3_000, 1..6),
            cut in 1_usize..5_000,
        ) {
            let payloads: Vec<Vec<u8>> = payloads.iter().map(|length| (0..*length).map(|at| at as u8).collect()).collect();
            let sent: Vec<u8> = payloads.iter().flat_map(|payload| frame(0x82, payload)).collect();
            let mut incoming = Incoming::new(BYTES_MAX);
            let mut got = Vec::new();
            for part in sent.chunks(cut) {
                incoming.add(part);
                got.extend(all(&mut incoming));
            }
            let expected: Vec<Message> = payloads.into_iter().map(|payload| Message::Binary(payload.into())).collect();
            prop_assert_eq!(got, expected);
            prop_assert_eq!(incoming.read.capacity(), 0, "nothing is kept when all was taken");
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut incoming = Incoming::new(BYTES_MAX);
            incoming.add(&bytes);
            while let Ok(Some(_)) = incoming.next_message() {}
        }
    }

    #[test]
    fn a_message_may_come_in_parts_and_a_ping_between_them() {
        let mut incoming = Incoming::new(BYTES_MAX);
        for part in [frame(0x01, b"a"), frame(0x89, b"?"), frame(0x00, b""), frame(0x80, "ä".as_bytes())] {
            incoming.add(&part);
        }
        assert_eq!(all(&mut incoming), [Message::Ping(Bytes::from_static(b"?")), Message::Text("aä".into())]);
        incoming.add(&frame(0x8a, b""));
        incoming.add(&frame(0x88, &[3, 232]));
        assert_eq!(all(&mut incoming), [Message::Pong, Message::Close(Bytes::from_static(&[3, 232]))]);
    }

    #[test]
    fn what_is_no_websocket_is_not_read() {
        let unmasked = [0x82, 1, b'x'];
        assert_eq!(read(&unmasked), Err(Unreadable::Malformed));
        for (first, payload) in [
            (0xc2, &b"compressed"[..]),
            (0x83, b"reserved"),
            (0x8b, b"reserved"),
            (0x09, b"a ping in parts"),
            (0x89, &[0; 126]),
            (0x80, b"the end of nothing"),
            (0x81, &[0xff]),
        ] {
            assert_eq!(read(&frame(first, payload)), Err(Unreadable::Malformed), "{first:#x}");
        }
        let begun_twice = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
        assert_eq!(read(&begun_twice), Err(Unreadable::Malformed));
    }

    #[test]
    fn p8_what_is_too_big_is_refused_before_it_is_there() {
        let announced = frame(0x82, &[0; BYTES_MAX + 1]);
        assert_eq!(read(&announced[..14]), Err(Unreadable::TooBig));
        let parts = [frame(0x02, &[0; BYTES_MAX]), frame(0x80, &[0])].concat();
        assert_eq!(read(&parts), Err(Unreadable::TooBig));
        assert!(read(&frame(0x82, &[0; BYTES_MAX])).is_ok_and(|message| message.is_some()));
    }
}
