//! The port: what a cache must be able to do, in bulk.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Stands for "nothing was changed since it was given out".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// One that nobody has.
    pub(super) fn mint() -> Self {
        Self(fastrand::u64(..))
    }
}

/// What a cache knows of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This.
    Value(Bytes),
    /// That there is no such thing.
    Nothing,
    /// Nothing: to be read from the database now, and filled with this token. All who miss a name get the same one.
    Missing(Token),
}

/// A value to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Grows with every change of the value; 0 where values have no order.
    pub version: i64,
    /// The value; none: that there is no such thing.
    pub bytes: Option<Bytes>,
    /// For how long.
    pub ttl: Duration,
}

/// What was read after a miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Of what.
    pub name: String,
    /// Given out with the miss, before the read.
    pub token: Token,
    /// What was read.
    pub kept: Kept,
}

/// What was changed in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub name: String,
    /// What it is now.
    pub to: To,
}

/// What a changed thing is now. Each takes the token of reads under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// To be read again.
    Unknown,
    /// This, if what is kept is older. Where nothing is kept it stays so: this one may itself be outdated by now.
    Newer(Kept),
    /// This, and it never changes again.
    Always(Kept),
}

/// The cache did not do what it was asked for. Never a reason to fail: the database knows everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// It was not asked: it failed a moment ago.
    #[error("the cache is not asked for a while")]
    Out,
    /// No answer in time.
    #[error("no answer within {0} ms")]
    Slow(u128),
    /// It is out of reach or refuses.
    #[error("{0}")]
    Failed(String),
}

/// Keeps values by name.
#[async_trait]
pub trait Cache: Send + Sync {
    /// What is known, in the order of the names.
    ///
    /// # Errors
    /// If the cache cannot be asked.
    async fn get(&self, names: &[String]) -> Result<Vec<Found>, CacheError>;

    /// Keeps what was read, where the token still stands; answers for each whether something is kept now. `false`: it lost a
    /// race against a change.
    ///
    /// # Errors
    /// If the cache cannot be asked.
    async fn fill(&self, fills: &[Fill]) -> Result<Vec<bool>, CacheError>;

    /// Takes note of changes that are committed.
    ///
    /// # Errors
    /// If it is not certain that all were noted; then the cache doubts itself as after [`Self::doubt`].
    async fn change(&self, changes: &[Change]) -> Result<(), CacheError>;

    /// Something may have changed that nobody can name: nothing that is kept now is answered by this cache again, and as soon
    /// as it can be brought about by nobody who shares it.
    fn doubt(&self);
}
