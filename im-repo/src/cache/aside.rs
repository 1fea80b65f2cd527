//! Cache-aside over typed keys: TTL with jitter, single flight, negative entries, metrics.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use prost::Message as _;

use super::{
    Cache, CacheOptions, Change, Fill, Found, Kept, Key, Telling, To, Token,
    flights::{Flights, Lead},
};
use crate::metrics::Metrics;

/// A flight that fails lets go whoever waits for it; after so many looks everybody reads alone.
const LOOKS_MAX: usize = 3;

/// Reads through a cache, and tells it of changes.
pub struct CacheAside {
    cache: Arc<dyn Cache>,
    epoch: RwLock<Arc<str>>,
    options: CacheOptions,
    metrics: Arc<Metrics>,
    flights: Flights,
}

/// What the cache said of a key.
enum Looked<V> {
    Value(V),
    Nothing,
    Missing(Token),
}

impl CacheAside {
    /// Over a cache, for the store of that epoch.
    pub fn new(cache: Arc<dyn Cache>, epoch: &str, options: CacheOptions, metrics: Arc<Metrics>) -> Self {
        Self { cache, epoch: RwLock::new(epoch.into()), options, metrics, flights: Flights::default() }
    }

    /// What the keys stand for; those that stand for nothing are left out. What the cache does not know is read, once for
    /// all callers of this process who miss it now, and kept. If the cache fails, `read` is asked for everything.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn get<K, F, E>(&self, keys: Vec<K>, read: impl Fn(Vec<K>) -> F) -> Result<HashMap<K, K::Value>, E>
    where
        K: Key,
        F: Future<Output = Result<Vec<(K, K::Value)>, E>>,
    {
        let unique: HashSet<K> = keys.into_iter().collect();
        let mut wanted: Vec<K> = unique.into_iter().collect();
        let mut all = HashMap::with_capacity(wanted.len());
        for _ in 0..LOOKS_MAX {
            if wanted.is_empty() {
                return Ok(all);
            }
            let Some(looked) = self.look(&wanted).await else { break };
            let (mut missing, mut seats) = (Vec::new(), Vec::new());
            for (key, looked) in wanted.drain(..).zip(looked) {
                match looked {
                    Looked::Value(value) => drop(all.insert(key, value)),
                    Looked::Nothing => {}
                    Looked::Missing(token) => {
                        seats.push((self.name(&key), token));
                        missing.push(key);
                    }
                }
            }
            let (lead, joined) = self.flights.board(seats);
            let (mut led, mut awaited) = (Vec::new(), Vec::new());
            for (key, joined) in missing.into_iter().zip(joined) {
                match joined {
                    None => led.push(key),
                    Some(joined) => awaited.push((key, joined)),
                }
            }
            if !led.is_empty() {
                self.metrics.cache_read(K::KIND, led.len());
                let found: HashMap<K, K::Value> = read(led.clone()).await?.into_iter().collect();
                self.land(lead, &led, &found).await;
                all.extend(found);
            }
            for (key, joined) in awaited {
                match joined.landed().await.map(|bytes| bytes.map(K::Value::decode).transpose()) {
                    Some(Ok(Some(value))) => drop(all.insert(key, value)),
                    Some(Ok(None)) => {}
                    Some(Err(_)) | None => wanted.push(key),
                }
            }
        }
        if !wanted.is_empty() {
            self.metrics.cache_read(K::KIND, wanted.len());
            all.extend(read(wanted).await?);
        }
        Ok(all)
    }

    /// What the cache knows; none if it fails.
    async fn look<K: Key>(&self, keys: &[K]) -> Option<Vec<Looked<K::Value>>> {
        let names: Vec<String> = keys.iter().map(|key| self.name(key)).collect();
        let looked = match self.cache.get(&names).await {
            Ok(found) => found.into_iter().map(open::<K>).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let looked = looked.inspect_err(|error| {
            self.metrics.cache_failed("get");
            self.metrics.looked_up(K::KIND, "error", keys.len());
            tracing::debug!(%error, "the cache could not be asked");
        });
        let looked = looked.ok()?;
        let count = |of: fn(&Looked<K::Value>) -> bool| looked.iter().filter(|looked| of(looked)).count();
        self.metrics.looked_up(K::KIND, "hit", count(|looked| matches!(looked, Looked::Value(_))));
        self.metrics.looked_up(K::KIND, "negative", count(|looked| matches!(looked, Looked::Nothing)));
        self.metrics.looked_up(K::KIND, "miss", count(|looked| matches!(looked, Looked::Missing(_))));
        Some(looked)
    }

    /// Hands what was read to those who wait for it, then to the cache.
    async fn land<K: Key>(&self, lead: Lead<'_>, led: &[K], found: &HashMap<K, K::Value>) {
        let kept = led.iter().map(|key| found.get(key).map_or_else(|| self.nothing(), |value| self.kept::<K>(value)));
        let fills: Vec<Fill> = lead
            .seats()
            .iter()
            .zip(kept)
            .map(|((name, token), kept)| Fill { name: name.clone(), token: *token, kept })
            .collect();
        lead.land(fills.iter().map(|fill| (fill.name.clone(), fill.kept.bytes.clone())).collect());
        match self.cache.fill(&fills).await {
            Ok(filled) => {
                let kept = filled.iter().filter(|kept| **kept).count();
                self.metrics.cache_filled(K::KIND, "kept", kept);
                self.metrics.cache_filled(K::KIND, "discarded", filled.len() - kept);
            }
            Err(error) => {
                self.metrics.cache_failed("fill");
                self.metrics.cache_filled(K::KIND, "error", fills.len());
                tracing::debug!(%error, "the cache could not be filled");
            }
        }
    }

    /// To be held over a commit whose changes the cache has to be told.
    pub fn telling(&self) -> Telling<'_> {
        Telling { cache: &*self.cache, metrics: &self.metrics, told: false }
    }

    /// Tells the cache of committed changes.
    pub async fn tell(&self, changes: &[Change]) {
        self.telling().tell(changes).await;
    }

    /// It changed, into nobody knows what.
    pub fn unknown(&self, key: &impl Key) -> Change {
        Change { name: self.name(key), to: To::Unknown }
    }

    /// It is at least this.
    pub fn newer<K: Key>(&self, key: &K, value: &K::Value) -> Change {
        Change { name: self.name(key), to: To::Newer(self.kept::<K>(value)) }
    }

    /// It is this, for ever.
    pub fn always<K: Key>(&self, key: &K, value: &K::Value) -> Change {
        Change { name: self.name(key), to: To::Always(self.kept::<K>(value)) }
    }

    /// The store was restored: nothing that is kept is of it.
    pub fn renew(&self, epoch: &str) {
        let mut held = self.epoch.write().unwrap_or_else(PoisonError::into_inner);
        if **held != *epoch {
            tracing::warn!(epoch, "the store was restored, the cache begins anew");
            *held = epoch.into();
        }
    }

    fn name(&self, key: &impl Key) -> String {
        let epoch = self.epoch.read().unwrap_or_else(PoisonError::into_inner);
        format!("{epoch}:{key}")
    }

    fn kept<K: Key>(&self, value: &K::Value) -> Kept {
        let ttl_ms = if K::IMMUTABLE { self.options.entry_ttl_ms } else { self.options.ttl_ms };
        Kept { version: K::version(value), bytes: Some(Bytes::from(value.encode_to_vec())), ttl: self.ttl(ttl_ms) }
    }

    fn nothing(&self) -> Kept {
        Kept { version: 0, bytes: None, ttl: self.ttl(self.options.negative_ttl_ms) }
    }

    /// Shorter by a random part.
    fn ttl(&self, ttl_ms: u64) -> Duration {
        Duration::from_millis(ttl_ms).mul_f64(1.0 - self.options.jitter * fastrand::f64())
    }
}

fn open<K: Key>(found: Found) -> Result<Looked<K::Value>, prost::DecodeError> {
    Ok(match found {
        Found::Value(bytes) => Looked::Value(K::Value::decode(bytes)?),
        Found::Nothing => Looked::Nothing,
        Found::Missing(token) => Looked::Missing(token),
    })
}
