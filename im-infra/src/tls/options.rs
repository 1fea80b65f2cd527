//! What can be configured of TLS, and what becomes of it: a listener's acceptor, and what tonic wants.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::aws_lc_rs::{Ticketer, default_provider},
        pki_types::UnixTime,
        server::{VerifierBuilderError, WebPkiClientVerifier},
        sign::{CertifiedKey, SingleCertAndKey},
    },
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use super::pem;
use crate::{
    clock::Clock,
    config::{ConfigError, Report, Secret},
};

/// How long a caller of gRPC may take for its handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(3);

/// TLS of one side of a connection. Each value is PEM, which configuration can take from `file:PATH`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// What this side shows: its own certificate, then those up to its authority, without that one. A listener without a
    /// certificate does without TLS; a client without one shows none.
    pub certificate: String,
    /// The certificate's private key (PKCS#8, PKCS#1 or SEC1), not encrypted: a secret.
    pub key: Secret,
    /// The authorities of which the other side must show a certificate. A listener without any asks for none.
    pub authorities: String,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { certificate: String::new(), key: Secret::new(""), authorities: String::new() }
    }
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The options are wrong.
    #[error(transparent)]
    Options(#[from] ConfigError),
    /// rustls does not take them.
    #[error("TLS cannot be set up: {0}")]
    Refused(#[from] rustls::Error),
    /// rustls does not take the authorities.
    #[error("TLS cannot be set up: {0}")]
    Authorities(#[from] VerifierBuilderError),
}

/// What the options hold, once nothing is wrong with them.
struct Parsed {
    shown: Option<CertifiedKey>,
    authorities: RootCertStore,
}

impl TlsOptions {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.certificate.is_empty() && self.key.is_empty() && self.authorities.is_empty()
    }

    /// Notes what is wrong below a section as `gateway.http.tls`: what is no PEM, a certificate that is not good now, a
    /// key that is not its own.
    pub fn check(&self, section: &str, clock: &Clock, report: &mut Report) {
        self.parse(section, clock, report);
    }

    /// The same for a listener, which speaks TLS only with a certificate: nobody finds out by reading packets that it does not.
    pub fn check_listener(&self, section: &str, clock: &Clock, report: &mut Report) {
        self.check(section, clock, report);
        let meant = !self.authorities.is_empty();
        let allowed = "a certificate: without one the listener goes without TLS";
        report.require(!meant || !self.certificate.is_empty(), &format!("{section}.certificate"), "", allowed);
    }

    /// What makes TLS of a listener's connections; none if it has no certificate. The application protocol is the one that
    /// clients may ask for, as `http/1.1`; who asks for none is taken too.
    ///
    /// # Errors
    /// If something is wrong with the options, as [`Self::check`] tells it.
    pub fn acceptor(&self, section: &str, protocol: &[u8], clock: &Clock) -> Result<Option<TlsAcceptor>, TlsError> {
        let mut report = Report::default();
        let Parsed { shown, authorities } = self.parse(section, clock, &mut report);
        report.done()?;
        let Some(shown) = shown else { return Ok(None) };
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = if authorities.is_empty() {
            builder.with_no_client_auth()
        } else {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![protocol.to_vec()];
        // Who comes back needs no signature: after an outage all of them come at once. Nothing is kept here for it.
        config.ticketer = Ticketer::new()?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }

    /// For a listener of gRPC; none if it has no certificate.
    pub(crate) fn grpc_listener(&self) -> Option<ServerTlsConfig> {
        if self.certificate.is_empty() {
            return None;
        }
        let config = ServerTlsConfig::new().identity(self.identity()).timeout(HANDSHAKE_LIMIT);
        if self.authorities.is_empty() {
            return Some(config);
        }
        Some(config.client_ca_root(Certificate::from_pem(&self.authorities)))
    }

    /// For a client of gRPC, whose handshake may take so long; without authorities of its own it takes the system's.
    pub(crate) fn grpc_client(&self, limit: Duration) -> ClientTlsConfig {
        let config = ClientTlsConfig::new().timeout(limit);
        let config = if self.authorities.is_empty() {
            config.with_enabled_roots()
        } else {
            config.ca_certificate(Certificate::from_pem(&self.authorities))
        };
        if self.certificate.is_empty() { config } else { config.identity(self.identity()) }
    }

    fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, self.key.expose())
    }

    fn parse(&self, section: &str, clock: &Clock, report: &mut Report) -> Parsed {
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(clock.now_ms()).unwrap_or(0)));
        let mut wrong = |name: &str, value: &str, allowed: String| {
            report.wrong(&format!("{section}.{name}"), value, allowed);
        };
        let mut shown = None;
        if !(self.certificate.is_empty() && self.key.is_empty()) {
            let secret = if self.key.is_empty() { "" } else { "***" };
            match (pem::chain(&self.certificate, now), pem::private_key(self.key.expose())) {
                (Ok(chain), Ok(key)) => match pem::certified(chain, key) {
                    Ok(certified) => shown = Some(certified),
                    Err(allowed) => wrong("key", secret, allowed),
                },
                (chain, key) => {
                    if let Err(allowed) = chain {
                        wrong("certificate", pem::told(&self.certificate), allowed);
                    }
                    if let Err(allowed) = key {
                        wrong("key", secret, allowed);
                    }
                }
            }
        }
        let authorities = pem::authorities(&self.authorities).unwrap_or_else(|allowed| {
            wrong("authorities", pem::told(&self.authorities), allowed);
            RootCertStore::empty()
        });
        Parsed { shown, authorities }
    }
}
