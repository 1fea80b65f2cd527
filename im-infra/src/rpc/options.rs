//! What can be configured of calls.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{
    clock::Clock,
    config::{Check, Report, Secret},
    tls::TlsOptions,
};

/// Calls between services.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RpcOptions {
    /// Where a service that is its own process listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address others reach it at; empty: the one it listens at.
    pub advertise: String,
    /// How long a call may take unless its caller has less time left.
    pub deadline_ms: u64,
    /// Shared by all services: signs the tokens by which they know each other. At least 32 bytes.
    pub secret: Secret,
    /// TLS of the listener: on where it has a certificate. With authorities, callers must show a certificate of theirs.
    #[serde(default)]
    pub listener_tls: TlsOptions,
    /// TLS of calls: on where it has authorities, of which the others' listeners must show a certificate.
    #[serde(default)]
    pub caller_tls: TlsOptions,
    /// The name in the others' certificates; empty: the host of the address they are reached at.
    #[serde(default)]
    pub server_name: String,
}

impl Check for RpcOptions {
    fn check(&self, report: &mut Report) {
        report.range("rpc.deadline_ms", self.deadline_ms, 10..=60_000);
        let secret = self.secret.expose().len();
        report.require(secret == 0 || secret >= 32, "rpc.secret", "***", "at least 32 bytes");
        let clock = Clock::system();
        self.listener_tls.check_listener("rpc.listener_tls", &clock, report);
        self.caller_tls.check("rpc.caller_tls", &clock, report);
        let name = self.server_name.as_str();
        // Nobody finds out by reading packets that calls go without TLS.
        let meant = !self.caller_tls.certificate.is_empty() || !name.is_empty();
        let allowed = "certificates of authorities: without them calls go without TLS";
        report.require(!meant || !self.caller_tls.authorities.is_empty(), "rpc.caller_tls.authorities", "", allowed);
        let is_name = name.is_empty() || ServerName::try_from(name).is_ok();
        report.require(is_name, "rpc.server_name", name, "a host name or an address, without a port");
    }
}
