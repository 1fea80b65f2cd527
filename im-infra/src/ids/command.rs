//! The id a client gives a command, so that a repetition is recognised.

use std::{fmt, str::FromStr};

use proto::{Error, ErrorCode};

/// The longest command id, in bytes.
pub const COMMAND_ID_BYTES_MAX: usize = 64;

/// 1 to 64 visible ASCII characters. Those that start with `~` are the server's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(String);

impl CommandId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the server gave it, to a consequence of another entry.
    pub fn is_servers_own(&self) -> bool {
        self.0.starts_with('~')
    }

    /// Takes an id from a client.
    ///
    /// # Errors
    /// `idempotency_key_required` if it is empty, too long, not visible ASCII, or starts with `~`.
    pub fn from_client(id: &str) -> Result<Self, Error> {
        let visible = id.bytes().all(|b| b.is_ascii_graphic());
        if id.is_empty() || id.len() > COMMAND_ID_BYTES_MAX || !visible || id.starts_with('~') {
            return Err(ErrorCode::IdempotencyKeyRequired.into());
        }
        Ok(Self(id.to_owned()))
    }
}

impl FromStr for CommandId {
    type Err = Error;

    /// Takes an id from a record: the server's own are allowed.
    fn from_str(id: &str) -> Result<Self, Error> {
        Self::from_client(id.strip_prefix('~').unwrap_or(id)).map(|_| Self(id.to_owned()))
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clients_are_checked() {
        for good in ["a", "A-1_~", &"x".repeat(64)] {
            assert!(CommandId::from_client(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "~fact", "é", "\u{7f}", &"x".repeat(65)] {
            assert!(CommandId::from_client(bad).is_err(), "{bad}");
        }
        assert_eq!("~d:1:2:3:x".parse::<CommandId>().unwrap().as_str(), "~d:1:2:3:x");
    }
}
