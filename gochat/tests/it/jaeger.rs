//! The trace as operators see it: in a real Jaeger. Slow to have, so only in `scripts/test --full`.

use im_infra::testing::eventually;
use reqwest::Url;
use serde_json::{Value, json};

use super::{
    deployment::{Deployment, Kind},
    trace::{Span, expected, say_something, ways},
};

/// The address of a Jaeger, which nothing starts unasked.
#[allow(clippy::disallowed_methods)] // tests have no configuration
fn jaeger(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `scripts/test --full`, or `scripts/infra up DIR jaeger && . DIR/env`")
    })
}

/// The spans of a trace as the query API tells it.
fn spans(trace: &Value) -> Vec<Span> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let span = |span: Value| {
        let process = &trace["processes"][text(&span["processID"])];
        let tagged = |tags: &Value, key: &str| {
            let tag = list(tags).into_iter().find(|tag| tag["key"] == key);
            tag.map(|tag| text(&tag["value"])).unwrap_or_default()
        };
        Span {
            service: text(&process["serviceName"]),
            instance: tagged(&process["tags"], "service.instance.id"),
            name: text(&span["operationName"]),
            trace_id: text(&span["traceID"]),
            span_id: text(&span["spanID"]),
            parent_id: list(&span["references"]).first().map(|parent| text(&parent["spanID"])),
            request_id: tagged(&span["tags"], "request_id"),
        }
    };
    list(&trace["spans"]).into_iter().map(span).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn full_o1_a_real_jaeger_shows_one_trace_from_frame_to_frame() {
    let (receiver, api) = (jaeger("GOCHAT_TEST_JAEGER_OTLP"), jaeger("GOCHAT_TEST_JAEGER"));
    let deployment = Deployment::start(Kind::Processes, &[("TELEMETRY__TRACE__OTLP_ENDPOINT", &receiver)]).await;
    // This run's message and no older one: users' ids are never used again.
    let conversation = say_something(&deployment).await;
    let tags = json!({"conversation_id": conversation}).to_string();
    let wanted = [("service", "im-gateway"), ("operation", "gateway.frame.send"), ("tags", tags.as_str())];
    let query = Url::parse_with_params(&format!("{api}/api/traces"), wanted).unwrap();
    let found = eventually("the whole trace", || async {
        let answer: Value = reqwest::get(query.clone()).await.unwrap().json().await.unwrap();
        answer["data"].as_array()?.iter().find_map(|trace| ways(Kind::Processes, &spans(trace)))
    })
    .await;
    assert_eq!(found, expected(Kind::Processes));
}
