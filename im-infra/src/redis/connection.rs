//! The connection that all operations share.

use std::{sync::Arc, time::Duration, vec};

use arc_swap::ArcSwap;
use redis::{
    Client, ClientTlsConfig, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisError, TlsCertificates, Value,
    aio::{ConnectionManager, ConnectionManagerConfig},
    from_redis_value,
    io::tcp::TcpSettings,
};

use crate::{config::Secret, tls::TlsOptions};

/// A connection that fails is tried once more before whoever waits for it is told: they are many, and try again anyway.
const RETRIES: usize = 1;
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// After so long without a sign that what was sent has arrived, the connection is given up (where the system can tell).
#[cfg(target_os = "linux")]
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// One connection, made when it is first used and again whenever it is lost.
pub struct Connection {
    client: Client,
    config: ConnectionManagerConfig,
    manager: ArcSwap<ConnectionManager>,
}

impl Connection {
    /// Connects to nothing yet. Within a tokio runtime. With `rediss://` it takes the authorities of the system.
    ///
    /// # Errors
    /// If the address is not one.
    pub fn open(url: &Secret, timeout: Duration) -> Result<Self, RedisError> {
        Self::open_with(url, &TlsOptions::default(), timeout)
    }

    /// As [`Self::open`], with a certificate to show and authorities to take where they are set.
    ///
    /// # Errors
    /// If the address is not one, or not `rediss://` although TLS is set; if TLS is not PEM.
    pub fn open_with(url: &Secret, tls: &TlsOptions, timeout: Duration) -> Result<Self, RedisError> {
        let info = url.expose().into_connection_info()?.set_tcp_settings(tcp_settings());
        let client =
            if tls.is_empty() { Client::open(info)? } else { Client::build_with_tls(info, certificates(tls))? };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(RETRIES)
            .set_min_delay(RETRY_AFTER);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        Ok(Self { client, config, manager: ArcSwap::from_pointee(manager) })
    }

    /// Sends the commands in one go; answers what those said that are not ignored.
    ///
    /// # Errors
    /// If Redis is out of reach or refuses.
    pub async fn query(&self, pipe: &Pipeline) -> Result<Answers, RedisError> {
        let mut manager = ConnectionManager::clone(&self.manager.load());
        let answered: Result<Vec<Value>, RedisError> = pipe.query_async(&mut manager).await;
        if let Err(error) = &answered {
            self.renew_after(error);
        }
        answered.map(|answers| Answers(answers.into_iter()))
    }

    /// The manager connects again after errors of the network, but keeps any other failure to connect for ever: a
    /// password that was refused, a server that had no room for another client.
    fn renew_after(&self, error: &RedisError) {
        if !error.is_io_error()
            && let Ok(fresh) = ConnectionManager::new_lazy_with_config(self.client.clone(), self.config.clone())
        {
            self.manager.store(Arc::new(fresh));
        }
    }
}

/// What the commands of a pipeline said, in their order.
pub struct Answers(vec::IntoIter<Value>);

impl Answers {
    /// What the next command said.
    ///
    /// # Errors
    /// If it is something else.
    pub fn take<T: FromRedisValue>(&mut self) -> Result<T, RedisError> {
        Ok(from_redis_value(self.0.next().unwrap_or(Value::Nil))?)
    }
}

fn certificates(tls: &TlsOptions) -> TlsCertificates {
    let shown = || ClientTlsConfig {
        client_cert: tls.certificate.as_bytes().to_vec(),
        client_key: tls.key.expose().as_bytes().to_vec(),
    };
    TlsCertificates {
        client_tls: (!tls.certificate.is_empty()).then(shown),
        root_cert: (!tls.authorities.is_empty()).then(|| tls.authorities.as_bytes().to_vec()),
    }
}

#[cfg(target_os = "linux")]
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(SILENCE_MAX)
}

#[cfg(not(target_os = "linux"))]
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
