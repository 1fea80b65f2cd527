//! Calls to etcd, each with a limit of time, and leases.

use std::{
    fmt::Display,
    future::Future,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, Error, GetOptions, GetResponse, LeaseKeepAliveStream, LeaseKeeper,
    PutOptions, StatusResponse, Txn, TxnOp, WatchOptions, WatchStream,
};

use super::EtcdOptions;
use crate::registry::RegistryError;

/// How long a connection with an open stream may be silent before it is asked for a sign of life, and how long that may
/// take. etcd takes pings that come faster than one in five seconds for an attack.
const PING_AFTER: Duration = Duration::from_secs(6);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// A call may take a third of a lease, but no less and no more than this.
const CALL_MIN: Duration = Duration::from_millis(500);
const CALL_MAX: Duration = Duration::from_secs(3);
/// The first wait after a failure.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// A way to etcd. Clones share its connections.
#[derive(Clone)]
pub(super) struct Etcd {
    client: Client,
    namespace: String,
    ttl_s: i64,
    beat: Duration,
    timeout: Duration,
}

/// A lease of ours.
pub(super) struct Lease {
    id: i64,
    ttl_s: i64,
    asked: Instant,
    /// The stream of the last sign of life stays open until the next, because a connection without a stream is not
    /// pinged, and one that died in silence would not be noticed.
    _stream: Option<(LeaseKeeper, LeaseKeepAliveStream)>,
}

impl Lease {
    pub(super) const fn id(&self) -> i64 {
        self.id
    }

    pub(super) const fn ttl_s(&self) -> i64 {
        self.ttl_s
    }

    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.ttl_s).unwrap_or(0))
    }

    /// When the request that granted it or last kept it alive was sent: its time counts from no earlier than this.
    pub(super) const fn asked(&self) -> Instant {
        self.asked
    }
}

impl Etcd {
    /// What a member says of itself.
    pub(super) async fn status(&self) -> Result<StatusResponse, RegistryError> {
        limited(self.timeout, self.client.maintenance_client().status()).await
    }

    /// Only with a user this needs an etcd that answers; without one, the first call connects.
    pub(super) async fn connect(options: &EtcdOptions) -> Result<Self, RegistryError> {
        let ttl_s = u64::try_from(options.lease_ttl_ms).unwrap_or(0).div_ceil(1_000).max(1);
        let beat = Duration::from_secs(ttl_s) / 3;
        let timeout = beat.clamp(CALL_MIN, CALL_MAX);
        let connecting = Client::connect(&options.endpoints, Some(connect_options(options, timeout)));
        Ok(Self {
            client: limited(timeout, connecting).await?,
            namespace: options.namespace.clone(),
            ttl_s: i64::try_from(ttl_s).unwrap_or(i64::MAX),
            beat,
            timeout,
        })
    }

    /// A key of the namespace.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// The configured time of a lease.
    pub(super) const fn ttl_s(&self) -> i64 {
        self.ttl_s
    }

    /// How often a lease is kept alive: three times in its time.
    pub(super) const fn beat(&self) -> Duration {
        self.beat
    }

    /// How long to wait after each failure in a row: longer each time, up to a beat, with jitter.
    pub(super) fn waits(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::default()
            .with_min_delay(WAIT_MIN)
            .with_max_delay(self.beat)
            .with_jitter()
            .without_max_times()
            .build()
    }

    /// A new lease. etcd may make its time longer than asked for.
    pub(super) async fn grant(&self, ttl_s: i64) -> Result<Lease, RegistryError> {
        let asked = Instant::now();
        let granted = limited(self.timeout, self.client.lease_client().grant(ttl_s, None)).await?;
        Ok(Lease { id: granted.id(), ttl_s: granted.ttl(), asked, _stream: None })
    }

    /// Keeps a lease alive; answers whether there still was something to keep.
    ///
    /// One request per call, so that no answer can be taken for that to a later request.
    pub(super) async fn keep_alive(&self, lease: &mut Lease) -> Result<bool, RegistryError> {
        let asked = Instant::now();
        let mut client = self.client.lease_client();
        match tokio::time::timeout(self.timeout, client.keep_alive(lease.id)).await {
            Ok(Ok(stream)) => {
                lease.asked = asked;
                lease._stream = Some(stream);
                Ok(true)
            }
            // What the client makes of an answer that leaves the lease no time.
            Ok(Err(Error::LeaseKeepAliveError(_))) => Ok(false),
            Ok(Err(error)) => Err(away(error)),
            Err(_) => Err(too_late(self.timeout)),
        }
    }

    /// Keeps a lease alive, or grants another in its place if it is gone.
    pub(super) async fn refresh(&self, lease: &mut Lease) -> Result<(), RegistryError> {
        if !self.keep_alive(lease).await? {
            *lease = self.grant(lease.ttl_s).await?;
        }
        Ok(())
    }

    /// Ends a lease and its keys, if etcd can be reached; else they end by themselves.
    pub(super) async fn revoke(&self, lease_id: i64) {
        if let Err(error) = limited(self.timeout, self.client.lease_client().revoke(lease_id)).await {
            tracing::debug!(%error, "lease not revoked, it runs out by itself");
        }
    }

    /// Puts a key under a lease, unless it is under it already.
    pub(super) async fn ensure(&self, key: &str, value: &str, lease_id: i64) -> Result<(), RegistryError> {
        let is_there = Compare::lease(key, CompareOp::Equal, lease_id);
        let put = TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease_id)));
        self.txn(Txn::new().when([is_there]).or_else([put])).await?;
        Ok(())
    }

    pub(super) async fn get(&self, key: &str, options: GetOptions) -> Result<GetResponse, RegistryError> {
        limited(self.timeout, self.client.kv_client().get(key, Some(options))).await
    }

    /// Answers whether the transaction's conditions held.
    pub(super) async fn txn(&self, txn: Txn) -> Result<bool, RegistryError> {
        let answered = limited(self.timeout, self.client.kv_client().txn(txn)).await?;
        Ok(answered.succeeded())
    }

    /// Everything that happens to keys with this prefix, from a revision on. The stream itself has no limit of time.
    pub(super) async fn watch(&self, prefix: &str, revision: i64) -> Result<WatchStream, RegistryError> {
        let options = WatchOptions::new().with_prefix().with_start_revision(revision);
        limited(self.timeout, self.client.watch_client().watch(prefix, Some(options))).await
    }
}

fn connect_options(options: &EtcdOptions, timeout: Duration) -> ConnectOptions {
    let mut connect = ConnectOptions::new()
        .with_connect_timeout(timeout)
        .with_keep_alive(PING_AFTER, PING_TIMEOUT)
        .with_keep_alive_while_idle(false)
        // A member that is cut off from the others says so instead of waiting for them.
        .with_require_leader(true);
    if options.is_over_tls() {
        connect = connect.with_tls(options.tls.grpc_client(timeout));
    }
    if !options.user.is_empty() {
        connect = connect.with_user(options.user.as_str(), options.password.expose()).with_auto_token_refresh(true);
    }
    connect
}

async fn limited<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, RegistryError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answered) => answered.map_err(away),
        Err(_) => Err(too_late(limit)),
    }
}

fn too_late(limit: Duration) -> RegistryError {
    away(format_args!("etcd did not answer within {} ms", limit.as_millis()))
}

/// etcd cannot be asked for now.
pub(super) fn away(reason: impl Display) -> RegistryError {
    RegistryError::Unavailable(reason.to_string())
}
