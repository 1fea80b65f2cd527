//! Cache-aside: what is read often is kept beside the database and never decides anything. The states that decisions rest
//! upon, the append, credentials, sessions and *memberships* (who may see what, R5) are read from the database each time; the
//! cache holds users, heads of conversations, entries and read cursors. Losing all of it costs time.
//!
//! Nothing that is answered was outdated when it was asked for, as far as callers were told of changes:
//!
//! - **R19** Whoever misses gets a lease token, reads the database *after* that, and fills with the token. A change takes the
//!   token away, so a fill whose read may have begun before the change is discarded. Everybody who misses the same name gets
//!   the same token; within a process one of them reads for all ([`CacheAside`]).
//! - A change is told after its commit and before its caller hears of it. What is in order of versions (heads, cursors) is
//!   replaced if the kept one is older, entries are put at once (they never change), all else is forgotten.
//! - If a process ends between commit and change, nobody was told that the append was done; it comes again (R3), and the
//!   repetition tells the cache again.
//! - A change that cannot be told, or a connection to Redis that was lost, puts the process in doubt: it asks the cache
//!   nothing, keeps nothing, and goes on with the database alone until it has given the cache a new generation, under which
//!   nothing of before is found by any process.
//!
//! What is left is bounded by `ttl_ms`: while one process cannot reach Redis and others can, those may see heads, names and
//! cursors of before its changes, until it reaches Redis again or the TTL ends. The same holds for a replica of Redis that is
//! promoted without the newest writes and without a connection being lost.
//!
//! Names begin with the store's epoch: a restore from a backup (R17) finds nothing of what was there after it.

mod aside;
mod flights;
mod key;
mod memory;
mod options;
mod port;
mod redis;
mod telling;

pub use self::redis::RedisCache;
pub use aside::CacheAside;
pub use key::{CursorKey, EntryKey, HeadKey, Key, NameKey, ReadTo, UserKey};
pub use memory::MemoryCache;
pub use options::CacheOptions;
pub use port::{Cache, CacheError, Change, Fill, Found, Kept, To, Token};
pub use telling::Telling;
