//! How a slot is written.

use bytes::Bytes;

use crate::cache::{Found, Kept, Token};

pub(super) fn lease(token: Token) -> Vec<u8> {
    format!("L{}", token.0).into_bytes()
}

pub(super) fn kept(kept: &Kept) -> Vec<u8> {
    let kind = if kept.bytes.is_some() { 'V' } else { 'N' };
    let mut slot = format!("{kind}{} ", kept.version.max(0)).into_bytes();
    slot.extend_from_slice(kept.bytes.as_deref().unwrap_or_default());
    slot
}

/// What was written; nothing if it is not a slot.
pub(super) fn read(slot: Vec<u8>) -> Option<Found> {
    match slot.first()? {
        b'L' => Some(Found::Missing(Token(str::from_utf8(&slot[1..]).ok()?.parse().ok()?))),
        b'N' => Some(Found::Nothing),
        b'V' => {
            let space = slot.iter().position(|byte| *byte == b' ')?;
            Some(Found::Value(Bytes::from(slot).slice(space + 1..)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_slot_is_read_as_it_was_written() {
        assert_eq!(read(lease(Token(u64::MAX))), Some(Found::Missing(Token(u64::MAX))));
        for bytes in [&b""[..], b"a b", b"\0\xff 7"] {
            let bytes = Bytes::from_static(bytes);
            let slot = Kept { version: i64::MAX, bytes: Some(bytes.clone()), ttl: Duration::ZERO };
            assert_eq!(read(kept(&slot)), Some(Found::Value(bytes)));
        }
        assert_eq!(read(kept(&Kept { version: 3, bytes: None, ttl: Duration::ZERO })), Some(Found::Nothing));
        for other in ["", "x", "L", "Lx", "V1"] {
            assert_eq!(read(other.into()), None, "{other}");
        }
    }
}
