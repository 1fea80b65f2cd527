//! The HTTP API, version 1, its description, and the embedded pages.

mod accounts;
mod body;
mod caller;
mod conversations;
mod cross_origin;
mod groups;
mod messages;
mod outcome;
mod page;
mod request_id;
mod router;
mod routes;
mod users;

pub(crate) use router::router;
pub use routes::{ROUTES, Route};
