//! A gRPC unary call over loopback, to a server that does nothing: the smallest service there is stands for any other.

use std::{
    net,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use proto::user::{
    GetUsersRequest, GetUsersResponse,
    user_service_client::UserServiceClient,
    user_service_server::{UserService, UserServiceServer},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use super::{FloorPlan, FloorResult, parties::Parties, timed::timed};
use crate::own_thread::on_own_thread;

const SERVER: &str = "floor-server";

struct Nothing;

#[tonic::async_trait]
impl UserService for Nothing {
    async fn get_users(&self, _: Request<GetUsersRequest>) -> Result<Response<GetUsersResponse>, Status> {
        Ok(Response::new(GetUsersResponse::default()))
    }
}

pub(super) async fn measure(plan: &FloorPlan, stop: &CancellationToken) -> anyhow::Result<FloorResult> {
    let listener = net::TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let ending = CancellationToken::new();
    let _ends = ending.clone().drop_guard();
    // The client notices when it ends.
    on_own_thread(SERVER, move || serve(listener, ending))?;
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

/// Beside its client, as another service would be. Until the end, or until it can serve no more.
async fn serve(listener: net::TcpListener, ending: CancellationToken) -> anyhow::Result<()> {
    let incoming = TcpIncoming::from(TcpListener::from_std(listener)?).with_nodelay(Some(true));
    let serving = Server::builder().add_service(UserServiceServer::new(Nothing)).serve_with_incoming(incoming);
    tokio::select! {
        () = ending.cancelled() => Ok(()),
        served = serving => served.context("the server of a floor failed"),
    }
}
