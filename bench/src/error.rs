//! What the caller has to change, told apart from what went wrong.

/// A wrong request: told in one line, exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

/// Nothing was wrong as far as could be seen, and that says nothing: exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("void: {0}")]
pub(crate) struct Void(pub(crate) String);

/// An error that says what to change.
pub(crate) fn usage(what: impl Into<String>) -> anyhow::Error {
    Usage(what.into()).into()
}
