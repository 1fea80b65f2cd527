//! What was written stays readable, and what is generated is up to date. `GOCHAT_WRITE=1 cargo nextest run -p im-proto`
//! writes what is missing; a fixture that is there is never changed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod errors;
mod fixtures;
mod samples;

use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[allow(clippy::disallowed_methods)] // tests have no configuration
fn writing() -> bool {
    std::env::var_os("GOCHAT_WRITE").is_some()
}
