//! A pool of connections to SQLite, MySQL/MariaDB or PostgreSQL, and whether what is committed is durable there.
//!
//! ```
//! use im_infra::database::{Database, DatabaseOptions, Engine};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let folder = tempfile::tempdir().unwrap();
//! let url = format!("sqlite://{}/im.db?mode=rwc", folder.path().display());
//! let database = Database::connect(&DatabaseOptions::new(url)).await.unwrap();
//! assert_eq!(database.engine(), Engine::Sqlite);
//! assert!(database.durability().await.unwrap().is_durable());
//! # });
//! ```

mod connect;
mod durability;
mod inspect;

pub use connect::{Database, DatabaseOptions, Engine};
pub use durability::Durability;
