//! The way to Redis that every adapter over it shares: one connection, made when it is first used and again whenever it is
//! lost. Nothing that is kept there is the truth.
//!
//! ```
//! use im_infra::{config::Secret, redis::Connection};
//! use std::time::Duration;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! // Connects when it is first used: a Redis that is down keeps nobody from starting.
//! let url = Secret::new("redis://127.0.0.1:1/0");
//! let connection = Connection::open(&url, Duration::from_millis(200)).unwrap();
//! let mut ping = redis::pipe();
//! ping.cmd("PING");
//! assert!(connection.query(&ping).await.is_err(), "nobody listens there");
//! # });
//! ```

mod connection;
mod inspect;

pub use connection::{Answers, Connection};
