//! The HTTP API, version 1, and the embedded page.

mod accounts;
mod body;
mod caller;
mod conversations;
mod groups;
mod messages;
mod outcome;
mod page;
mod router;
mod users;

pub(crate) use router::router;
