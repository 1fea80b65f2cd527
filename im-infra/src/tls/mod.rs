//! TLS of every listener and every client: what this side shows, and whose certificates it takes. It is rustls with
//! aws-lc-rs, TLS 1.2 and 1.3.
//!
//! ```
//! use im_infra::{clock::Clock, config::Report, tls::TlsOptions};
//!
//! let options = TlsOptions { certificate: "/etc/gochat/tls.crt".into(), ..TlsOptions::default() };
//! let mut report = Report::default();
//! options.check("gateway.http.tls", &Clock::system(), &mut report);
//! let error = report.done().unwrap_err().to_string();
//! assert!(error.contains("gateway.http.tls.certificate") && error.contains("file:PATH"), "{error}");
//! assert!(error.contains("gateway.http.tls.key"), "{error}");
//! ```

#[cfg(feature = "testing")]
mod authority;
mod options;
mod pem;

#[cfg(feature = "testing")]
pub use authority::{Authority, Signed};
pub use options::{TlsError, TlsOptions};
pub use tokio_rustls::{TlsAcceptor, server::TlsStream};
