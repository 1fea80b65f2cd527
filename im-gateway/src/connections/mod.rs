//! Live connections: the table, and what waits to be written to each.

mod connection;
mod frame;
mod held;
mod outgoing;
mod sockets;
mod table;

pub(crate) use connection::{Connection, Identity};
pub(crate) use frame::{Format, Frame, Wire};
pub use held::Held;
pub(crate) use outgoing::{Outgoing, Pulled};
pub(crate) use sockets::{Open, Sockets};
pub(crate) use table::{Connections, is_roomy};
