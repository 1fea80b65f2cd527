//! Rules, as pure functions: no clock, no queue, no store.

mod audience;
mod command;
pub mod digest;
mod names;
mod rules;
mod state;

pub use audience::{Audience, Reach};
pub use command::{Command, Kind};
pub use names::{check_password, display_name, fold, parse_name};
pub use rules::{Limits, decide};
pub use state::{MemberState, State};
