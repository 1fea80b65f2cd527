//! What GoChat's services stand on. Each module is a port or a tool that more than one service uses; only the adapters in
//! here know Kafka, etcd, Redis or a file system, and nothing in here knows what a message means.

pub mod access_token;
pub mod clock;
pub mod config;
pub mod database;
pub mod failpoint;
pub mod gateways;
pub mod gather;
pub mod ids;
pub mod inspection;
pub mod interval;
pub mod lifecycle;
pub mod mq;
mod named;
pub mod planted;
pub mod redis;
pub mod registry;
pub mod rpc;
pub mod session_store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
