//! A user's conversations.

use proto::conversation::{
    ArriveRequest, ArriveResponse, Conversation, DigestRequest, DigestResponse, EpochRequest, EpochResponse,
    GetRequest, ListRequest, ListResponse, MembersRequest, MembersResponse, PlacesInRequest, PlacesInResponse,
    SyncRequest, SyncResponse, conversation_service_server::ConversationService,
};
use tonic::{Request, Response, Status, async_trait};

use super::LogicRpc;

#[async_trait]
impl ConversationService for LogicRpc {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Conversation>, Status> {
        let get = request.get_ref();
        Ok(Response::new(self.reads.conversation(get.user_id, &get.conversation_id).await?))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Ok(Response::new(self.reads.list(request.into_inner()).await?))
    }

    async fn members(&self, request: Request<MembersRequest>) -> Result<Response<MembersResponse>, Status> {
        Ok(Response::new(self.reads.members(request.into_inner()).await?))
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestResponse>, Status> {
        Ok(Response::new(self.reads.digest(request.get_ref().user_id).await?))
    }

    async fn sync(&self, request: Request<SyncRequest>) -> Result<Response<SyncResponse>, Status> {
        Ok(Response::new(self.reads.sync(request.into_inner()).await?))
    }

    async fn arrive(&self, request: Request<ArriveRequest>) -> Result<Response<ArriveResponse>, Status> {
        Ok(Response::new(ArriveResponse { arrived: self.reads.arrive(&request.get_ref().arrivals).await? }))
    }

    async fn places_in(&self, request: Request<PlacesInRequest>) -> Result<Response<PlacesInResponse>, Status> {
        let PlacesInRequest { conversation_id, user_ids } = request.into_inner();
        Ok(Response::new(PlacesInResponse { places: self.reads.places_in(conversation_id, user_ids).await? }))
    }

    async fn epoch(&self, _: Request<EpochRequest>) -> Result<Response<EpochResponse>, Status> {
        Ok(Response::new(EpochResponse { epoch: self.reads.epoch().await? }))
    }
}
