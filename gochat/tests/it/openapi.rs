//! docs/api/openapi.json tells the truth: of the routes, of the messages' fields, of the errors, and of what a server answers.

mod document;
mod run;

use std::{collections::BTreeSet, process::Stdio};

use proto::{
    ErrorCode, auth,
    common::{ConversationKind, FanOutMode, Role},
    conversation::{Conversation, Member},
    group,
    message::{self, Content, Entry, EntryBody, content, entry_body},
    user::User,
};
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;

use self::document::Document;
use super::server::{At as _, Server};

#[test]
fn the_document_names_every_route_and_no_other() {
    let document = Document::read();
    let documented: BTreeSet<_> =
        document.operations().iter().map(|operation| (operation.method, operation.path)).collect();
    let routes: BTreeSet<_> = im_gateway::ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(documented, routes);
    let ids: BTreeSet<_> = document.operations().iter().map(|operation| operation.id().to_owned()).collect();
    assert_eq!(ids.len(), routes.len(), "ids are unique");
    for operation in document.operations() {
        let of_path: BTreeSet<_> = operation.path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
        let names: BTreeSet<_> = document
            .parameters(&operation)
            .into_iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        assert!(of_path.iter().eq(names.iter()), "{}: {of_path:?} {names:?}", operation.id());
        let tag = &operation.value["tags"][0];
        assert!(document.0["tags"].as_array().unwrap().iter().any(|one| one["name"] == *tag), "{tag}");
    }
}

#[test]
fn every_error_of_the_document_is_in_the_table_of_errors() {
    let document = Document::read();
    for operation in document.operations() {
        for (status, code) in document.errors(&operation) {
            let known = ErrorCode::parse(code).unwrap_or_else(|| panic!("{code} is no error"));
            assert_eq!(known.http(), status, "{code}");
        }
    }
}

#[test]
fn examples_are_what_their_schemas_say() {
    let document = Document::read();
    for operation in document.operations() {
        if let Some(media) = operation.value.pointer("/requestBody/content/application~1json") {
            document.check(&media["schema"], &media["example"], operation.id());
        }
        for response in operation.value["responses"].as_object().unwrap().values() {
            let Some(media) = response.pointer("/content/application~1json") else { continue };
            if let Some(example) = media.get("example") {
                document.check(&media["schema"], example, operation.id());
            }
        }
        for parameter in document.parameters(&operation) {
            if let Some(example) = parameter.get("example") {
                document.check(&parameter["schema"], example, operation.id());
            }
        }
    }
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            document.check(schema, example, name);
        }
    }
}

fn user() -> User {
    User { user_id: 42, name: "bob".into(), display_name: "Bob".into(), guest: true }
}

fn device() -> Option<auth::Device> {
    Some(auth::Device { device_id: "laptop-1".into(), platform: "web".into() })
}

fn entry(kind: entry_body::Kind) -> Entry {
    Entry {
        conversation_id: "d:7:42".into(),
        seq: 9,
        message_id: 5,
        sender_id: 7,
        command_id: "m-1".into(),
        created_at_ms: 1_795_258_629_642,
        msg_no: 8,
        body: Some(EntryBody { kind: Some(kind) }),
    }
}

fn text() -> entry_body::Kind {
    let kind = content::Kind::Text(message::Text { text: "hello".into() });
    entry_body::Kind::Message(Content { kind: Some(kind) })
}

/// The fields of a message whose fields are all set are those of its schema.
fn same_fields(document: &Document, name: &str, message: impl Serialize) {
    let value = serde_json::to_value(message).unwrap();
    let schema = document.schema(name);
    document.check(schema, &value, name);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(fields(&value), fields(&schema["properties"]), "{name}");
}

// Every field is written out: one that is new does not compile until it is here, and then fails until it is documented.
#[test]
fn schemas_have_the_fields_of_the_messages() {
    let document = &Document::read();
    same_fields(document, "User", user());
    same_fields(document, "Device", device());
    let (name, password, display_name) = ("alice".to_owned(), "correct horse".to_owned(), "Alice".to_owned());
    let guest = auth::GuestRequest { display_name: display_name.clone(), device: device() };
    same_fields(document, "GuestRegistration", guest);
    let login = auth::LoginRequest { name: name.clone(), password: password.clone(), device: device() };
    same_fields(document, "Login", login);
    same_fields(document, "Registration", auth::RegisterRequest { name, password, display_name, device: device() });
    same_fields(document, "Refresh", auth::RefreshRequest { refresh_token: "x".into() });
    let tokens = auth::TokenPair {
        user_id: 7,
        session_id: "s".into(),
        access_token: "a".into(),
        access_expires_at_ms: 1,
        refresh_token: "r".into(),
        refresh_expires_at_ms: 1,
    };
    same_fields(document, "Tokens", tokens);
    let session =
        auth::Session { session_id: "s".into(), device: device(), created_at_ms: 1, last_used_at_ms: 1, current: true };
    same_fields(document, "Session", session);
    same_fields(document, "NewDirect", group::CreateDirect { peer_id: 42 });
    let group = group::CreateGroup { title: "team".into(), member_ids: vec![42], open: true };
    same_fields(document, "NewGroup", group);
    same_fields(document, "Invitation", group::Invite { user_ids: vec![42] });
}

#[test]
fn schemas_of_conversations_have_the_fields_of_the_messages() {
    let document = &Document::read();
    let conversation = Conversation {
        conversation_id: "d:7:42".into(),
        kind: ConversationKind::Direct.into(),
        title: "team".into(),
        last_seq: 9,
        last_msg_no: 8,
        first_seq: 1,
        member_count: 2,
        role: Role::Member.into(),
        visible_from: 1,
        left_seq: 10,
        read_seq: 4,
        unread: 4,
        peer_read_seq: 3,
        peer: Some(user()),
        last_entry: Some(entry(text())),
        my_rev: 8,
    };
    same_fields(document, "Conversation", conversation);
    let member = Member { user: Some(user()), role: Role::Owner.into(), visible_from: 1, online: true, read_seq: 3 };
    same_fields(document, "Member", member);
    same_fields(document, "Entry", entry(text()));
}

/// The field of a kind. Exhaustive, so that a new kind is met here first.
fn field(kind: &entry_body::Kind) -> &'static str {
    match kind {
        entry_body::Kind::Message(_) => "message",
        entry_body::Kind::Created(_) => "created",
        entry_body::Kind::Joined(_) => "joined",
        entry_body::Kind::Left(_) => "left",
        entry_body::Kind::Removed(_) => "removed",
        entry_body::Kind::ProfileChanged(_) => "profile_changed",
        entry_body::Kind::FanOutChanged(_) => "fan_out_changed",
    }
}

#[test]
fn every_kind_of_entry_is_in_the_document() {
    let document = Document::read();
    let created =
        message::Created { kind: ConversationKind::Group.into(), title: "team".into(), member_ids: vec![7, 42] };
    let custom = content::Kind::Custom(message::Custom { kind: "poll".into(), data: b"\0\xff".to_vec().into() });
    let kinds = [
        text(),
        entry_body::Kind::Message(Content { kind: Some(custom) }),
        entry_body::Kind::Created(created),
        entry_body::Kind::Joined(message::Joined { user_ids: vec![42] }),
        entry_body::Kind::Left(message::Left { user_id: 42 }),
        entry_body::Kind::Removed(message::Removed { user_id: 42 }),
        entry_body::Kind::ProfileChanged(message::ProfileChanged { display_name: "Ann".into() }),
        entry_body::Kind::FanOutChanged(message::FanOutChanged { mode: FanOutMode::Large.into() }),
    ];
    let mut fields = BTreeSet::new();
    for kind in kinds {
        fields.insert(field(&kind));
        document.check(document.schema("Entry"), &serde_json::to_value(entry(kind)).unwrap(), "entry");
    }
    let documented = document.schema("EntryBody")["properties"].as_object().unwrap();
    assert_eq!(documented.keys().map(String::as_str).collect::<BTreeSet<_>>(), fields);
}

#[tokio::test]
async fn the_server_serves_the_document_and_a_page_that_shows_all_of_it() {
    let server = Server::start().await;
    let served = reqwest::get(server.url("/v1/openapi.json")).await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.text().await.unwrap(), Document::file());
    let page = reqwest::get(server.url("/docs")).await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let profile = tempfile::tempdir().unwrap();
    let shown = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(server.url("/docs"))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let shown = tokio::time::timeout(std::time::Duration::from_secs(60), shown).await.expect("the page in time");
    let shown = String::from_utf8(shown.expect("chromium is needed: `scripts/test` installs it").stdout).unwrap();
    let document = Document::read();
    for operation in document.operations() {
        assert!(shown.contains(&format!("id=\"{}\"", operation.id())), "{} is not shown", operation.id());
        for (_, code) in document.errors(&operation) {
            assert!(shown.contains(&format!(">{code}<")), "{code} is not shown");
        }
    }
    for name in document.0["components"]["schemas"].as_object().unwrap().keys() {
        assert!(shown.contains(&format!("id=\"schema-{name}\"")), "{name} is not shown");
    }
}
