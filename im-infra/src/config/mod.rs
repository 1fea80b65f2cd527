//! Configuration: a documented default file, then a file, then `GOCHAT__SECTION__KEY` from the environment; every mistake is
//! reported at once, with key, value and what is allowed.
//!
//! ```
//! use im_infra::config::{Check, Report, Sources, load};
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config { http: Http }
//! #[derive(serde::Deserialize, serde::Serialize)]
//! #[serde(deny_unknown_fields)]
//! struct Http { port: u16, body_bytes_max: u64 }
//! impl Check for Config {
//!     fn check(&self, report: &mut Report) {
//!         report.range("http.body_bytes_max", self.http.body_bytes_max, 1..=1 << 20);
//!     }
//! }
//!
//! let defaults = "[http]\nport = 8080\nbody_bytes_max = 4096\n";
//! let sources = Sources { defaults, file: None, environment: vec![("GOCHAT__HTTP__PORT".into(), "x".into())] };
//! let error = load::<Config>(&sources).err().unwrap();
//! assert!(error.to_string().contains("http.port = \"x\""), "{error}");
//! ```

mod load;
mod report;
mod secret;
mod sources;

pub use load::load;
pub use report::{Check, ConfigError, Mistake, Report};
pub use secret::Secret;
pub use sources::Sources;
