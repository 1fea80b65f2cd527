//! What is said: results on standard output, what goes on meanwhile on standard error.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Prints a line; a closed pipe is no error.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says what is going on.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
