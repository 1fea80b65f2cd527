//! The id of a request: the client's own if it is one, else a new one. It comes back in the answer, and goes on with a command.

use axum::{extract::Request, http::HeaderValue};

/// The header, in requests and answers.
pub(super) const HEADER: &str = "x-request-id";

/// It is written to every log line and record of the request.
const BYTES_MAX: usize = 128;

/// Drops what a client sent for an id but is none: then one is made.
pub(super) fn check(mut request: Request) -> Request {
    if request.headers().get(HEADER).is_some_and(|id| !is_id(id)) {
        request.headers_mut().remove(HEADER);
    }
    request
}

fn is_id(value: &HeaderValue) -> bool {
    (1..=BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_visible() {
        for good in ["a", "0b2c-7", &"x".repeat(128)] {
            assert!(is_id(&HeaderValue::from_str(good).unwrap()), "{good}");
        }
        for bad in ["", "two words", "tab\there", &"x".repeat(129)] {
            assert!(!is_id(&HeaderValue::from_str(bad).unwrap()), "{bad}");
        }
        assert!(!is_id(&HeaderValue::from_bytes(&[0xe4]).unwrap()));
    }
}
