//! Access tokens: signed by im-logic with a private key, verified anywhere with the public one.
//!
//! ```
//! use im_infra::access_token::{Claims, SigningKey, Verifier};
//!
//! let key = SigningKey::from_pem(&SigningKey::generate().unwrap()).unwrap();
//! let claims = Claims::new(7, "session", "phone", "ios", 1_000_000);
//! let token = key.sign(&claims).unwrap();
//! let verifier = Verifier::new([key.public_key().unwrap()]).unwrap();
//! assert_eq!(verifier.verify(&token, 999_000).unwrap().user_id().unwrap(), 7);
//! assert!(verifier.verify(&token, 1_000_001).is_err());
//! ```

use std::collections::HashMap;

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use proto::{Error, ErrorCode, auth::PublicKey};
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// Who the tokens are for.
const AUDIENCE: &str = "gochat";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's number, as text.
    pub sub: String,
    /// The session that can be revoked.
    pub sid: String,
    /// The client's installation.
    pub did: String,
    /// web, ios, android, desktop, bot.
    pub plt: String,
    /// Always `gochat`.
    pub aud: String,
    /// End, Unix milliseconds: seconds would cut short tokens short.
    pub exp_ms: i64,
}

impl Claims {
    /// A token's claims.
    pub fn new(user_id: UserId, session_id: &str, device_id: &str, platform: &str, exp_ms: i64) -> Self {
        Self {
            sub: user_id.to_string(),
            sid: session_id.to_owned(),
            did: device_id.to_owned(),
            plt: platform.to_owned(),
            aud: AUDIENCE.to_owned(),
            exp_ms,
        }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// `token_invalid` if it names nobody.
    pub fn user_id(&self) -> Result<UserId, Error> {
        self.sub.parse().ok().filter(|&id| id > 0).ok_or_else(|| ErrorCode::TokenInvalid.into())
    }
}

/// A private key that signs.
///
/// Tokens are put together here (RFC 7515, section 7.1): `jsonwebtoken` would read and check the key again for each of them, which
/// takes longer than to sign.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
    /// The first part of every token.
    header: String,
}

/// A key that is no key.
#[derive(Debug, thiserror::Error)]
#[error("signing key: {0}")]
pub struct KeyError(String);

impl SigningKey {
    /// Makes a key: PKCS#8, PEM, P-256.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> Result<String, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|error| KeyError(error.to_string()))?;
        Ok(pem::encode(&pem::Pem::new("PRIVATE KEY", document.as_ref())))
    }

    /// Takes a key in PEM.
    ///
    /// # Errors
    /// If it is not a P-256 key in PKCS#8.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let failed =
            |error: &dyn std::fmt::Display| KeyError(format!("a P-256 private key in PKCS#8 PEM is needed: {error}"));
        let der = pem::parse(text).map_err(|error| failed(&error))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.contents())
            .map_err(|error| failed(&error))?;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.public_key().as_ref());
        let kid: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::ES256) };
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(|error| failed(&error))?);
        Ok(Self { pair, kid, header })
    }

    /// Signs claims.
    ///
    /// # Errors
    /// `internal` if the key cannot sign.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let failed = || Error::new(ErrorCode::Internal).with("part", "access token");
        let claims = serde_json::to_vec(claims).map_err(|_| failed())?;
        let mut token = format!("{}.", self.header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| failed())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// What verifies its tokens.
    ///
    /// # Errors
    /// If the key has no public form.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().map_err(|error| KeyError(error.to_string()))?;
        Ok(PublicKey { kid: self.kid.clone(), pem: pem::encode(&pem::Pem::new("PUBLIC KEY", der.as_ref())) })
    }
}

/// Public keys that verify.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl Verifier {
    /// With these keys.
    ///
    /// # Errors
    /// If one is not a key.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, KeyError> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[AUDIENCE]);
        // The end is ours, in milliseconds, checked against the caller's clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let key = |key: PublicKey| {
            let decoding = DecodingKey::from_ec_pem(key.pem.as_bytes()).map_err(|error| KeyError(error.to_string()))?;
            Ok((key.kid, decoding))
        };
        Ok(Self { keys: keys.into_iter().map(key).collect::<Result<_, KeyError>>()?, validation })
    }

    /// Whether a key of that token is known; another one may have been added since.
    pub fn knows(&self, token: &str) -> bool {
        let kid = decode_header(token).ok().and_then(|header| header.kid);
        kid.is_none_or(|kid| self.keys.contains_key(&kid))
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// `token_invalid` or `token_expired`.
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<Claims, Error> {
        let invalid = || Error::new(ErrorCode::TokenInvalid);
        let kid = decode_header(token).map_err(|_| invalid())?.kid.ok_or_else(invalid)?;
        let key = self.keys.get(&kid).ok_or_else(invalid)?;
        let claims = decode::<Claims>(token, key, &self.validation).map_err(|_| invalid())?.claims;
        if claims.exp_ms <= now_ms {
            return Err(ErrorCode::TokenExpired.into());
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_another_key_or_a_changed_one_is_refused() {
        let [ours, theirs] = [(); 2].map(|()| SigningKey::from_pem(&SigningKey::generate().unwrap()).unwrap());
        let verifier = Verifier::new([ours.public_key().unwrap()]).unwrap();
        let claims = Claims::new(7, "s", "d", "web", 10);
        let forged = theirs.sign(&claims).unwrap();
        assert!(!verifier.knows(&forged));
        assert_eq!(verifier.verify(&forged, 0).unwrap_err().code(), ErrorCode::TokenInvalid);
        let mut changed = ours.sign(&claims).unwrap();
        assert!(verifier.verify(&changed, 0).is_ok());
        assert_eq!(verifier.verify(&changed, 10).unwrap_err().code(), ErrorCode::TokenExpired);
        let middle = changed.len() / 2;
        let other = if changed.as_bytes()[middle] == b'A' { "B" } else { "A" };
        changed.replace_range(middle..=middle, other);
        assert_eq!(verifier.verify(&changed, 0).unwrap_err().code(), ErrorCode::TokenInvalid);
        assert_eq!(verifier.verify("nonsense", 0).unwrap_err().code(), ErrorCode::TokenInvalid);
    }
}
