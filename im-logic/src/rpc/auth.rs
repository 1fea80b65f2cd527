//! Accounts, sessions and tokens.

use proto::auth::{
    GuestRequest, KeysRequest, KeysResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest, LogoutRequest,
    LogoutResponse, RefreshRequest, RegisterRequest, RevokeRequest, RevokeResponse, RevokedSinceRequest,
    RevokedSinceResponse, TokenPair, VerifyTokenRequest, VerifyTokenResponse, auth_service_server::AuthService,
};
use tonic::{Request, Response, Status, async_trait};

use super::LogicRpc;

#[async_trait]
impl AuthService for LogicRpc {
    #[tracing::instrument(name = "logic.account.register", skip_all)]
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<TokenPair>, Status> {
        Ok(Response::new(self.auth.register(request.into_inner()).await?))
    }

    async fn guest(&self, request: Request<GuestRequest>) -> Result<Response<TokenPair>, Status> {
        Ok(Response::new(self.auth.guest(request.into_inner()).await?))
    }

    #[tracing::instrument(name = "logic.session.login", skip_all)]
    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<TokenPair>, Status> {
        Ok(Response::new(self.auth.login(request.into_inner()).await?))
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<TokenPair>, Status> {
        Ok(Response::new(self.auth.refresh(&request.get_ref().refresh_token).await?))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        let logout = request.get_ref();
        self.end(logout.user_id, &logout.session_id).await?;
        Ok(Response::new(LogoutResponse {}))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let list = request.get_ref();
        let sessions = self.auth.sessions(list.user_id, &list.current_session_id).await?;
        Ok(Response::new(ListSessionsResponse { sessions }))
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        let revoke = request.get_ref();
        let revoked = self.end(revoke.user_id, &revoke.session_id).await?;
        Ok(Response::new(RevokeResponse { revoked }))
    }

    async fn verify_token(
        &self,
        request: Request<VerifyTokenRequest>,
    ) -> Result<Response<VerifyTokenResponse>, Status> {
        Ok(Response::new(self.auth.verify(&request.get_ref().access_token)?))
    }

    async fn revoked_since(
        &self,
        request: Request<RevokedSinceRequest>,
    ) -> Result<Response<RevokedSinceResponse>, Status> {
        // The time first: what is revoked while looking belongs to the next question.
        let now_ms = self.outbox.now_ms();
        let sessions = self.auth.revoked_since(request.get_ref().since_ms).await?;
        Ok(Response::new(RevokedSinceResponse { sessions, now_ms }))
    }

    async fn keys(&self, _: Request<KeysRequest>) -> Result<Response<KeysResponse>, Status> {
        Ok(Response::new(KeysResponse { keys: self.auth.keys()? }))
    }
}

impl LogicRpc {
    async fn end(&self, user_id: i64, session_id: &str) -> Result<u32, Status> {
        let revoked = self.auth.revoke(user_id, session_id).await?;
        let count = u32::try_from(revoked.len()).unwrap_or(u32::MAX);
        // A push that is lost costs two seconds: gateways ask too.
        self.outbox.revoke(revoked).await;
        Ok(count)
    }
}
