//! One trace from the sender's frame to the receiver's, over both hops of the queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use im_infra::testing::eventually;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, async_trait, transport::Server as Grpc};

use super::{
    client::{Format, Socket, User},
    server::Server,
};

/// Takes spans as a collector would.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn one_trace_leads_from_frame_to_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = Collector::default();
    let serving = Grpc::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    #[allow(clippy::disallowed_methods)] // ends with the test
    tokio::spawn(serving);
    let server = Server::with(&[("TELEMETRY__TRACE__OTLP_ENDPOINT", &endpoint)]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    a.send_text(&alice.direct(&bob), "traced", "x").await;
    a.ack("traced").await;
    b.entry().await;
    // From the receiver's end back to the sender's: every span's parent is there, in one trace.
    let road = eventually("the whole trace", || async {
        let spans = collector.spans.lock().unwrap().clone();
        let by_id: HashMap<&[u8], &Span> = spans.iter().map(|span| (&*span.span_id, span)).collect();
        let mut span = spans.iter().find(|span| span.name == "gateway.entry.deliver")?;
        let mut road = vec![span.name.clone()];
        while !span.parent_span_id.is_empty() {
            let parent = *by_id.get(&*span.parent_span_id)?;
            assert_eq!(parent.trace_id, span.trace_id);
            road.push(parent.name.clone());
            span = parent;
        }
        Some(road)
    })
    .await;
    assert_eq!(road, ["gateway.entry.deliver", "logic.command.decide", "gateway.frame.send"]);
    let spans = collector.spans.lock().unwrap().clone();
    let trace_id = &spans.iter().find(|span| span.name == "gateway.entry.deliver").unwrap().trace_id;
    let append = spans.iter().find(|span| span.name == "repo.entry.append").expect("the append is traced");
    assert_eq!(&append.trace_id, trace_id, "in the same trace");
}
