//! Sessions in their life: refreshed, listed, ended.

use proto::{
    Error, ErrorCode,
    auth::{self, Device, RevokedSession, TokenPair},
    repo::{self, ListSessionsRequest, RevokeRequest, RevokedSinceRequest, RotateRequest, rotate_response},
};

use super::{Auth, refresh_token};

impl Auth {
    pub(crate) async fn refresh(&self, token: &str) -> Result<TokenPair, Error> {
        let (session_id, refresh_hash) = refresh_token::split(token)?;
        let next = refresh_token::make()?;
        let now_ms = self.clock.now_ms();
        let rotate = RotateRequest {
            session_id: session_id.to_owned(),
            refresh_hash,
            next_hash: next.hash.clone(),
            now_ms,
            expires_at_ms: now_ms + self.options.refresh_ttl_ms,
        };
        let answer = self.repo.sessions().rotate(rotate).await?.into_inner();
        match (answer.result(), answer.session) {
            (rotate_response::Result::Rotated, Some(session)) => {
                self.tokens(&session, refresh_token::join(&session.session_id, &next))
            }
            (rotate_response::Result::Reused, Some(session)) => {
                tracing::warn!(
                    user_id = session.user_id,
                    session_id = session.session_id,
                    "refresh token used twice, session ended"
                );
                Err(ErrorCode::RefreshReused.into())
            }
            _ => Err(ErrorCode::RefreshInvalid.into()),
        }
    }

    pub(crate) async fn sessions(&self, user_id: i64, current: &str) -> Result<Vec<auth::Session>, Error> {
        let found = self.repo.sessions().list(ListSessionsRequest { user_id }).await?.into_inner().sessions;
        let session = |session: repo::Session| auth::Session {
            current: session.session_id == current,
            device: Some(Device { device_id: session.device_id, platform: session.platform }),
            session_id: session.session_id,
            created_at_ms: session.created_at_ms,
            last_used_at_ms: session.last_used_at_ms,
        };
        Ok(found.into_iter().map(session).collect())
    }

    /// Ends one session, or all where the id is empty; answers those that were live.
    pub(crate) async fn revoke(&self, user_id: i64, session_id: &str) -> Result<Vec<RevokedSession>, Error> {
        let revoke = RevokeRequest { user_id, session_id: session_id.to_owned(), now_ms: self.clock.now_ms() };
        let revoked = self.repo.sessions().revoke(revoke).await?.into_inner().revoked;
        Ok(revoked.into_iter().map(|session| RevokedSession { user_id, session_id: session.session_id }).collect())
    }

    pub(crate) async fn revoked_since(&self, since_ms: i64) -> Result<Vec<RevokedSession>, Error> {
        let found = self.repo.sessions().revoked_since(RevokedSinceRequest { since_ms }).await?.into_inner().sessions;
        let session =
            |session: repo::Session| RevokedSession { user_id: session.user_id, session_id: session.session_id };
        Ok(found.into_iter().map(session).collect())
    }
}
