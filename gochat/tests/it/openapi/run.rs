//! A real server, asked everything that the document describes; every answer has to be what the document says.

use std::collections::BTreeSet;

use proto::ErrorCode;
use regex::Regex;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::document::{Document, Operation};
use crate::{
    client::User,
    server::{At as _, Server},
};

struct Run {
    server: Server,
    document: Document,
    /// Operations that did what they are for.
    done: BTreeSet<String>,
}

impl Run {
    async fn start() -> Self {
        Self { server: Server::start().await, document: Document::read(), done: BTreeSet::new() }
    }

    /// Asks as in `("POST /v1/groups", "key", Some(body))`, and compares request and answer with the document.
    async fn ask(&mut self, user: &User, line: &str, key: &str, body: Option<Value>) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let sent = body.clone();
        let answer = user.request(&self.server, method.parse().unwrap(), path, key, body).await;
        let operation = self.document.operation(&method.to_lowercase(), path);
        let (status, answered) = told(&self.document, &operation, answer).await;
        if status < 400 {
            if let (Some(schema), Some(sent)) = (self.document.request(&operation), &sent) {
                self.document.check(schema, sent, line);
            }
            self.done.insert(operation.id().to_owned());
        }
        (status, answered)
    }

    async fn does(&mut self, user: &User, line: &str, key: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(user, line, key, body).await;
        assert!(status < 400, "{line}: {answer}");
        answer
    }

    async fn refuses(&mut self, user: &User, line: &str, (key, body): (&str, Option<Value>), code: &str) {
        let (_, answer) = self.ask(user, line, key, body).await;
        assert_eq!(answer["code"], code, "{line}: {answer}");
    }

    async fn register(&mut self, name: &str) -> User {
        let body = json!({"name": name, "password": "correct horse", "device": device("laptop-1")});
        let tokens = self.does(&nobody(), "POST /v1/auth/register", "", Some(body)).await;
        User::of(name, &tokens, reqwest::Client::new())
    }
}

/// Compares an answer with what its operation says; answers status and body.
async fn told(document: &Document, operation: &Operation<'_>, answer: Response) -> (u16, Value) {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    assert!(headers.contains_key("x-request-id"));
    let text = answer.text().await.unwrap();
    let Some((kind, schema)) = document.answer(operation, status) else {
        assert_eq!(text, "", "{} has no body", operation.id());
        return (status, Value::Null);
    };
    assert_eq!(headers["content-type"], kind, "{}", operation.id());
    let value: Value = serde_json::from_str(&text).unwrap();
    // The description describes itself, but not every part of itself.
    if operation.id() != "getDescription" {
        document.check(schema, &value, operation.id());
    }
    if status >= 400 {
        let code = ErrorCode::parse(value["code"].as_str().unwrap()).unwrap();
        assert_eq!((code.http(), value["status"].as_u64()), (status, Some(status.into())));
        assert_eq!(headers.contains_key("retry-after"), value.get("retry_after_ms").is_some());
    }
    (status, value)
}

fn device(id: &str) -> Value {
    json!({"device_id": id, "platform": "bot"})
}

fn nobody() -> User {
    User {
        id: 0,
        name: String::new(),
        token: String::new(),
        refresh_token: String::new(),
        session_id: String::new(),
        http: reqwest::Client::new(),
    }
}

fn text(text: &str) -> Option<Value> {
    Some(json!({"content": {"text": {"text": text}}}))
}

#[tokio::test]
async fn every_operation_answers_as_documented() {
    let mut run = Run::start().await;
    let (alice, bob, carol) = (run.register("alice").await, run.register("bob").await, run.register("carol").await);
    let guest = json!({"display_name": "Visitor", "device": device("d")});
    let guest = run.does(&nobody(), "POST /v1/auth/guest", "", Some(guest)).await;
    run.does(&alice, "GET /v1/me", "", None).await;
    run.does(&alice, "PATCH /v1/me", "k", Some(json!({"display_name": "Alice B."}))).await;
    run.does(&alice, &format!("GET /v1/users?name=bob&ids={},1", carol.id), "", None).await;
    run.does(&alice, "POST /v1/directs", "k", Some(json!({"peer_id": bob.id.to_string()}))).await;
    let direct = format!("/v1/conversations/{}", alice.direct(&bob));
    run.does(&alice, &format!("POST {direct}/messages"), "m-1", text("hello")).await;
    let custom = json!({"content": {"custom": {"kind": "poll", "data": "AP8="}}});
    run.does(&bob, &format!("POST {direct}/messages"), "m-1", Some(custom)).await;
    run.does(&bob, &format!("GET {direct}"), "", None).await;
    run.does(&bob, &format!("GET {direct}/members"), "", None).await;

    let group = json!({"title": "team", "member_ids": [bob.id.to_string()], "open": true});
    let made = run.does(&alice, "POST /v1/groups", "g", Some(group)).await;
    let group = format!("/v1/conversations/{}", made["conversation_id"].as_str().unwrap());
    run.does(&alice, &format!("POST {group}/members"), "i", Some(json!({"user_ids": [guest["user_id"]]}))).await;
    run.does(&carol, &format!("POST {group}/members/me"), "j", None).await;
    run.does(&alice, &format!("DELETE {group}/members/{}", carol.id), "r", None).await;
    run.does(&bob, &format!("DELETE {group}/members/me"), "l", None).await;
    let left = run.does(&bob, &format!("GET {group}"), "", None).await;
    assert!(left["left_seq"].is_string() && left["member_count"].is_null(), "{left}");
    run.does(&alice, &format!("GET {group}/members?limit=1"), "", None).await;
    run.does(&alice, &format!("GET {group}/messages"), "", None).await;
    run.does(&alice, &format!("GET /v1/conversations/u:{}/messages", alice.id), "", None).await;
    pages(&mut run, &alice, "/v1/conversations?limit=1", "cursor").await;
    pages(&mut run, &alice, &format!("{direct}/messages?limit=1"), "before").await;

    run.does(&alice, "GET /v1/openapi.json", "", None).await;
    sessions(&mut run, &alice).await;
    let all: BTreeSet<_> = run.document.operations().iter().map(|operation| operation.id().to_owned()).collect();
    assert_eq!(run.done, all, "every operation did what it is for");
}

/// Pages to the end, by the cursor that each page gives.
async fn pages(run: &mut Run, user: &User, path: &str, parameter: &str) {
    let (mut next, mut items) = (String::new(), Vec::new());
    loop {
        let page = run.does(user, &format!("GET {path}{next}"), "", None).await;
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&{parameter}={cursor}"),
            None => break,
        }
    }
    assert!(items.len() > 1, "{path}: {items:?}");
}

async fn sessions(run: &mut Run, alice: &User) {
    let login = json!({"name": "alice", "password": "correct horse", "device": device("d")});
    let mut others = Vec::new();
    for _ in 0..2 {
        let tokens = run.does(&nobody(), "POST /v1/auth/login", "", Some(login.clone())).await;
        others.push(User::of("alice", &tokens, alice.http.clone()));
    }
    let refresh = json!({"refresh_token": others[0].refresh_token});
    run.does(&nobody(), "POST /v1/auth/refresh", "", Some(refresh)).await;
    let listed = run.does(alice, "GET /v1/me/sessions", "", None).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    run.does(alice, &format!("DELETE /v1/me/sessions/{}", others[0].session_id), "", None).await;
    run.does(&others[1], "POST /v1/auth/logout", "", None).await;
    run.does(alice, "DELETE /v1/me/sessions", "", None).await;
}

#[tokio::test]
async fn refusals_are_documented_too() {
    let mut run = Run::start().await;
    let (alice, bob, carol) = (run.register("alice").await, run.register("bob").await, run.register("carol").await);
    let account = |name: &str, password: &str| Some(json!({"name": name, "password": password, "device": device("d")}));
    let cases = [
        ("POST /v1/auth/register", account("ALICE", "correct horse"), "name_taken"),
        ("POST /v1/auth/register", account("a b", "correct horse"), "name_invalid"),
        ("POST /v1/auth/register", Some(json!({"name": 7})), "invalid_argument"),
        ("POST /v1/auth/login", account("alice", "wrong horse"), "bad_credentials"),
        ("POST /v1/auth/login", account("alice", &"x".repeat(70_000)), "frame_too_big"),
        ("POST /v1/auth/refresh", Some(json!({"refresh_token": "x"})), "refresh_invalid"),
        ("POST /v1/directs", Some(json!({"peer_id": "1"})), "unknown_user"),
        ("POST /v1/groups", Some(json!({"title": " "})), "invalid_argument"),
        ("GET /v1/users", None, "invalid_argument"),
        ("DELETE /v1/me/sessions/unknown", None, "not_found"),
    ];
    for (number, (line, body, code)) in cases.into_iter().enumerate() {
        run.refuses(&alice, line, (&format!("a{number}"), body), code).await;
    }
    let direct = format!("/v1/conversations/{}", alice.direct(&bob));
    run.does(&alice, &format!("POST {direct}/messages"), "m-1", text("hello")).await;
    let group = run.does(&alice, "POST /v1/groups", "g", Some(json!({"title": "team"}))).await;
    let group = format!("/v1/conversations/{}", group["conversation_id"].as_str().unwrap());
    let (to_direct, to_group) = (format!("POST {direct}/messages"), format!("POST {group}/messages"));
    let invite = |user: &User| Some(json!({"user_ids": [user.id.to_string()]}));
    let cases = [
        (&alice, to_direct.clone(), text(" "), "body_empty"),
        (&alice, to_direct.clone(), text(&"x".repeat(20_000)), "body_too_big"),
        (&carol, to_direct.clone(), text("x"), "not_a_member"),
        (&bob, to_group, text("x"), "not_a_member"),
        (&alice, "POST /v1/conversations/nonsense/messages".to_owned(), text("x"), "unknown_conversation"),
        (&alice, format!("POST {direct}/members"), invite(&carol), "unsupported"),
        (&alice, format!("POST {group}/members"), invite(&alice), "already_a_member"),
        (&bob, format!("POST {group}/members/me"), None, "forbidden"),
        (&alice, format!("DELETE {group}/members/{}", bob.id), None, "unknown_user"),
        (&bob, format!("DELETE {group}/members/me"), None, "not_a_member"),
        (&carol, format!("GET {direct}"), None, "unknown_conversation"),
        (&alice, format!("GET {direct}/messages?before=x"), None, "invalid_argument"),
    ];
    for (number, (user, line, body, code)) in cases.into_iter().enumerate() {
        run.refuses(user, &line, (&format!("b{number}"), body), code).await;
    }
    run.refuses(&alice, &to_direct, ("m-1", text("something else")), "conflict").await;
}

#[tokio::test]
async fn tokens_keys_and_origins_are_asked_for_where_the_document_says_so() {
    let mut run = Run::start().await;
    let alice = run.register("alice").await;
    for operation in run.document.operations() {
        let parameters = run.document.parameters(&operation);
        let mut path = operation.path.to_owned();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            path = path.replace(&format!("{{{name}}}"), parameter["example"].as_str().unwrap());
        }
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let documented: BTreeSet<_> = run.document.errors(&operation).into_iter().map(|(_, code)| code).collect();
        let id = operation.id();
        let request = || alice.http.request(method.clone(), run.server.url(&path));
        let code = async |answer: Response| {
            let (_, value) = told(&run.document, &operation, answer).await;
            value["code"].as_str().unwrap_or_default().to_owned()
        };

        let foreign = code(request().header("origin", "https://evil.example").send().await.unwrap()).await;
        assert_eq!(foreign == "origin_forbidden", documented.contains("origin_forbidden"), "{id}: {foreign}");
        let without_token = code(request().send().await.unwrap()).await;
        assert_eq!(without_token == "token_missing", operation.needs_token(), "{id}: {without_token}");
        let key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(key, documented.contains("idempotency_key_required"), "{id}");
        if key {
            let without_key = code(request().bearer_auth(&alice.token).send().await.unwrap()).await;
            assert_eq!(without_key, "idempotency_key_required", "{id}");
        }
    }
}

#[tokio::test]
async fn bounds_are_those_of_the_document() {
    let mut run = Run::start().await;
    let alice = run.register("alice").await;
    let limit = run.document.0["components"]["parameters"]["Limit"]["schema"].clone();
    let (least, most) = (limit["minimum"].as_i64().unwrap(), limit["maximum"].as_i64().unwrap());
    let direct = format!("/v1/conversations/u:{}", alice.id);
    run.does(&alice, "PATCH /v1/me", "k", Some(json!({"display_name": "Ann"}))).await;
    for path in ["/v1/conversations".to_owned(), format!("{direct}/messages"), format!("{direct}/members")] {
        for good in [least, most] {
            run.does(&alice, &format!("GET {path}?limit={good}"), "", None).await;
        }
        for bad in [least - 1, most + 1] {
            run.refuses(&alice, &format!("GET {path}?limit={bad}"), ("", None), "invalid_argument").await;
        }
    }
    let registration = run.document.schema("Registration")["properties"].clone();
    for (field, code) in
        [("name", "name_invalid"), ("password", "password_invalid"), ("display_name", "invalid_argument")]
    {
        let bound = |which: &str| registration[field][which].as_u64().map(|chars| usize::try_from(chars).unwrap());
        let most = bound("maxLength").unwrap();
        let cases = [(most, true), (most + 1, false)].into_iter();
        let least = bound("minLength").into_iter().flat_map(|least| [(least, true), (least - 1, false)]);
        for (chars, good) in cases.chain(least) {
            let mut body =
                json!({"name": format!("{field}-{chars}"), "password": "x".repeat(20), "device": device("d")});
            body[field] = "x".repeat(chars).into();
            let (status, answer) = run.ask(&nobody(), "POST /v1/auth/register", "", Some(body)).await;
            assert_eq!((status == 200, answer["code"].as_str()), (good, (!good).then_some(code)), "{field} {chars}");
        }
    }
    let pattern = |schema: &Value| Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
    let key = pattern(&run.document.0["components"]["parameters"]["IdempotencyKey"]["schema"]);
    let id = pattern(&run.document.schema("Device")["properties"]["device_id"]);
    for text in ["x", "~x", "x~", "!", "x y", &"x".repeat(64), &"x".repeat(65)] {
        let (status, _) = run.ask(&alice, "POST /v1/directs", text, Some(json!({"peer_id": "1"}))).await;
        assert_eq!(status != 400, key.is_match(text), "key {text}");
        let login = json!({"name": "alice", "password": "correct horse", "device": device(text)});
        let (status, _) = run.ask(&nobody(), "POST /v1/auth/login", "", Some(login)).await;
        assert_eq!(status == 200, id.is_match(text), "device {text}");
    }
}
