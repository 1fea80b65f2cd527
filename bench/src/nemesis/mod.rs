//! The nemesis: it hurts a system that works, on its real parts, and lets the ledger judge what came of it.
//!
//! A [`Scenario`] is data: kinds of faults, by a name. From a seed a pure function makes its [`schedule()`]. [`run()`] starts the
//! system, lets users talk, does the schedule, heals, and reads what everybody sees in the end. A run in which the faults met no
//! command without an outcome, or in which too little was said, is void: it shows nothing.
//!
//! ```
//! use im_bench::nemesis::{Scenario, Subject, schedule};
//!
//! let scenario = Scenario::named("kill-logic").unwrap();
//! assert!(scenario.fits(Subject::Processes) && !scenario.fits(Subject::Standalone));
//! let steps = schedule(scenario, Subject::Processes, 7, 30_000);
//! assert_eq!(steps, schedule(scenario, Subject::Processes, 7, 30_000));
//! ```

mod campaign;
mod commit;
mod crash;
mod fault;
mod features;
mod hearing;
mod hunt;
mod infrastructure;
mod kept;
mod node;
mod outcome;
mod place;
mod play;
mod proxy;
mod recorder;
mod scenario;
mod scene;
mod schedule;
mod settle;
mod signal;
mod socket;
mod strace;
mod strike;
mod table;
mod talker;
mod user;
mod victim;
mod world;

pub use campaign::{Campaign, Share, Summary, Try};
pub use fault::{DiskError, Fault, Server, Service, Subject, Victim, Way};
pub use features::Features;
pub use hunt::{Catch, Finding, Hunt, Trial, document};
pub use outcome::{Outcome, Verdict};
pub use play::{Order, logs_of, run};
pub use scenario::Scenario;
pub use schedule::{Step, schedule};
pub use strace::can_trace;
pub use world::Means;
