//! Bytes on the disk that are not what was written there.

use std::{error::Error as _, fmt, io, path::Path};

use fjall::Error;

use super::super::MqError;

/// Whether the bytes are at fault: then waiting does not help.
pub(super) fn is_damage(error: &Error) -> bool {
    let torn = |error: &io::Error| matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData);
    match error {
        Error::Storage(inner) => inner.source().and_then(|source| source.downcast_ref::<io::Error>()).is_none_or(torn),
        Error::Io(error) => torn(error),
        Error::JournalRecovery(_)
        | Error::InvalidVersion(_)
        | Error::Decompress(_)
        | Error::InvalidTrailer
        | Error::InvalidTag(_)
        | Error::Unrecoverable => true,
        _ => false,
    }
}

/// Why a log cannot be opened, and what to do.
pub(super) fn unopened(folder: &Path, error: &Error) -> MqError {
    let shown = folder.display();
    match error {
        Error::Locked => MqError::Unavailable(format!("the log in {shown} is in use by another process")),
        error if is_damage(error) => damaged(folder, error),
        error => MqError::Unavailable(format!("the log in {shown} cannot be opened: {error}")),
    }
}

/// A log that cannot be read as a whole.
pub(super) fn damaged(folder: &Path, what: impl fmt::Display) -> MqError {
    MqError::Refused(format!(
        "the log in {} is damaged ({what}): put a copy of the folder back, or move it away to begin with an empty log; \
         commands without an outcome are lost with it, stored messages are not",
        folder.display()
    ))
}
