//! Who acts. Each actor moves along the hops of the real one; what is decided at a hop is decided by the real one's code.

mod acts;
mod chaos;
mod client;
mod deliver;
mod following;
mod gateway;
mod hello;
mod intake;
mod link;
mod logic;
mod outbox;
mod reads;
mod round;
mod sent;
mod task;
mod upkeep;
mod worker;

pub(crate) use client::Client;
pub(crate) use gateway::Gateway;
pub(crate) use link::Link;
pub(crate) use logic::Logic;
pub(crate) use sent::Sent;
pub(crate) use task::Task;
