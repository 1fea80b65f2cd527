//! Dead letters: from the topic to the archive, and from the archive back to where they came from.

mod archive;
mod replay;

pub(crate) use archive::Archive;
pub(crate) use replay::replay;
