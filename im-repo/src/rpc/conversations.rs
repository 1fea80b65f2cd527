//! Conversations and members.

use proto::repo::{
    HeadsRequest, HeadsResponse, ListOfRequest, ListOfResponse, ListsOfRequest, ListsOfResponse, MembersRequest,
    MembersResponse, PutCursorsRequest, PutCursorsResponse, StatesRequest, StatesResponse, StoreEpochRequest,
    StoreEpochResponse, conversation_repo_server::ConversationRepo, group_repo_server::GroupRepo,
};
use tonic::{Request, Response, Status, async_trait};

use super::RepoRpc;

#[async_trait]
impl ConversationRepo for RepoRpc {
    async fn states(&self, request: Request<StatesRequest>) -> Result<Response<StatesResponse>, Status> {
        Ok(Response::new(StatesResponse { states: self.store.states(request.into_inner().queries).await? }))
    }

    async fn heads(&self, request: Request<HeadsRequest>) -> Result<Response<HeadsResponse>, Status> {
        Ok(Response::new(HeadsResponse { heads: self.store.heads(request.get_ref()).await? }))
    }

    async fn list_of(&self, request: Request<ListOfRequest>) -> Result<Response<ListOfResponse>, Status> {
        Ok(Response::new(self.store.list_of(request.get_ref()).await?))
    }

    async fn lists_of(&self, request: Request<ListsOfRequest>) -> Result<Response<ListsOfResponse>, Status> {
        Ok(Response::new(ListsOfResponse { lists: self.store.lists_of(request.into_inner().user_ids).await? }))
    }

    async fn put_cursors(&self, request: Request<PutCursorsRequest>) -> Result<Response<PutCursorsResponse>, Status> {
        let PutCursorsRequest { cursors, only_ask } = request.into_inner();
        let moved =
            if only_ask { self.store.cursors_ahead(cursors).await } else { self.store.put_cursors(cursors).await };
        Ok(Response::new(PutCursorsResponse { moved: moved? }))
    }

    async fn store_epoch(&self, _: Request<StoreEpochRequest>) -> Result<Response<StoreEpochResponse>, Status> {
        Ok(Response::new(StoreEpochResponse { epoch: self.store.epoch(&self.epoch).await? }))
    }
}

#[async_trait]
impl GroupRepo for RepoRpc {
    async fn members(&self, request: Request<MembersRequest>) -> Result<Response<MembersResponse>, Status> {
        Ok(Response::new(self.store.members(request.get_ref()).await?))
    }
}
