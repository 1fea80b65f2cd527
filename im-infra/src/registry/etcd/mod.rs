//! The registry of many processes, in etcd. Whatever a process says is a key under a lease that it keeps alive:
//!
//! ```text
//! {namespace}/instances/{service}/{instance}    {"address":"10.0.0.7:9000","slot":3}
//! {namespace}/slots/{space}/{number}            who holds it
//! {namespace}/slots/{space}/{number}/rest       who held it last, for two more leases: until then nobody takes it
//! {namespace}/slots/{space}/{number}/floor      its holders are told times before this, Unix milliseconds; under no lease
//! ```
//!
//! With etcd away the lists stay as they were last seen, deadlines run out, and everything goes on when it is back.

mod announcement;
mod client;
mod follow;
mod inspect;
mod options;
mod registry;
mod slot;

pub use self::{options::EtcdOptions, registry::EtcdRegistry};
