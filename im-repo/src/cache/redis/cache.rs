//! The port's adapter.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use im_infra::{redis::Connection, session_store::RedisOptions};
use redis::{RedisError, pipe};

use super::{
    scripts::{CHANGE, FILL, GET},
    slot,
    trust::{Standing, Trust},
};
use crate::cache::{Cache, CacheError, CacheOptions, Change, Fill, Found, Kept, To, Token};

/// Names of one round trip, and bytes of values after which the next one begins.
const NAMES_AT_ONCE: usize = 500;
const BYTES_AT_ONCE: usize = 1 << 20;

/// A generation that is another one each time is not waited for.
const GENERATIONS_TRIED: usize = 4;

/// Keeps values in Redis, for all processes that share it.
pub struct RedisCache {
    connection: Connection,
    prefix: String,
    timeout: Duration,
    lease_ttl_ms: u64,
    trust: Trust,
    /// Held while a new generation is being made.
    renewing: tokio::sync::Mutex<()>,
}

impl RedisCache {
    /// Connects when it is first used, so a Redis that is down keeps nobody from starting. Within a tokio runtime. Every key
    /// begins with the namespace.
    ///
    /// # Errors
    /// If the address is not one.
    pub fn connect(redis: &RedisOptions, options: &CacheOptions) -> Result<Self, CacheError> {
        let timeout = Duration::from_millis(options.timeout_ms);
        let connection = Connection::open_with(&redis.url, &redis.tls, timeout);
        let connection = connection.map_err(|error| CacheError::Failed(error.to_string()))?;
        let prefix = format!("{}:cache", redis.namespace);
        Ok(Self {
            connection,
            prefix,
            timeout,
            lease_ttl_ms: options.lease_ttl_ms,
            trust: Trust::default(),
            renewing: tokio::sync::Mutex::default(),
        })
    }

    /// Runs a script over names; answers what it says of them.
    async fn call(&self, script: &str, names: &[&str], arguments: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, CacheError> {
        let is_change = script == CHANGE;
        let generation = match self.trust.standing(is_change, Instant::now()) {
            Standing::Trusted(generation) => generation,
            Standing::Renew(doubts) => {
                let _turn = self.renewing.lock().await;
                self.renew(doubts).await?
            }
            // What changes while a generation is being made waits for it: a doubt now would cost that generation, too.
            Standing::Out if is_change => {
                drop(self.renewing.lock().await);
                match self.trust.standing(is_change, Instant::now()) {
                    Standing::Trusted(generation) => generation,
                    Standing::Renew(_) | Standing::Out => return Err(CacheError::Out),
                }
            }
            Standing::Out => return Err(CacheError::Out),
        };
        self.limited(self.ask(generation, script, names, arguments)).await
    }

    /// Asks again where the generation is another one by now.
    async fn ask(
        &self,
        mut generation: String,
        script: &str,
        names: &[&str],
        arguments: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, CacheError> {
        for _ in 0..GENERATIONS_TRIED {
            let mut pipe = pipe();
            pipe.cmd("EVAL").arg(script).arg(1 + names.len()).arg(self.generation_key());
            for name in names {
                pipe.arg(format!("{}:{generation}:{name}", self.prefix));
            }
            pipe.arg(&generation).arg(fresh_generation());
            for argument in arguments {
                pipe.arg(argument.as_slice());
            }
            let mut answers = self.connection.query(&pipe).await.map_err(|error| to_error(&error, self.timeout))?;
            let mut answer: Vec<Vec<u8>> = answers.take().map_err(|error| to_error(&error, self.timeout))?;
            if answer.is_empty() {
                break;
            }
            let now = answer.remove(0);
            if now == generation.as_bytes() {
                return Ok(answer);
            }
            generation = String::from_utf8_lossy(&now).into_owned();
            self.trust.adopt(&generation);
        }
        Err(CacheError::Failed("no generation lasts".into()))
    }

    /// Gives the cache a new generation: what is under the old one is not found by anybody any more.
    async fn renew(&self, doubts: u64) -> Result<String, CacheError> {
        let generation = fresh_generation();
        let mut pipe = pipe();
        pipe.cmd("SET").arg(self.generation_key()).arg(&generation).ignore();
        let set =
            async { self.connection.query(&pipe).await.map(drop).map_err(|error| to_error(&error, self.timeout)) };
        self.limited(set).await?;
        if !self.trust.renewed(generation.clone(), doubts) {
            return Err(CacheError::Out);
        }
        tracing::info!("the cache has a new generation");
        Ok(generation)
    }

    /// A connection that was lost may have been that of a server which comes back with what it had some time ago.
    async fn limited<T>(&self, work: impl Future<Output = Result<T, CacheError>> + Send) -> Result<T, CacheError> {
        let done = match tokio::time::timeout(self.timeout, work).await {
            Ok(done) => done,
            Err(_) => Err(CacheError::Slow(self.timeout.as_millis())),
        };
        match &done {
            Err(CacheError::Failed(_)) => {
                self.trust.pause(Instant::now());
                self.doubt();
            }
            Err(CacheError::Slow(_)) => self.trust.pause(Instant::now()),
            Ok(_) | Err(CacheError::Out) => {}
        }
        done
    }

    fn generation_key(&self) -> String {
        format!("{}:generation", self.prefix)
    }

    async fn change_some(&self, changes: &[Change]) -> Result<(), CacheError> {
        let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
        let arguments: Vec<Vec<u8>> = changes.iter().flat_map(|change| change_arguments(&change.to)).collect();
        self.call(CHANGE, &names, &arguments).await.map(drop)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, names: &[String]) -> Result<Vec<Found>, CacheError> {
        let mut found = Vec::with_capacity(names.len());
        for some in names.chunks(NAMES_AT_ONCE) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let arguments = [slot::lease(Token::mint()), number(self.lease_ttl_ms)];
            let answer = self.call(GET, &some, &arguments).await?;
            let slots: Option<Vec<Found>> = answer.into_iter().map(slot::read).collect();
            let slots = slots.filter(|slots| slots.len() == some.len());
            found.extend(slots.ok_or_else(|| CacheError::Failed("what is kept there is not ours".into()))?);
        }
        Ok(found)
    }

    async fn fill(&self, fills: &[Fill]) -> Result<Vec<bool>, CacheError> {
        let mut filled = Vec::with_capacity(fills.len());
        for some in parts(fills, |fill| bytes(&fill.kept)) {
            let names: Vec<&str> = some.iter().map(|fill| fill.name.as_str()).collect();
            let arguments: Vec<Vec<u8>> = some.iter().flat_map(fill_arguments).collect();
            let answer = self.call(FILL, &names, &arguments).await?;
            filled.extend(answer.iter().map(|kept| kept == b"1"));
        }
        Ok(filled)
    }

    async fn change(&self, changes: &[Change]) -> Result<(), CacheError> {
        let bytes = |change: &Change| match &change.to {
            To::Unknown => 0,
            To::Newer(kept) | To::Always(kept) => bytes(kept),
        };
        for some in parts(changes, bytes) {
            if let Err(error) = self.change_some(some).await {
                self.doubt();
                return Err(error);
            }
        }
        Ok(())
    }

    fn doubt(&self) {
        if self.trust.doubt() {
            tracing::warn!("the cache is left alone until it has a new generation");
        }
    }
}

fn bytes(kept: &Kept) -> usize {
    kept.bytes.as_ref().map_or(0, bytes::Bytes::len)
}

/// What one round trip carries, piece by piece.
fn parts<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut parts, mut first, mut sum) = (Vec::new(), 0, 0);
    for (at, item) in items.iter().enumerate() {
        sum += bytes(item);
        if at + 1 - first == NAMES_AT_ONCE || sum >= BYTES_AT_ONCE {
            parts.push(&items[first..=at]);
            (first, sum) = (at + 1, 0);
        }
    }
    if first < items.len() {
        parts.push(&items[first..]);
    }
    parts
}

fn fresh_generation() -> String {
    format!("{:016x}", fastrand::u64(..))
}

fn fill_arguments(Fill { token, kept, .. }: &Fill) -> [Vec<u8>; 3] {
    [slot::lease(*token), slot::kept(kept), ttl(kept)]
}

fn change_arguments(to: &To) -> [Vec<u8>; 4] {
    match to {
        To::Unknown => ["unknown", "0", "", "0"].map(|argument| argument.as_bytes().to_vec()),
        To::Newer(kept) => [b"newer".to_vec(), number(kept.version), slot::kept(kept), ttl(kept)],
        To::Always(kept) => [b"always".to_vec(), number(kept.version), slot::kept(kept), ttl(kept)],
    }
}

/// Redis knows no key that ends at once.
fn ttl(kept: &Kept) -> Vec<u8> {
    number(kept.ttl.as_millis().max(1))
}

fn number(number: impl ToString + Copy) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn to_error(error: &RedisError, timeout: Duration) -> CacheError {
    if error.is_timeout() { CacheError::Slow(timeout.as_millis()) } else { CacheError::Failed(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_carries_so_many_names_and_about_so_many_bytes() {
        let lengths = |items: &[usize]| parts(items, |bytes| *bytes).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[0; NAMES_AT_ONCE + 1]), [NAMES_AT_ONCE, 1]);
        assert_eq!(lengths(&[1, BYTES_AT_ONCE, 1, 1]), [2, 2]);
    }
}
