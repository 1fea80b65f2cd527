//! Many runs, over as many sittings as it takes: each one's outcome is a file, and what is there is not done again.

mod sitting;
mod summary;
mod tries;

pub use sitting::Campaign;
pub use summary::Summary;
pub use tries::Try;
