//! The simulation. The services' own rules and state machines ([`im_logic::domain`], [`im_repo::domain`], the window and the
//! index of im-gateway, letters and whereabouts of im-infra) run over adapters in memory. Every hop between them, and every
//! place at which the real thing awaits, is an event of a seeded queue with virtual time. Between any two of them a process
//! may be killed or stand still, a connection be cut, an answer be lost or a call be made twice. After each event it is
//! checked what must always hold, and in the end, healed, that all see the same.
//!
//! ```
//! use im_sim::{Options, run};
//!
//! let report = run(&Options { seed: 7, steps: 2_000, ..Options::default() });
//! assert!(report.failure.is_none(), "{report}");
//! assert_eq!(report.hash, run(&Options { seed: 7, steps: 2_000, ..Options::default() }).hash, "the same steps again");
//! ```

mod actors;
mod bug;
mod event;
mod faults;
mod options;
mod oracle;
mod parts;
mod report;
mod run;
mod scheduler;
mod settled;
mod world;

pub use bug::Bug;
pub use options::Options;
pub use report::{Failure, Report};
pub use run::{replay, run};
