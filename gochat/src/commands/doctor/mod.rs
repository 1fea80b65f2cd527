//! `gochat doctor`: looks at everything that GoChat needs, with the configuration in force. It makes and changes nothing.

mod dependencies;
mod findings;
mod host;
mod needs;
mod reach;
mod run;

pub(super) use run::run;
