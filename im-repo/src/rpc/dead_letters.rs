//! Dead letters.

use proto::repo::{
    DeadLetter, GetDeadLetterRequest, ListDeadLettersRequest, ListDeadLettersResponse, MarkDeadLetterRequest,
    PutDeadLetterRequest, dead_letter_repo_server::DeadLetterRepo,
};
use tonic::{Request, Response, Status, async_trait};

use super::RepoRpc;

#[async_trait]
impl DeadLetterRepo for RepoRpc {
    async fn put(&self, request: Request<PutDeadLetterRequest>) -> Result<Response<DeadLetter>, Status> {
        let record = request.into_inner().record.ok_or_else(|| proto::Error::invalid("record", "required"))?;
        Ok(Response::new(self.store.put_dead_letter(&record).await?))
    }

    async fn list(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        Ok(Response::new(self.store.dead_letters(request.get_ref()).await?))
    }

    async fn get(&self, request: Request<GetDeadLetterRequest>) -> Result<Response<DeadLetter>, Status> {
        Ok(Response::new(self.store.dead_letter(request.get_ref().dead_letter_id).await?))
    }

    async fn mark(&self, request: Request<MarkDeadLetterRequest>) -> Result<Response<DeadLetter>, Status> {
        Ok(Response::new(self.store.mark_dead_letter(request.get_ref()).await?))
    }
}
