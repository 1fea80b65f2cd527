//! What a Redis says of itself.

use std::collections::HashMap;

use redis::{ConnectionAddr, InfoDict, IntoConnectionInfo as _, RedisError, pipe};

use super::Connection;
use crate::{
    clock::Clock,
    config::Secret,
    inspection::{Inspection, address, clock_ahead_ms},
};

impl Connection {
    /// Host and port of the server; none for a socket, or if the address is not one.
    pub fn server(url: &Secret) -> Option<String> {
        match url.expose().into_connection_info().ok()?.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some(address(host, *port)),
            _ => None,
        }
    }

    /// Its version, its clock, and what it does with keys when its memory is full or it restarts.
    ///
    /// # Errors
    /// If it does not answer, or refuses even to be asked for the time.
    pub async fn inspect(&self, clock: &Clock) -> Result<Inspection, RedisError> {
        let mut found = Inspection::default();
        // The first command connects, which would count as a difference of the clocks.
        self.time_ms().await?;
        found.clock_ahead_ms = Some(clock_ahead_ms(clock, self.time_ms()).await?);
        let info = self.query(pipe().cmd("INFO")).await.and_then(|mut answers| answers.take::<InfoDict>());
        match info {
            Ok(info) => self.tell(&info, &mut found).await,
            Err(error) => found.warning(format_args!("INFO is refused, so little is known: {error}")),
        }
        Ok(found)
    }

    async fn time_ms(&self) -> Result<i64, RedisError> {
        let (seconds, microseconds): (i64, i64) = self.query(pipe().cmd("TIME")).await?.take()?;
        Ok(seconds * 1_000 + microseconds / 1_000)
    }

    async fn tell(&self, info: &InfoDict, found: &mut Inspection) {
        let text = |name: &str| info.get::<String>(name).unwrap_or_default();
        found.fact("version", text("redis_version"));
        found.fact("maxmemory", text("maxmemory"));
        let policy = text("maxmemory_policy");
        found.fact("maxmemory-policy", &policy);
        if policy != "noeviction" {
            // A flush or a restart is noticed; a single key that is gone is not.
            found.warning(format_args!("maxmemory-policy is {policy}: a route that is evicted is missed by pushes"));
        }
        found.fact("persistence", self.persistence(&text("aof_enabled")).await);
        if text("role") == "slave" {
            found.failure("it is a replica and takes no writes");
        }
        if text("redis_mode") == "cluster" {
            found.failure("it is part of a cluster, whose redirections are not followed");
        }
    }

    /// A fact, not a judgement: nothing that is kept here is the truth.
    async fn persistence(&self, aof_enabled: &str) -> String {
        let asked = self.query(pipe().cmd("CONFIG").arg("GET").arg("save")).await;
        let settings = asked.and_then(|mut answers| answers.take::<HashMap<String, String>>());
        let snapshots = settings.map(|settings| settings.get("save").cloned().unwrap_or_default());
        let log = if aof_enabled == "1" { "append-only file" } else { "no append-only file" };
        match snapshots {
            Ok(save) if save.is_empty() => format!("{log}, no snapshots"),
            Ok(save) => format!("{log}, snapshots ({save})"),
            Err(_) => format!("{log}, snapshots are not told (CONFIG is refused)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_without_user_and_password() {
        let server = |url: &str| Connection::server(&Secret::new(url));
        assert_eq!(server("redis://:secret@cache.local/3"), Some("cache.local:6379".into()));
        assert_eq!(server("rediss://user:secret@10.0.0.7:6380"), Some("10.0.0.7:6380".into()));
        assert_eq!(server("redis+unix:///run/redis.sock"), None);
        assert_eq!(server("nothing"), None);
    }
}
