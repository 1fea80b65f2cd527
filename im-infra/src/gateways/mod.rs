//! The way to the gateways, for whoever has something to deliver: which of them live, which hold a user's connections, and
//! records of `im.downstream` packed for each of them.
//!
//! ```
//! use im_infra::gateways::{Gateway, Letters};
//! use proto::message::Entry;
//!
//! let gateway = Gateway { instance: "a1".into(), slot: 3 };
//! let entry = Entry { conversation_id: "d:7:42".into(), seq: 1, ..Entry::default() };
//! let mut letters = Letters::default();
//! letters.deliver(&gateway, &entry, &[7, 42], "");
//! assert_eq!(letters.to(&gateway, 0).deliveries[0].recipients, [7, 42]);
//! ```

mod letters;
mod whereabouts;

use std::sync::Arc;

pub use letters::Letters;
pub use whereabouts::Whereabouts;

use crate::{
    ids::UserId,
    mq::{MqError, Queue, Room, Topic},
    registry::{Registry, ServiceName},
    session_store::SessionStore,
};

/// An instance, and its partition of `im.downstream`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gateway {
    /// Random per process start.
    pub instance: String,
    /// Its partition.
    pub slot: u32,
}

/// The gateways. Clones share.
#[derive(Clone)]
pub struct Gateways {
    queue: Queue,
    routes: Arc<dyn SessionStore>,
    registry: Arc<dyn Registry>,
}

impl Gateways {
    /// As the registry and the session store know them.
    pub fn new(queue: Queue, routes: Arc<dyn SessionStore>, registry: Arc<dyn Registry>) -> Self {
        Self { queue, routes, registry }
    }

    /// Where these users are, as it is known now and not remembered: asked after the commit of what they are to get.
    pub async fn find(&self, users: &[UserId]) -> Whereabouts {
        let announced = self.announced();
        match self.routes.look_up(users).await {
            Ok(routes) => Whereabouts::of(announced, routes),
            Err(error) => {
                tracing::warn!(%error, "routes unknown, addressing every gateway");
                Whereabouts::unknown(announced)
            }
        }
    }

    /// Delivers; returns when the queue has confirmed all of it.
    ///
    /// # Errors
    /// If the queue does not take it; some of it may be there then.
    pub async fn send(&self, letters: Letters) -> Result<(), MqError> {
        self.queue.produce(Topic::Downstream, letters.into_records(), Room::Internal).await
    }

    fn announced(&self) -> Vec<Gateway> {
        let live = self.registry.watch(ServiceName::Gateway);
        let gateways = live.borrow();
        gateways.iter().map(|one| Gateway { instance: one.instance.clone(), slot: one.slot }).collect()
    }
}
