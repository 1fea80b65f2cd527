//! What can be configured of im-gateway.

use std::net::SocketAddr;

use im_infra::{
    clock::Clock,
    config::{Check, Report},
    tls::TlsOptions,
};
use serde::{Deserialize, Serialize};

/// im-gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayOptions {
    /// The HTTP listener.
    pub http: HttpOptions,
    /// WebSocket connections.
    pub ws: WsOptions,
    /// Commands in flight.
    pub window: WindowOptions,
    /// How much one user may ask for.
    pub rate: RateOptions,
    /// Members of large conversations.
    pub index: IndexOptions,
}

/// The HTTP listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpOptions {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Origins of pages that may connect, beside the gateway's own.
    pub origins: Vec<String>,
    /// TCP connections of this process, those that became WebSockets too.
    pub connections_max: usize,
    /// Bytes that the system takes for a connection and has not sent yet; what comes behind them waits in the gateway.
    pub unsent_bytes_max: u32,
    /// How long a client may take for the head of a request and again for its body, and be silent between requests.
    pub header_timeout_ms: u64,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// How long a command waits for its outcome.
    pub outcome_timeout_ms: u64,
    /// TLS: on where it has a certificate. With authorities, clients must show a certificate of theirs.
    #[serde(default)]
    pub tls: TlsOptions,
}

/// WebSocket connections.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WsOptions {
    /// Connections of this process.
    pub connections_max: usize,
    /// How long a client may take for its hello.
    pub hello_timeout_ms: u64,
    /// Hellos that are answered at once; the others wait, as long as a client may take for its hello.
    pub hellos_max: usize,
    /// A client is heard at least this often, else it is gone.
    pub heartbeat_ms: u64,
    /// Bytes of a frame from a client.
    pub frame_bytes_max: usize,
    /// Bytes of a message's content, as told to clients.
    pub body_bytes_max: usize,
    /// Syncs and fetches of one connection that may wait or be answered at once.
    pub reads_max: usize,
    /// Bytes after which a frame that answers one of them is closed and another begun; one item always fits.
    pub answer_bytes_max: usize,
    /// Frames that may wait for a slow client.
    pub queue_frames_max: usize,
    /// Bytes that may wait for a slow client.
    pub queue_bytes_max: usize,
    /// How long one write to a client may take.
    pub write_timeout_ms: u64,
    /// Over how long clients are sent away when the gateway stops.
    pub drain_ms: u64,
}

/// Commands in flight: the admission window.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WindowOptions {
    /// Commands.
    pub commands_max: usize,
    /// Bytes of them.
    pub bytes_max: usize,
    /// How long one may wait for its outcome before it is given up as unknown.
    pub age_max_ms: u64,
}

/// Token buckets.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateOptions {
    /// Commands a user may send in a second, on average.
    pub commands_per_second: u32,
    /// And at once.
    pub commands_burst: u32,
    /// Calls without an account (register, login, refresh) of one address in a minute.
    pub anonymous_per_minute: u32,
}

/// The index of large conversations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IndexOptions {
    /// Conversations that are remembered although none of their members is connected here.
    pub conversations_max: usize,
    /// Records of one conversation that may wait while its members are loaded.
    pub waiting_max: usize,
    /// Conversations whose members are loaded at once.
    pub loads_max: usize,
}

impl Check for GatewayOptions {
    fn check(&self, report: &mut Report) {
        // Above that of WebSockets, so that one too many is told so.
        let connections_min = self.ws.connections_max.saturating_add(1);
        report.range("gateway.http.connections_max", self.http.connections_max, connections_min..=2_000_000);
        report.range("gateway.http.unsent_bytes_max", self.http.unsent_bytes_max, 4_096..=16 << 20);
        report.range("gateway.http.header_timeout_ms", self.http.header_timeout_ms, 100..=600_000);
        report.range("gateway.http.body_bytes_max", self.http.body_bytes_max, 1_024..=16 << 20);
        report.range("gateway.http.outcome_timeout_ms", self.http.outcome_timeout_ms, 10..=60_000);
        self.http.tls.check_listener("gateway.http.tls", &Clock::system(), report);
        let ws = &self.ws;
        report.range("gateway.ws.connections_max", ws.connections_max, 1..=1_000_000);
        report.range("gateway.ws.hello_timeout_ms", ws.hello_timeout_ms, 10..=60_000);
        report.range("gateway.ws.hellos_max", ws.hellos_max, 1..=100_000);
        report.range("gateway.ws.heartbeat_ms", ws.heartbeat_ms, 100..=600_000);
        report.range("gateway.ws.frame_bytes_max", ws.frame_bytes_max, 1_024..=16 << 20);
        report.range("gateway.ws.body_bytes_max", ws.body_bytes_max, 1..=ws.frame_bytes_max);
        report.range("gateway.ws.reads_max", ws.reads_max, 1..=1_000);
        report.range("gateway.ws.answer_bytes_max", ws.answer_bytes_max, 4_096..=4 << 20);
        report.range("gateway.ws.queue_frames_max", ws.queue_frames_max, 8..=100_000);
        report.range("gateway.ws.queue_bytes_max", ws.queue_bytes_max, 4_096..=256 << 20);
        report.range("gateway.ws.write_timeout_ms", ws.write_timeout_ms, 10..=60_000);
        report.range("gateway.ws.drain_ms", ws.drain_ms, 0..=300_000);
        report.range("gateway.window.commands_max", self.window.commands_max, 1..=1_000_000);
        report.range("gateway.window.bytes_max", self.window.bytes_max, 1_024..=1 << 30);
        report.range("gateway.window.age_max_ms", self.window.age_max_ms, 100..=600_000);
        report.range("gateway.rate.commands_per_second", self.rate.commands_per_second, 1..=1_000_000);
        report.range("gateway.rate.commands_burst", self.rate.commands_burst, 1..=1_000_000);
        report.range("gateway.rate.anonymous_per_minute", self.rate.anonymous_per_minute, 1..=1_000_000);
        report.range("gateway.index.conversations_max", self.index.conversations_max, 16..=10_000_000);
        report.range("gateway.index.waiting_max", self.index.waiting_max, 1..=1_000_000);
        report.range("gateway.index.loads_max", self.index.loads_max, 1..=1_000);
    }
}
