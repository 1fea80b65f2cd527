//! The cache of all im-repos that share a Redis and a namespace.
//!
//! ```text
//! {namespace}:cache:generation               string   a random word; names under another one are not asked for any more
//! {namespace}:cache:{generation}:{name}      string   L{token} | V{version} {value} | N{version} : leased, kept, kept as nothing
//! ```
//!
//! One key holds the lease or the value, so that each script is a matter of that key alone. A flush takes leases and values
//! alike: a read that was under way cannot fill. Whoever finds no generation makes one.

mod cache;
mod scripts;
mod slot;
mod trust;

pub use cache::RedisCache;
