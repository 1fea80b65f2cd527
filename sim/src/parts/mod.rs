//! The adapters in memory: what stands for the database, the queue and the session store.

mod log;
mod routes;
mod store;

pub(crate) use log::{Fate, Log};
pub(crate) use routes::Routes;
pub(crate) use store::Store;
