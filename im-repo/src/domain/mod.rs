//! What an append does to a conversation, as pure functions.

pub mod append;

pub use append::{Known, Locked, MemberWrite, NewCursor, Plan, expected, plan};
pub use proto::repo::Row;
