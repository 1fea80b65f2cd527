//! What may be said, wherever it is said.

use prost::Message as _;
use proto::{
    Error, ErrorCode,
    message::{Content, content},
};

use super::Limits;

pub(super) fn check(content: &Content, limits: &Limits) -> Result<(), Error> {
    let empty = match &content.kind {
        Some(content::Kind::Text(text)) => text.text.trim().is_empty(),
        Some(content::Kind::Custom(custom)) => custom.kind.is_empty(),
        None => true,
    };
    if empty {
        return Err(ErrorCode::BodyEmpty.into());
    }
    let bytes = content.encoded_len();
    if bytes > limits.body_bytes_max {
        return Err(Error::new(ErrorCode::BodyTooBig).with("bytes", bytes).with("bytes_max", limits.body_bytes_max));
    }
    Ok(())
}
