//! Password hashing: argon2id, off the async threads, only so many at once and only so many waiting.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use proto::{Error, ErrorCode};
use tokio::sync::Semaphore;

/// When to come again if too many wait.
const RETRY_AFTER_MS: u64 = 1_000;

/// Hashes and verifies. The parameters are the crate's, which are OWASP's minimum: 19 MiB, two passes.
#[derive(Clone)]
pub(super) struct Passwords {
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Verified when there is no such user, so that the time says nothing.
    nobody: Arc<str>,
}

impl Passwords {
    pub(super) fn new(at_once: usize, waiting_max: usize) -> Result<Self, Error> {
        let nobody = hash("nobody's password")?;
        let (at_once, waiting) = (Arc::new(Semaphore::new(at_once)), Arc::new(Semaphore::new(waiting_max)));
        Ok(Self { at_once, waiting, nobody: nobody.into() })
    }

    pub(super) async fn hash(&self, password: String) -> Result<String, Error> {
        self.run(move || hash(&password)).await?
    }

    /// Whether the password has that hash; an empty hash is nobody's.
    pub(super) async fn verify(&self, password: String, phc: String) -> Result<bool, Error> {
        let (phc, somebody) = if phc.is_empty() { (self.nobody.to_string(), false) } else { (phc, true) };
        let same = move || {
            PasswordHash::new(&phc)
                .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        };
        Ok(self.run(same).await? && somebody)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let overloaded = || Error::new(ErrorCode::Overloaded).retry_after_ms(RETRY_AFTER_MS);
        let _waiting = self.waiting.try_acquire().map_err(|_| overloaded())?;
        let _turn = self.at_once.acquire().await.map_err(|_| overloaded())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Error::new(ErrorCode::Internal).with("part", "password"))
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.map(|phc| phc.to_string()).map_err(|_| Error::new(ErrorCode::Internal).with("part", "password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_verified_and_nobody_has_none() {
        let passwords = Passwords::new(1, 2).unwrap();
        let phc = passwords.hash("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".into(), phc.clone()).await.unwrap());
        assert!(!passwords.verify("battery staple".into(), phc).await.unwrap());
        assert!(!passwords.verify("nobody's password".into(), String::new()).await.unwrap());
    }

    #[tokio::test]
    async fn too_many_logins_at_once_are_told_to_come_again() {
        let passwords = Passwords::new(1, 1).unwrap();
        let held = passwords.waiting.clone().try_acquire_owned().unwrap();
        let error = passwords.hash("x".into()).await.unwrap_err();
        assert_eq!((error.code(), error.retry_after()), (ErrorCode::Overloaded, RETRY_AFTER_MS));
        drop(held);
        assert!(passwords.hash("x".into()).await.is_ok());
    }
}
