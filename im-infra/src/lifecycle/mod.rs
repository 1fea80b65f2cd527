//! How a process lives: supervised tasks, readiness, the admin port, and a stop in two steps.
//!
//! ```
//! use im_infra::lifecycle::Lifecycle;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let life = Lifecycle::new();
//! let stopping = life.stopping();
//! life.spawn("worker", async move {
//!     stopping.cancelled().await;
//!     Ok::<(), std::io::Error>(())
//! });
//! life.stop();
//! assert!(life.join(std::time::Duration::from_secs(1)).await.is_ok());
//! # });
//! ```

mod admin;
mod readiness;
mod signals;
mod tasks;

pub use admin::{AdminError, AdminOptions, serve_admin};
pub use readiness::{Check, Readiness};
pub use signals::stop_on_signals;
pub(crate) use tasks::panic_message;
pub use tasks::{Failure, Lifecycle};
