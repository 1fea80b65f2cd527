//! The port's adapter.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry::metrics::Counter;
use redis::{Pipeline, RedisError, pipe};

use super::{
    RedisOptions,
    layout::{self, Keys},
    stale::{Stale, StaleRoutes},
    unanswered::Unanswered,
    written::{MARK, Written},
};
use crate::{
    clock::Clock,
    ids::UserId,
    planted::{self, Bug},
    redis::Connection,
    session_store::{Route, Routes, SessionStore, SessionStoreError},
    telemetry::{Telemetry, names},
};

/// A route that ran out is removed for good when it is older than this. Clocks differ: one that another process wrote, or counts
/// as there, must not be gone while its gateway says that all of its routes are there.
const REMOVED_AFTER_MS: i64 = 7_200_000;
/// Users or routes in one round trip.
const AT_ONCE: usize = 500;

/// Remembers the connections of all gateways that share a Redis and a namespace. Clones share.
#[derive(Clone)]
pub struct RedisSessionStore {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    keys: Keys,
    clock: Clock,
    timeout: Duration,
    route_ttl_ms: i64,
    complete_ttl_ms: i64,
    written: Mutex<Written>,
    unanswered: Unanswered,
    stale: StaleRoutes,
    failures: Counter<u64>,
}

impl RedisSessionStore {
    /// Connects when it is first used, so a Redis that is down keeps nobody from starting. Within a tokio runtime.
    ///
    /// # Errors
    /// If the address is not one.
    pub fn connect(options: &RedisOptions, clock: Clock, telemetry: &Telemetry) -> Result<Self, SessionStoreError> {
        let timeout = Duration::from_millis(options.timeout_ms);
        let signed = |ttl_ms: u64| i64::try_from(ttl_ms).unwrap_or(i64::MAX / 4);
        let shared = Shared {
            connection: Connection::open_with(&options.url, &options.tls, timeout)
                .map_err(|error| SessionStoreError(error.to_string()))?,
            keys: Keys::new(&options.namespace),
            clock,
            timeout,
            route_ttl_ms: signed(options.route_ttl_ms),
            complete_ttl_ms: signed(options.complete_ttl_ms),
            written: Mutex::default(),
            unanswered: Unanswered::default(),
            stale: StaleRoutes::default(),
            failures: telemetry.meter().u64_counter(names::SESSION_STORE_FAILURES).build(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait]
impl SessionStore for RedisSessionStore {
    async fn put(&self, routes: &[Route]) -> Result<Vec<u64>, SessionStoreError> {
        self.shared.limited(self.shared.put(routes)).await.inspect_err(|_| self.shared.unanswered.add(routes))
    }

    async fn remove(&self, routes: &[Route]) -> Result<(), SessionStoreError> {
        self.shared.limited(self.shared.remove(routes)).await
    }

    async fn mark_complete(&self, instance: &str) -> Result<(), SessionStoreError> {
        if self.shared.limited(self.shared.mark(instance)).await? {
            return Ok(());
        }
        Err(SessionStoreError("not all routes are certain to be there".into()))
    }

    async fn is_complete(&self, instance: &str) -> Result<bool, SessionStoreError> {
        self.shared.limited(self.shared.is_marked(instance)).await
    }

    async fn announce(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError> {
        self.shared.limited(self.shared.announce(instance, slot)).await
    }

    async fn withdraw(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError> {
        self.shared.limited(self.shared.withdraw(instance, slot)).await
    }

    async fn look_up(&self, users: &[UserId]) -> Result<Routes, SessionStoreError> {
        self.shared.limited(self.shared.look_up(users)).await
    }
}

impl Shared {
    /// After a failure nobody knows what was written, nor whether the server that comes back has lost what it had.
    async fn limited<T>(&self, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, SessionStoreError> {
        let error = match tokio::time::timeout(self.timeout, work).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", self.timeout.as_millis()),
        };
        *self.written() = Written::Unsure;
        self.failures.add(1, &[]);
        Err(SessionStoreError(error))
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put(&self, routes: &[Route]) -> Result<Vec<u64>, RedisError> {
        let now_ms = self.clock.now_ms();
        let mut new = Vec::new();
        for some in routes.chunks(AT_ONCE) {
            let mut answers = self.connection.query(&self.puts(some, now_ms)).await?;
            let era: Option<String> = answers.take()?;
            self.written().add(era);
            for route in some {
                let before: Option<String> = answers.take()?;
                let added: u64 = answers.take()?;
                // One that ran out is still there but nobody was sent anything by it.
                let counted = before.and_then(|value| layout::expires_at_ms(&value)).is_some_and(|at| at > now_ms);
                if self.unanswered.settle(route) || added > 0 || !counted {
                    new.push(route.connection_id);
                }
            }
        }
        Ok(new)
    }

    fn puts(&self, routes: &[Route], now_ms: i64) -> Pipeline {
        let (mut pipe, era) = (pipe(), self.keys.era());
        let kept_ms = self.route_ttl_ms.saturating_mul(2);
        // The era comes first: what a flush takes away in the middle belongs to the one before it.
        pipe.cmd("SET").arg(&era).arg(uuid::Uuid::new_v4().simple().to_string()).arg("NX").ignore();
        pipe.cmd("PEXPIRE").arg(&era).arg(kept_ms).ignore();
        pipe.cmd("GET").arg(&era);
        for route in routes {
            let (key, field) = (self.keys.routes(route.user_id), layout::field(route));
            let value = layout::value(route, now_ms.saturating_add(self.route_ttl_ms));
            pipe.cmd("HGET").arg(&key).arg(&field);
            pipe.cmd("HSET").arg(&key).arg(&field).arg(value);
            pipe.cmd("PEXPIRE").arg(&key).arg(kept_ms).ignore();
        }
        pipe
    }

    async fn remove(&self, routes: &[Route]) -> Result<(), RedisError> {
        for route in routes {
            self.unanswered.settle(route);
        }
        for some in routes.chunks(AT_ONCE) {
            let mut pipe = pipe();
            for route in some {
                pipe.cmd("HDEL").arg(self.keys.routes(route.user_id)).arg(layout::field(route)).ignore();
            }
            self.connection.query(&pipe).await?;
        }
        Ok(())
    }

    async fn mark(&self, instance: &str) -> Result<bool, RedisError> {
        let era = {
            let mut written = self.written();
            let era = match mem::take(&mut *written) {
                Written::Nothing => String::new(),
                Written::In(era) => era,
                Written::Unsure => {
                    *written = Written::Unsure;
                    return Ok(false);
                }
            };
            // Before the lock is given up: whoever gets no answer from now on has to wait for it first.
            self.unanswered.clear();
            era
        };
        let now_ms = self.clock.now_ms();
        let mut pipe = pipe();
        pipe.cmd("EVAL").arg(MARK).arg(2).arg(self.keys.complete()).arg(self.keys.era());
        pipe.arg(era).arg(now_ms).arg(now_ms.saturating_add(self.complete_ttl_ms)).arg(instance);
        pipe.arg(self.complete_ttl_ms.saturating_mul(2));
        let is_marked = self.connection.query(&pipe).await?.take::<u64>()? == 1;
        if !is_marked {
            // Another copy of Redis may hold a mark of before, which is to be taken back.
            *self.written() = Written::Unsure;
        }
        Ok(is_marked)
    }

    /// An instance that is not sure of its routes takes its mark back. One without a mark begins anew: the pass that
    /// follows writes all its routes.
    async fn is_marked(&self, instance: &str) -> Result<bool, RedisError> {
        let mut pipe = pipe();
        if *self.written() == Written::Unsure {
            pipe.cmd("ZREM").arg(self.keys.complete()).arg(instance).ignore();
        }
        pipe.cmd("ZSCORE").arg(self.keys.complete()).arg(instance);
        let until_ms: Option<f64> = self.connection.query(&pipe).await?.take()?;
        let is_marked = until_ms.is_some_and(|until_ms| until_ms > self.clock.now_ms() as f64);
        if !is_marked {
            *self.written() = Written::Nothing;
        }
        Ok(is_marked)
    }

    /// Those that fell silent are dropped on the way.
    async fn announce(&self, instance: &str, slot: u32) -> Result<(), RedisError> {
        let (mut pipe, key, now_ms) = (pipe(), self.keys.gateways(), self.clock.now_ms());
        pipe.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf").arg(now_ms).ignore();
        let until_ms = now_ms.saturating_add(self.complete_ttl_ms);
        pipe.cmd("ZADD").arg(&key).arg(until_ms).arg(layout::gateway(instance, slot)).ignore();
        pipe.cmd("PEXPIRE").arg(&key).arg(self.complete_ttl_ms.saturating_mul(2)).ignore();
        self.connection.query(&pipe).await?;
        Ok(())
    }

    async fn withdraw(&self, instance: &str, slot: u32) -> Result<(), RedisError> {
        let mut pipe = pipe();
        pipe.cmd("ZREM").arg(self.keys.gateways()).arg(layout::gateway(instance, slot)).ignore();
        pipe.cmd("ZREM").arg(self.keys.complete()).arg(instance).ignore();
        self.connection.query(&pipe).await?;
        Ok(())
    }

    async fn look_up(&self, users: &[UserId]) -> Result<Routes, RedisError> {
        let now_ms = self.clock.now_ms();
        let (mut routes, mut complete, mut gateways) = (Vec::new(), None, BTreeSet::new());
        // Without users there still are the marks to be read.
        for some in users.chunks(AT_ONCE).chain(users.is_empty().then_some(users)) {
            let mut answers = self.connection.query(&self.asks(some, now_ms)).await?;
            narrow(&mut complete, answers.take()?);
            let alive: Vec<String> = answers.take()?;
            gateways.extend(alive.iter().filter_map(|written| layout::parse_gateway(written)));
            for user_id in some {
                for (field, value) in answers.take::<HashMap<String, String>>()? {
                    match layout::parse(*user_id, &field, &value) {
                        Some((route, expires_at_ms)) if expires_at_ms > now_ms || planted::is(Bug::RouteForEver) => {
                            routes.push(route);
                        }
                        Some((_, expires_at_ms)) if expires_at_ms.saturating_add(REMOVED_AFTER_MS) <= now_ms => {
                            self.stale.put_aside(Stale { key: self.keys.routes(*user_id), field, value });
                        }
                        Some(_) | None => {}
                    }
                }
            }
            narrow(&mut complete, answers.take()?);
        }
        Ok(Routes { routes, complete: complete.unwrap_or_default(), gateways: gateways.into_iter().collect() })
    }

    /// The marks are read before and after the routes, and only those count that stood both times: no flush, and no
    /// pass that ended, can come between a route and the mark that speaks for it.
    fn asks(&self, users: &[UserId], now_ms: i64) -> Pipeline {
        let mut pipe = pipe();
        ask_counted(&mut pipe, &self.keys.complete(), now_ms);
        ask_counted(&mut pipe, &self.keys.gateways(), now_ms);
        for user_id in users {
            pipe.cmd("HGETALL").arg(self.keys.routes(*user_id));
        }
        ask_counted(&mut pipe, &self.keys.complete(), now_ms);
        self.stale.clear_away(&mut pipe);
        pipe
    }
}

/// The members of a set whose time has not run out.
fn ask_counted(pipe: &mut Pipeline, key: &str, now_ms: i64) {
    pipe.cmd("ZRANGEBYSCORE").arg(key).arg(format!("({now_ms}")).arg("+inf");
}

/// Keeps of the instances only those seen now, too.
fn narrow(complete: &mut Option<Vec<String>>, seen: Vec<String>) {
    match complete {
        Some(complete) => complete.retain(|instance| seen.contains(instance)),
        None => *complete = Some(seen),
    }
}
