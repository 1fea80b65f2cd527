//! The session store of many processes, in Redis.
//!
//! ```text
//! {namespace}:routes:{<user>}    hash     {instance}/{connection_id} -> slot,device_id,expires_at_ms
//! {namespace}:complete           set      instance, scored with the time until which it is complete
//! {namespace}:gateways           set      {instance}/{slot}, scored with the time until which it counts as alive
//! {namespace}:era                string   a random word that is lost with everything else
//! ```
//!
//! A flush or a restart may take any part of it away at any time. The era tells whoever writes that it happened. A copy that is
//! put in its place brings its marks along: what it lacks is new to the pass that finds out, and so is what a write without an
//! answer may have put there before.

mod layout;
mod options;
mod stale;
mod store;
mod unanswered;
mod written;

pub use self::{options::RedisOptions, store::RedisSessionStore};
