//! Who people are.

use proto::user::{GetUsersRequest, GetUsersResponse, user_service_server::UserService};
use tonic::{Request, Response, Status, async_trait};

use super::LogicRpc;

#[async_trait]
impl UserService for LogicRpc {
    async fn get_users(&self, request: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Ok(Response::new(GetUsersResponse { users: self.reads.users(request.into_inner()).await? }))
    }
}
