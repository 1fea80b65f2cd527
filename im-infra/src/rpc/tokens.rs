//! How services know each other: short signed tokens, one per caller and callee.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use proto::{Error, ErrorCode};
use serde::{Deserialize, Serialize};

use crate::{clock::Clock, config::Secret, registry::ServiceName};

/// How long a token is good.
const TOKEN_TTL_MS: i64 = 60_000;
/// It is replaced when less than this is left.
const TOKEN_REST_MS: i64 = 20_000;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The caller.
    sub: String,
    /// The callee.
    aud: String,
    /// Unix seconds.
    exp: i64,
}

/// Makes and checks tokens. Clones share.
#[derive(Clone)]
pub struct ServiceTokens {
    shared: Arc<Shared>,
}

struct Shared {
    sign: EncodingKey,
    check: DecodingKey,
    clock: Clock,
    /// Tokens that are still good, so that one is signed a minute and not one a call; both sides keep theirs.
    made: Mutex<HashMap<(ServiceName, ServiceName), (String, i64)>>,
    seen: Mutex<HashMap<String, i64>>,
}

/// Tokens a callee remembers; past it the memory starts anew.
const SEEN_MAX: usize = 1_024;

impl ServiceTokens {
    /// With the secret that all services share.
    pub fn new(secret: &Secret, clock: Clock) -> Self {
        let bytes = secret.expose().as_bytes();
        let shared = Shared {
            sign: EncodingKey::from_secret(bytes),
            check: DecodingKey::from_secret(bytes),
            clock,
            made: Mutex::default(),
            seen: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A token with which `caller` may call `callee`.
    ///
    /// # Errors
    /// `internal` if it cannot be signed.
    pub fn token(&self, caller: ServiceName, callee: ServiceName) -> Result<String, Error> {
        let now_ms = self.shared.clock.now_ms();
        let mut made = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until_ms)) = made.get(&(caller, callee))
            && until_ms - now_ms > TOKEN_REST_MS
        {
            return Ok(token.clone());
        }
        let until_ms = now_ms + TOKEN_TTL_MS;
        let claims = Claims { sub: caller.as_str().into(), aud: callee.as_str().into(), exp: until_ms / 1_000 };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.shared.sign)
            .map_err(|_| Error::new(ErrorCode::Internal).with("part", "service token"))?;
        made.insert((caller, callee), (token.clone(), until_ms));
        Ok(token)
    }

    /// Checks that a token allows a call to `callee`.
    ///
    /// # Errors
    /// `service_token_invalid`.
    pub fn check(&self, token: &str, callee: ServiceName) -> Result<(), Error> {
        let now_ms = self.shared.clock.now_ms();
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = format!("{}\n{token}", callee.as_str());
        if seen.get(&known).is_some_and(|&until_ms| until_ms > now_ms) {
            return Ok(());
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[callee.as_str()]);
        // Checked below against our own clock.
        validation.validate_exp = false;
        let invalid = || Error::new(ErrorCode::ServiceTokenInvalid);
        let claims = decode::<Claims>(token, &self.shared.check, &validation).map_err(|_| invalid())?.claims;
        let until_ms = claims.exp * 1_000;
        if until_ms <= now_ms {
            return Err(invalid());
        }
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(known, until_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_callee_and_one_minute() {
        let clock = Clock::manual(1_700_000_000_000);
        let tokens = ServiceTokens::new(&Secret::new("a".repeat(32)), clock.clone());
        let token = tokens.token(ServiceName::Logic, ServiceName::Repo).unwrap();
        assert!(tokens.check(&token, ServiceName::Repo).is_ok());
        assert!(tokens.check(&token, ServiceName::Logic).is_err());
        assert!(
            ServiceTokens::new(&Secret::new("b".repeat(32)), clock.clone()).check(&token, ServiceName::Repo).is_err()
        );
        clock.advance_ms(TOKEN_TTL_MS);
        assert!(tokens.check(&token, ServiceName::Repo).is_err());
        assert_ne!(tokens.token(ServiceName::Logic, ServiceName::Repo).unwrap(), token);
    }
}
