//! Statements: one file per table or operation. Nothing above this knows SQL.

pub mod append;
mod conversations;
mod cursors;
mod dead_letters;
pub mod entity;
mod entries;
mod lengths;
mod members;
mod prune;
mod registrations;
mod sessions;
pub(crate) mod store_epoch;
mod users;
mod warm_up;

use std::sync::Arc;

use im_infra::{clock::Clock, database::Database};

pub use prune::Pruned;

use self::registrations::Registrations;
use crate::{RepoOptions, cache::CacheAside, metrics::Metrics};

/// The store. Clones share.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) aside: Arc<CacheAside>,
    pub(crate) options: Arc<RepoOptions>,
    registrations: Arc<Registrations>,
}

impl Store {
    /// Over a database whose schema is up to date.
    pub fn new(
        database: Database,
        clock: Clock,
        metrics: Arc<Metrics>,
        aside: CacheAside,
        options: RepoOptions,
    ) -> Self {
        let (aside, options) = (Arc::new(aside), Arc::new(options));
        let registrations = Arc::new(registrations::nobody());
        Self { database, clock, metrics, aside, options, registrations }
    }
}

/// Compound keys that one statement takes: each is a branch of an OR, and SQLite's expressions go 1,000 deep.
pub(crate) const KEYS_AT_ONCE: usize = 300;

/// Ids that one statement takes.
pub(crate) const IDS_MAX: usize = 1_000;
