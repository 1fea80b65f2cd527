//! Who a token is, checked here without a call: the keys come from im-logic, and so does the list of ended sessions, every two
//! seconds, so that a push that was lost costs no more.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use im_infra::{access_token::Verifier, clock::Clock, ids::UserId, lifecycle::Lifecycle};
use proto::{
    Error, ErrorCode,
    auth::{KeysRequest, RevokedSinceRequest},
};

use crate::logic::Logic;

/// How often ended sessions are asked for.
const PULL_MS: u64 = 2_000;
/// How often keys may be asked for.
const KEYS_MS: i64 = 1_000;
/// How far back each question overlaps the one before: more than clocks and slow transactions differ.
const OVERLAP_MS: i64 = 10_000;
/// How long an ended session is remembered: longer than any access token lives.
const REMEMBERED_MS: i64 = 86_400_000;

/// Whoever a request or connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) user_id: UserId,
    pub(crate) session_id: String,
    pub(crate) device_id: String,
    pub(crate) platform: String,
    pub(crate) expires_at_ms: i64,
}

/// Checks tokens.
pub(crate) struct Tokens {
    logic: Logic,
    clock: Clock,
    verifier: ArcSwapOption<Verifier>,
    /// When keys were last asked for: a made-up key id must not cost a call each time.
    asked_at_ms: AtomicI64,
    /// Ended sessions, with the time until which they are remembered.
    revoked: Mutex<HashMap<String, i64>>,
}

impl Tokens {
    pub(crate) fn new(logic: Logic, clock: Clock) -> Self {
        Self {
            logic,
            clock,
            verifier: ArcSwapOption::empty(),
            asked_at_ms: AtomicI64::new(0),
            revoked: Mutex::default(),
        }
    }

    pub(crate) async fn check(&self, token: &str) -> Result<Caller, Error> {
        if token.is_empty() {
            return Err(ErrorCode::TokenMissing.into());
        }
        if self.verifier.load().as_ref().is_none_or(|verifier| !verifier.knows(token)) {
            self.fetch_keys().await?;
        }
        let verifier = self.verifier.load_full().ok_or(ErrorCode::Unavailable)?;
        let claims = verifier.verify(token, self.clock.now_ms())?;
        if self.is_revoked(&claims.sid) {
            return Err(ErrorCode::SessionRevoked.into());
        }
        Ok(Caller {
            user_id: claims.user_id()?,
            session_id: claims.sid,
            device_id: claims.did,
            platform: claims.plt,
            expires_at_ms: claims.exp_ms,
        })
    }

    async fn fetch_keys(&self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let asked_at_ms = self.asked_at_ms.load(Ordering::Relaxed);
        if self.verifier.load().is_some() && now_ms - asked_at_ms < KEYS_MS {
            return Ok(());
        }
        self.asked_at_ms.store(now_ms, Ordering::Relaxed);
        let keys = self.logic.auth().keys(KeysRequest {}).await?.into_inner().keys;
        let verifier = Verifier::new(keys).map_err(|error| Error::new(ErrorCode::Internal).with("reason", error))?;
        self.verifier.store(Some(verifier.into()));
        Ok(())
    }

    pub(crate) fn is_revoked(&self, session_id: &str) -> bool {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).contains_key(session_id)
    }

    /// Remembers an ended session; whether that is news.
    pub(crate) fn revoke(&self, session_id: &str) -> bool {
        let now_ms = self.clock.now_ms();
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, until_ms| *until_ms > now_ms);
        revoked.insert(session_id.to_owned(), now_ms + REMEMBERED_MS).is_none()
    }

    /// Asks for ended sessions until the process stops; tells of each that is news.
    pub(crate) async fn pull(&self, life: Lifecycle, ended: impl Fn(UserId, &str)) -> Result<(), Error> {
        let stopping = life.stopping();
        let mut since_ms = self.clock.now_ms() - REMEMBERED_MS;
        loop {
            match self.logic.auth().revoked_since(RevokedSinceRequest { since_ms }).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    since_ms = answer.now_ms - OVERLAP_MS;
                    for session in answer.sessions.iter().filter(|session| self.revoke(&session.session_id)) {
                        ended(session.user_id, &session.session_id);
                    }
                }
                Err(status) => tracing::warn!(error = %Error::from(status), "ended sessions not known, asking again"),
            }
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(PULL_MS)) => {}
            }
        }
    }
}
