//! Refresh tokens: the session's id and a secret of which only a hash is stored.

use std::fmt::Write as _;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};
use bytes::Bytes;
use proto::{Error, ErrorCode};

/// A fresh secret: the token's second part, and its hash.
pub(super) struct Secret {
    pub(super) text: String,
    pub(super) hash: Bytes,
}

pub(super) fn make() -> Result<Secret, Error> {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).map_err(|_| Error::new(ErrorCode::Internal).with("part", "randomness"))?;
    let text = hex(&secret);
    Ok(Secret { hash: hash(&text), text })
}

pub(super) fn join(session_id: &str, secret: &Secret) -> String {
    format!("{session_id}.{}", secret.text)
}

/// The session's id and the hash of the secret.
pub(super) fn split(token: &str) -> Result<(&str, Bytes), Error> {
    let (session_id, secret) = token.split_once('.').ok_or(ErrorCode::RefreshInvalid)?;
    Ok((session_id, hash(secret)))
}

fn hash(secret: &str) -> Bytes {
    Bytes::copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_splits_into_what_it_was_made_of() {
        let secret = make().unwrap();
        let token = join("abc", &secret);
        assert_eq!(split(&token).unwrap(), ("abc", secret.hash));
        assert_ne!(make().unwrap().text, secret.text);
        assert!(split("nonsense").is_err());
    }
}
