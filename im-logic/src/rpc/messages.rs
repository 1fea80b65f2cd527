//! Ranges of logs.

use proto::message::{RangeRequest, RangeResponse, message_service_server::MessageService};
use tonic::{Request, Response, Status, async_trait};

use super::LogicRpc;

#[async_trait]
impl MessageService for LogicRpc {
    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        Ok(Response::new(self.reads.range(request.into_inner()).await?))
    }
}
