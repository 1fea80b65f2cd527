//! Identities: typed, parsed once at the edge, and minted here.
//!
//! ```
//! use im_infra::ids::ConversationId;
//!
//! let id: ConversationId = "d:7:42".parse().unwrap();
//! assert_eq!(id, ConversationId::direct(42, 7).unwrap());
//! assert!("d:42:7".parse::<ConversationId>().is_err(), "one spelling only");
//! ```

mod command;
mod conversation;
mod mint;

pub use command::{COMMAND_ID_BYTES_MAX, CommandId};
pub use conversation::ConversationId;
pub use mint::{LeaseDeadline, LeaseLost, Mint, NODES};

/// A user's number; positive, a string in JSON.
pub type UserId = i64;
