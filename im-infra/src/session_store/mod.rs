//! Who is connected where: a port with two adapters, in process and Redis. Never the truth: losing it costs latency.
//!
//! ```
//! use im_infra::session_store::{MemorySessionStore, Route, SessionStore as _};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let store = MemorySessionStore::default();
//! let route = Route { user_id: 7, connection_id: 1, instance: "a1".into(), slot: 0, device_id: "phone".into() };
//! store.put(&[route]).await.unwrap();
//! let found = store.look_up(&[7, 8]).await.unwrap();
//! assert_eq!(found.routes.len(), 1);
//! # });
//! ```

mod memory;
mod redis;

use async_trait::async_trait;

pub use self::{
    memory::MemorySessionStore,
    redis::{RedisOptions, RedisSessionStore},
};
use crate::ids::UserId;

/// One connection of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose.
    pub user_id: UserId,
    /// Unique within the instance.
    pub connection_id: u64,
    /// The gateway that holds it.
    pub instance: String,
    /// That gateway's partition of `im.downstream`.
    pub slot: u32,
    /// The client's installation.
    pub device_id: String,
}

/// What the store knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The connections of the users asked for.
    pub routes: Vec<Route>,
    /// Instances that say: all my routes are here. For any other live gateway, absent means unknown.
    pub complete: Vec<String>,
    /// Gateways that say that they live: instance, and partition of `im.downstream`. Each once.
    pub gateways: Vec<(String, u32)>,
}

/// The store is out of reach for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session store unavailable: {0}")]
pub struct SessionStoreError(pub String);

/// Remembers connections, for a time.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Writes routes, or keeps them alive; answers which of them were not there before, or may not have been: a write of them
    /// before this one had no answer.
    async fn put(&self, routes: &[Route]) -> Result<Vec<u64>, SessionStoreError>;

    /// Forgets connections, by their id only: a newer one of the same user stays.
    async fn remove(&self, routes: &[Route]) -> Result<(), SessionStoreError>;

    /// Says that all routes of the instance are here, for a time: after a full pass of `put` over them.
    ///
    /// # Errors
    /// Also if what was written since the last time may not all be here any more; then another pass is needed.
    async fn mark_complete(&self, instance: &str) -> Result<(), SessionStoreError>;

    /// Whether the instance still counts as complete. Asked by the instance itself each second, between its passes, never
    /// during one: after `false` it makes a new pass.
    async fn is_complete(&self, instance: &str) -> Result<bool, SessionStoreError>;

    /// Says that a gateway lives and reads that partition of `im.downstream`, for a time: before it listens, and again with
    /// each pass. Senders address the gateways they read here and those of the registry, since either may be behind.
    async fn announce(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError>;

    /// Takes back what a gateway said of itself.
    async fn withdraw(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError>;

    /// Where these users are, and which gateways live, in one round trip.
    async fn look_up(&self, users: &[UserId]) -> Result<Routes, SessionStoreError>;
}
