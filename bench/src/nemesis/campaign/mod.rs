//! Many runs, over as many sittings as it takes: each one's outcome is a file, and what is there is not done again.

mod document;
mod publish;
mod sitting;
mod summary;
mod tries;

pub use sitting::Campaign;
pub use summary::{Share, Summary};
pub use tries::Try;
