//! Who is alive and which slots they hold: a port with two adapters, in process and etcd.
//!
//! ```
//! use im_infra::registry::{Instance, MemoryRegistry, Registry as _, ServiceName};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let registry = MemoryRegistry::default();
//! let instance = Instance { service: ServiceName::Gateway, instance: "a1".into(), address: String::new(), slot: 0 };
//! let registration = registry.announce(instance).await.unwrap();
//! assert_eq!(registry.watch(ServiceName::Gateway).borrow().len(), 1);
//! drop(registration);
//! assert_eq!(registry.watch(ServiceName::Gateway).borrow().len(), 0);
//! # });
//! ```

mod etcd;
mod memory;
mod slot;

use async_trait::async_trait;
use tokio::sync::watch;

pub use self::{
    etcd::{EtcdOptions, EtcdRegistry},
    memory::MemoryRegistry,
    slot::{Slot, SlotLost, SlotSpace},
};

/// The services that can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceName {
    /// im-gateway.
    Gateway,
    /// im-logic.
    Logic,
    /// im-repo.
    Repo,
    /// im-task.
    Task,
    /// An operator's command: it calls, and is never called.
    Operator,
}

impl ServiceName {
    /// As in names of spans, metrics and keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "im-gateway",
            Self::Logic => "im-logic",
            Self::Repo => "im-repo",
            Self::Task => "im-task",
            Self::Operator => "operator",
        }
    }
}

/// A live process of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Which service.
    pub service: ServiceName,
    /// Random per process start, never a host name.
    pub instance: String,
    /// Where its gRPC listens; empty if it does not.
    pub address: String,
    /// A gateway's partition of `im.downstream`.
    pub slot: u32,
}

/// An announcement that ends when it is dropped.
pub struct Registration {
    pub(crate) _held: Box<dyn Send + Sync>,
}

/// The registry could not be asked, or had nothing to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Out of reach for now.
    #[error("registry unavailable: {0}")]
    Unavailable(String),
    /// All slots are held or resting.
    #[error("no free slot among {0}")]
    NoFreeSlot(u32),
}

/// Knows who is alive.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Tells everybody of this instance until the registration is dropped.
    async fn announce(&self, instance: Instance) -> Result<Registration, RegistryError>;

    /// The live instances of a service, now and from now on.
    fn watch(&self, service: ServiceName) -> watch::Receiver<Vec<Instance>>;

    /// Takes a free number below `count`.
    async fn lease_slot(&self, space: SlotSpace, count: u32) -> Result<Slot, RegistryError>;
}
