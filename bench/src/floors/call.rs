//! A gRPC unary call over loopback, to a server that does nothing: the smallest service there is stands for any other.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use proto::user::{
    GetUsersRequest, GetUsersResponse,
    user_service_client::UserServiceClient,
    user_service_server::{UserService, UserServiceServer},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use super::{FloorPlan, FloorResult, parties::Parties, timed::timed};

struct Nothing;

#[tonic::async_trait]
impl UserService for Nothing {
    async fn get_users(&self, _: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Ok(Response::new(GetUsersResponse::default()))
    }
}

pub(super) async fn measure(plan: &FloorPlan, stop: &CancellationToken) -> anyhow::Result<FloorResult> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let address = listener.local_addr()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut server = JoinSet::new();
    server.spawn(Server::builder().add_service(UserServiceServer::new(Nothing)).serve_with_incoming(incoming));
    let channel = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await;
    let client = UserServiceClient::new(channel.context("cannot reach the server")?);
    let name = "x".repeat(plan.payload_bytes as usize);
    let lanes = (0..plan.lanes()).map(|_| {
        let (mut client, name) = (client.clone(), &name);
        async move |_: u64| -> anyhow::Result<Duration> {
            let request = GetUsersRequest { user_ids: Vec::new(), names: vec![name.clone()] };
            let started = Instant::now();
            client.get_users(request).await.context("the call failed")?;
            Ok(started.elapsed())
        }
    });
    timed(plan, &Parties::here(), stop, lanes.collect()).await
}
