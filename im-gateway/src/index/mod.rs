//! Which of the users connected here are in which large conversations: records of those are addressed to the conversation, and
//! each gateway finds its own members. A user's places are loaded at hello; what changes comes with the entries themselves.

mod attempt;
mod changes;
mod conversation;
mod load;
mod table;

pub(crate) use attempt::Attempt;
pub use changes::together;
pub(crate) use load::load;
pub use table::{Admitted, Index, Next};
