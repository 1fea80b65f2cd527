//! Live connections: the table, and how frames come to each: into its queue, and out of it over its socket.

mod connection;
mod frame;
mod held;
mod line;
#[cfg(test)]
mod loopback;
mod outgoing;
mod pushes;
mod sockets;
mod table;
mod wire;

pub(crate) use connection::{Connection, Identity};
pub(crate) use frame::{Format, Frame};
pub use held::Held;
pub(crate) use line::{Line, LineStream};
pub(crate) use outgoing::{Outgoing, Pulled};
pub(crate) use pushes::Pushes;
pub(crate) use sockets::{Open, Sockets};
pub(crate) use table::{Connections, is_roomy};
pub(crate) use wire::Wire;
