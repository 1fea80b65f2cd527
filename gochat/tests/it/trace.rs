//! One trace from the sender's frame to the receiver's, over both hops of the queue.

use std::sync::{Arc, Mutex};

use im_infra::testing::eventually;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, async_trait, transport::Server as Grpc};

use super::{
    client::{Format, Socket, User},
    deployment::{Deployment, Kind, on_every_deployment},
};

on_every_deployment! {
    o1_one_trace_leads_from_frame_to_frame,
}

/// A span, as far as these tests look at it. Ids in hexadecimal; a root has no parent.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) service: String,
    /// Which of the service's processes.
    pub(crate) instance: String,
    pub(crate) name: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_id: Option<String>,
    /// Of the command it is about; empty where there is none.
    pub(crate) request_id: String,
}

/// Takes spans as a collector would.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
    if let Some(Value::StringValue(text)) = value { text } else { String::new() }
}

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap();
        for told in request.into_inner().resource_spans {
            let of = told.resource.unwrap_or_default().attributes;
            let (service, instance) = (text(&of, "service.name"), text(&of, "service.instance.id"));
            spans.extend(told.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| Span {
                service: service.clone(),
                instance: instance.clone(),
                name: span.name,
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_id: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
                request_id: text(&span.attributes, "request_id"),
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// From a span back to the root, as service and name.
pub(crate) type Way = Vec<(String, String)>;

/// None while a span is missing.
fn way_back<'a>(spans: &'a [Span], mut span: &'a Span) -> Option<Way> {
    let mut way = vec![(span.service.clone(), span.name.clone())];
    while let Some(parent_id) = &span.parent_id {
        span = spans.iter().find(|one| one.span_id == *parent_id)?;
        way.push((span.service.clone(), span.name.clone()));
    }
    Some(way)
}

/// The ways back to the sender's frame, from the receiver's and from the store. None while they are not complete.
pub(crate) fn ways(kind: Kind, spans: &[Span]) -> Option<[Way; 2]> {
    let sent = spans.iter().find(|span| span.name == "gateway.frame.send")?;
    let trace: Vec<Span> = spans.iter().filter(|span| span.trace_id == sent.trace_id).cloned().collect();
    // The sender's own gateway is told, too: it is the other's that counts.
    let apart = kind == Kind::Processes;
    let received = |span: &&Span| span.name == "gateway.entry.deliver" && (span.instance != sent.instance) == apart;
    let received = trace.iter().find(received)?;
    let decided = trace.iter().find(|span| span.name == "logic.command.decide")?;
    assert!(!sent.request_id.is_empty() && decided.request_id == sent.request_id, "{sent:?} {decided:?}");
    let stored = trace.iter().find(|span| span.name == "repo.entry.append")?;
    Some([way_back(&trace, received)?, way_back(&trace, stored)?])
}

/// What the ways must be.
pub(crate) fn expected(kind: Kind) -> [Way; 2] {
    let [gateway, logic, repo] = match kind {
        Kind::Standalone => ["gochat-standalone"; 3],
        Kind::Processes => ["im-gateway", "im-logic", "im-repo"],
    };
    let received =
        [(gateway, "gateway.entry.deliver"), (logic, "logic.command.decide"), (gateway, "gateway.frame.send")];
    let stored = [
        (repo, "repo.entry.append"),
        (repo, "/im.repo.v1.MessageRepo/Append"),
        (logic, "logic.command.decide"),
        (gateway, "gateway.frame.send"),
    ];
    let owned = |way: &[(&str, &str)]| -> Way {
        way.iter().map(|(service, name)| ((*service).to_owned(), (*name).to_owned())).collect()
    };
    [owned(&received), owned(&stored)]
}

/// One message, from a gateway to another one where there are several; answers the conversation.
pub(crate) async fn say_something(deployment: &Deployment) -> String {
    let [one, other] = [deployment.address(0), deployment.address(1)];
    let (alice, bob) = (User::register(&one, "alice").await, User::register(&other, "bob").await);
    let mut a = Socket::open(&one, &alice, Format::Json).await;
    let mut b = Socket::open(&other, &bob, Format::Json).await;
    let conversation = alice.direct(&bob);
    a.send_text(&conversation, "traced", "x").await;
    a.ack("traced").await;
    b.entry().await;
    conversation
}

async fn o1_one_trace_leads_from_frame_to_frame(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = Collector::default();
    let serving = Grpc::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    #[allow(clippy::disallowed_methods)] // ends with the test
    tokio::spawn(serving);
    let deployment = Deployment::start(kind, &[("TELEMETRY__TRACE__OTLP_ENDPOINT", &endpoint)]).await;
    say_something(&deployment).await;
    let found = eventually("the whole trace", || async { ways(kind, &collector.spans.lock().unwrap()) }).await;
    assert_eq!(found, expected(kind));
}
