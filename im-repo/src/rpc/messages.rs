//! The log.

use proto::repo::{AppendRequest, AppendResponse, RangeRequest, RangeResponse, message_repo_server::MessageRepo};
use tonic::{Request, Response, Status, async_trait};

use super::RepoRpc;

#[async_trait]
impl MessageRepo for RepoRpc {
    #[tracing::instrument(name = "repo.entry.append", skip_all)]
    async fn append(&self, request: Request<AppendRequest>) -> Result<Response<AppendResponse>, Status> {
        let groups = self.store.append(request.into_inner().groups).await?;
        Ok(Response::new(AppendResponse { groups }))
    }

    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        Ok(Response::new(RangeResponse { entries: self.store.range(request.get_ref()).await? }))
    }
}
