//! Commands on their way in: admitted to the window, stamped, produced in order.

mod command;
mod cursors;
mod producer;
mod window;

pub(crate) use command::{Action, Intake};
pub(crate) use cursors::Cursors;
pub(crate) use producer::Producer;
pub(crate) use window::Waiter;
pub use window::{Admitted, Key, Waits, Window};
