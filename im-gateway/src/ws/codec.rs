//! Frames of clients, in the format they negotiated.

use prost::Message as _;
use proto::{Error, ErrorCode, client::ClientFrame};

use super::incoming::Message;
use crate::connections::Format;

/// Decodes a data frame; none for control frames.
pub(super) fn decode(message: &Message, format: Format) -> Result<Option<ClientFrame>, Error> {
    let malformed = |reason: &dyn std::fmt::Display| Error::new(ErrorCode::MalformedFrame).with("reason", reason);
    match (message, format) {
        (Message::Text(text), Format::Json) => serde_json::from_str(text).map(Some).map_err(|error| malformed(&error)),
        (Message::Binary(bytes), Format::Proto) => {
            ClientFrame::decode(&bytes[..]).map(Some).map_err(|error| malformed(&error))
        }
        (Message::Text(_) | Message::Binary(_), _) => Err(ErrorCode::WrongEncoding.into()),
        (Message::Ping(_) | Message::Pong | Message::Close(_), _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::client::{Ping, client_frame::Frame};

    use super::*;

    #[test]
    fn a_frame_of_the_other_encoding_is_refused() {
        let text = Message::Text("{}".into());
        assert_eq!(decode(&text, Format::Proto).unwrap_err().code(), ErrorCode::WrongEncoding);
        assert_eq!(
            decode(&Message::Binary(vec![0xff].into()), Format::Json).unwrap_err().code(),
            ErrorCode::WrongEncoding
        );
        assert_eq!(decode(&Message::Text("{".into()), Format::Json).unwrap_err().code(), ErrorCode::MalformedFrame);
        assert_eq!(
            decode(&Message::Binary(vec![0xff].into()), Format::Proto).unwrap_err().code(),
            ErrorCode::MalformedFrame
        );
    }

    #[test]
    fn unknown_fields_and_kinds_decode() {
        let ping = decode(&Message::Text(r#"{"ping":{"data":"x","new":1},"more":true}"#.into()), Format::Json)
            .unwrap()
            .unwrap();
        assert_eq!(ping.frame, Some(Frame::Ping(Ping { data: "x".into() })));
        assert_eq!(decode(&Message::Text(r#"{"dance":{}}"#.into()), Format::Json).unwrap().unwrap().frame, None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in ".{0,200}") {
            let _ = decode(&Message::Binary(bytes.into()), Format::Proto);
            let _ = decode(&Message::Text(text.into()), Format::Json);
        }
    }
}
