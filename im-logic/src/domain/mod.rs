//! Rules, as pure functions: no clock, no queue, no store.

mod audience;
mod command;
pub mod digest;
mod fold;
pub mod follow_up;
mod names;
pub mod remembered;
mod rules;
mod state;
pub mod view;

pub use audience::{Audience, Reach};
pub use command::{Command, Kind};
pub use fold::{Moved, Settled, fold_commands, moved, settle, stored};
pub use names::{check_password, display_name, fold, parse_name};
pub use rules::{Limits, decide};
pub use state::{MemberState, State};
