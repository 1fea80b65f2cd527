//! Looks for planted bugs: for each the runs that should find it, one after the other, until the ledger does.

mod document;
mod finding;
mod search;
mod trial;

pub use document::document;
pub use finding::{Catch, Finding};
pub use search::Hunt;
pub use trial::Trial;
