//! The way to Redis that every adapter over it shares: one connection, made when it is first used and again whenever it is
//! lost. Nothing that is kept there is the truth.

mod connection;
mod inspect;

pub use connection::{Answers, Connection};
