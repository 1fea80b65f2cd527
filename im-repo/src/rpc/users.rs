//! Users and sessions.

use proto::repo::{
    CreateSessionRequest, CredentialsRequest, CredentialsResponse, GetUsersRequest, GetUsersResponse,
    ListSessionsRequest, ListSessionsResponse, RegisterUserRequest, RevokeRequest, RevokeResponse, RevokedSinceRequest,
    RevokedSinceResponse, RotateRequest, RotateResponse, Session, User, session_repo_server::SessionRepo,
    user_repo_server::UserRepo,
};
use tonic::{Request, Response, Status, async_trait};

use super::RepoRpc;

#[async_trait]
impl UserRepo for RepoRpc {
    async fn register(&self, request: Request<RegisterUserRequest>) -> Result<Response<User>, Status> {
        Ok(Response::new(self.store.register_user(request.into_inner()).await?))
    }

    async fn get(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Ok(Response::new(GetUsersResponse { users: self.store.users(request.into_inner()).await? }))
    }

    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        Ok(Response::new(self.store.credentials(&request.get_ref().name_key).await?))
    }
}

#[async_trait]
impl SessionRepo for RepoRpc {
    async fn create(&self, request: Request<CreateSessionRequest>) -> Result<Response<Session>, Status> {
        Ok(Response::new(self.store.create_session(request.into_inner()).await?))
    }

    async fn rotate(&self, request: Request<RotateRequest>) -> Result<Response<RotateResponse>, Status> {
        Ok(Response::new(self.store.rotate(request.get_ref()).await?))
    }

    async fn list(&self, request: Request<ListSessionsRequest>) -> Result<Response<ListSessionsResponse>, Status> {
        Ok(Response::new(ListSessionsResponse { sessions: self.store.sessions(request.get_ref().user_id).await? }))
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        let revoke = request.get_ref();
        let revoked = self.store.revoke(revoke.user_id, &revoke.session_id, revoke.now_ms).await?;
        Ok(Response::new(RevokeResponse { revoked }))
    }

    async fn revoked_since(
        &self,
        request: Request<RevokedSinceRequest>,
    ) -> Result<Response<RevokedSinceResponse>, Status> {
        Ok(Response::new(RevokedSinceResponse {
            sessions: self.store.revoked_since(request.get_ref().since_ms).await?,
        }))
    }
}
