//! The ledger: what clients sent, what they were told, what they got, and what is there in the end.
//!
//! ```
//! use im_bench::ledger::{Event, Entry, check};
//!
//! let entry = Entry { seq: 1, message_id: 9, sender: 1, command: "a".into(), msg_no: 1, members: vec![1, 2], left: vec![], countable: true };
//! let history = vec![
//!     Event::Sent { at_us: 1, client: 1, user: 1, conversation: "d:1:2".into(), command: "a".into() },
//!     Event::Stored { at_us: 2, client: 1, user: 1, conversation: "d:1:2".into(), command: "a".into(), seq: 1, message_id: 9 },
//!     Event::Log { conversation: "d:1:2".into(), entries: vec![entry] },
//! ];
//! assert!(check(&history).violations.is_empty());
//! let forgotten = vec![history[0].clone(), history[1].clone(), Event::Log { conversation: "d:1:2".into(), entries: vec![] }];
//! assert_eq!(check(&forgotten).violations.len(), 1);
//! ```

mod checks;
mod entry;
mod event;
mod history;
mod view;

pub use checks::{Report, Violation, check, check_beginning};
pub use entry::{Entry, User};
pub use event::{Client, Event};
pub use history::{Header, History, HistoryError, HistoryWriter};
