//! WebSocket: upgrade, hello, and the life of a connection.

mod codec;
mod frames;
mod hello;
mod incoming;
mod session;
mod socket;
mod upgrade;

pub(crate) use upgrade::{bearer, check_origin, upgrade};
