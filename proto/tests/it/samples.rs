//! One sample of everything that lies in a topic, in the store, or is spoken by clients.

use im_proto::{
    auth, client,
    client::{ClientFrame, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In},
    common, conversation, group, message,
    message::{Entry, EntryBody, entry_body::Kind},
    mq, user,
};

fn content() -> message::Content {
    message::Content { kind: Some(message::content::Kind::Text(message::Text { text: "héllo 😀".into() })) }
}

fn error() -> common::Error {
    im_proto::Error::new(im_proto::ErrorCode::RateLimited).with("limit", "commands").retry_after_ms(250).into()
}

fn entry(kind: Kind) -> Entry {
    Entry {
        conversation_id: "d:7:42".into(),
        seq: 9_007_199_254_740_993,
        message_id: i64::MAX,
        sender_id: 7,
        command_id: "c-1".into(),
        created_at_ms: 1_795_257_667_355,
        msg_no: 3,
        body: Some(EntryBody { kind: Some(kind) }),
    }
}

/// Bodies as the store keeps them.
pub(crate) fn bodies() -> Vec<(&'static str, EntryBody)> {
    let custom = message::content::Kind::Custom(message::Custom { kind: "poll".into(), data: vec![0, 255].into() });
    [
        ("message", Kind::Message(content())),
        ("custom", Kind::Message(message::Content { kind: Some(custom) })),
        ("created", Kind::Created(message::Created { kind: 2, title: "team".into(), member_ids: vec![7, 42] })),
        ("joined", Kind::Joined(message::Joined { user_ids: vec![42] })),
        ("left", Kind::Left(message::Left { user_id: 42 })),
        ("removed", Kind::Removed(message::Removed { user_id: 42 })),
        ("profile_changed", Kind::ProfileChanged(message::ProfileChanged { display_name: "Ann".into() })),
        ("fan_out_changed", Kind::FanOutChanged(message::FanOutChanged { mode: 2 })),
    ]
    .map(|(name, kind)| (name, EntryBody { kind: Some(kind) }))
    .into()
}

/// Records of im.upstream.
pub(crate) fn upstream() -> Vec<(&'static str, mq::Upstream)> {
    use mq::upstream::Command;
    let record = |command| mq::Upstream {
        caller: Some(mq::Caller { user_id: 7, session_id: "s".into(), device_id: "d".into() }),
        origin: Some(mq::Origin { instance: "gw".into(), slot: 3 }),
        conversation_id: "g:00000000000000000000000000000001".into(),
        command_id: "c-1".into(),
        payload_hash: vec![1; 32].into(),
        received_at_ms: 1_795_257_667_355,
        request_id: "r".into(),
        command: Some(command),
    };
    let cursors = vec![mq::ReadCursor { conversation_id: "d:7:42".into(), read_seq: 5 }];
    let create = group::CreateGroup { title: "team".into(), member_ids: vec![42], open: true };
    [
        ("send", Command::Send(content())),
        ("create_group", Command::CreateGroup(create)),
        ("create_direct", Command::CreateDirect(group::CreateDirect { peer_id: 42 })),
        ("invite", Command::Invite(group::Invite { user_ids: vec![42, 43] })),
        ("join", Command::Join(group::Join {})),
        ("leave", Command::Leave(group::Leave {})),
        ("remove", Command::Remove(group::Remove { user_id: 42 })),
        ("change_profile", Command::ChangeProfile(mq::ChangeProfile { display_name: "Ann".into() })),
        ("read_cursors", Command::ReadCursors(mq::ReadCursors { cursors })),
        ("change_fan_out", Command::ChangeFanOut(mq::ChangeFanOut { mode: 2 })),
    ]
    .map(|(name, command)| (name, record(command)))
    .into()
}

fn outcomes(payload_hash: &[u8]) -> Vec<mq::Outcome> {
    let outcome = |result| mq::Outcome {
        user_id: 7,
        conversation_id: "d:7:42".into(),
        command_id: "c-1".into(),
        result: Some(result),
        trace_parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        payload_hash: payload_hash.to_vec().into(),
    };
    let stored = mq::Stored { seq: 1, message_id: 2, created_at_ms: 3, msg_no: 4 };
    vec![outcome(mq::outcome::Result::Stored(stored)), outcome(mq::outcome::Result::Error(error()))]
}

/// A record of im.downstream with all it may hold, its outcomes as they were before they had a hash.
pub(crate) fn downstream() -> mq::Downstream {
    mq::Downstream {
        instance: "gw".into(),
        outcomes: outcomes(&[]),
        deliveries: vec![mq::Delivery {
            conversation_id: "d:7:42".into(),
            entries: vec![entry(Kind::Message(content()))],
            recipients: vec![7, 42],
            trace_parent: String::new(),
        }],
        receipts: vec![mq::Receipt { conversation_id: "d:7:42".into(), user_id: 42, read_seq: 5, recipients: vec![7] }],
        revocations: vec![mq::Revocation { user_id: 7, session_id: "s".into() }],
        broadcasts: Vec::new(),
    }
}

/// A record of im.downstream with outcomes that say of which payload they are.
pub(crate) fn downstream_hashed() -> mq::Downstream {
    mq::Downstream { instance: "gw".into(), outcomes: outcomes(&[1; 32]), ..mq::Downstream::default() }
}

/// A record of im.downstream of a large conversation.
pub(crate) fn downstream_of_large() -> mq::Downstream {
    let members = vec![mq::MemberInterval { user_id: 7, visible_from: 5, left_seq: 9 }];
    let broadcast = mq::Broadcast {
        conversation_id: "g:00000000000000000000000000000001".into(),
        entries: vec![entry(Kind::FanOutChanged(message::FanOutChanged { mode: 2 }))],
        trace_parent: "00-".into(),
        index: Some(mq::MemberIndex { members, more: true }),
        missed: true,
    };
    mq::Downstream { instance: "gw".into(), broadcasts: vec![broadcast], ..mq::Downstream::default() }
}

/// Records of im.task.
pub(crate) fn tasks() -> Vec<(&'static str, mq::Task)> {
    let entries = vec![mq::FanOutEntry { entry: Some(entry(Kind::Message(content()))), trace_parent: "00-".into() }];
    let fan_out = mq::FanOut { conversation_id: "g:00000000000000000000000000000001".into(), entries };
    vec![("fan_out", mq::Task { kind: Some(mq::task::Kind::FanOut(fan_out)) })]
}

/// A record of im.dead.
pub(crate) fn dead() -> mq::Dead {
    mq::Dead {
        topic: "im.upstream.v1".into(),
        partition: 3,
        offset: 99,
        key: "d:7:42".into(),
        payload: vec![0xff].into(),
        headers: vec![mq::Header { name: "traceparent".into(), value: "00-".into() }],
        consumer: "im-logic".into(),
        attempts: 3,
        error: Some(error()),
        trace_parent: "00-".into(),
        died_at_ms: 5,
    }
}

/// Frames of clients.
pub(crate) fn client_frames() -> Vec<(&'static str, ClientFrame)> {
    let known = conversation::Known { conversation_id: "d:7:42".into(), seq: 5, read_seq: 4, my_rev: 9 };
    let (conversation_id, command_id) = ("d:7:42".to_owned(), "c-1".to_owned());
    let hello = client::Hello {
        access_token: "t".into(),
        device_id: "d".into(),
        platform: "web".into(),
        digest: Some(client::Digest { count: 2, sum: u64::MAX }),
    };
    let fetch = client::Fetch { conversation_id: conversation_id.clone(), from_seq: 1, to_seq: 9, tag: "t-2".into() };
    [
        ("hello", Out::Hello(hello)),
        (
            "send",
            Out::Send(client::Send {
                conversation_id: conversation_id.clone(),
                command_id: command_id.clone(),
                content: Some(content()),
            }),
        ),
        ("read", Out::Read(client::Read { conversation_id: conversation_id.clone(), read_seq: 5 })),
        ("sync", Out::Sync(client::Sync { known: vec![known], ..client::Sync::default() })),
        ("sync_tagged", Out::Sync(client::Sync { tag: "t-1".into(), ..client::Sync::default() })),
        ("fetch", Out::Fetch(client::Fetch { tag: String::new(), ..fetch.clone() })),
        ("fetch_tagged", Out::Fetch(fetch)),
        ("abandon", Out::Abandon(client::Abandon { conversation_id, command_id })),
        ("auth", Out::Auth(client::Auth { access_token: "t".into() })),
        ("ping", Out::Ping(client::Ping { data: "x".into() })),
    ]
    .map(|(name, frame)| (name, ClientFrame { frame: Some(frame) }))
    .into()
}

/// Frames of the server.
pub(crate) fn server_frames() -> Vec<(&'static str, ServerFrame)> {
    let (conversation_id, command_id) = ("d:7:42".to_owned(), "c-1".to_owned());
    let welcome = client::Welcome {
        user_id: 7,
        connection_id: "gw-1".into(),
        server_time_ms: 1,
        store_epoch: "e".into(),
        resumed: true,
        heartbeat_ms: 60_000,
        limits: Some(client::Limits { frame_bytes_max: 1, body_bytes_max: 2, in_flight_max: 3, sends_per_second: 4 }),
    };
    let ack = client::Ack {
        conversation_id: conversation_id.clone(),
        command_id: command_id.clone(),
        seq: 1,
        message_id: 2,
        created_at_ms: 3,
    };
    let id = || conversation_id.clone();
    let refused = client::ErrorFrame { error: Some(error()), conversation_id: id(), command_id, ..Default::default() };
    let tagged = client::ErrorFrame { conversation_id: id(), tag: "t-2".into(), ..Default::default() };
    let last =
        client::Entries { conversation_id: id(), visible_from: 1, tag: "t-2".into(), done: true, ..Default::default() };
    let last_page = client::SyncPage { done: true, tag: "t-1".into(), ..Default::default() };
    let peer = user::User { user_id: 42, name: "bob".into(), display_name: "Bob".into(), guest: false };
    let seen = conversation::Conversation {
        conversation_id: conversation_id.clone(),
        kind: 1,
        last_seq: 9,
        last_msg_no: 8,
        first_seq: 1,
        member_count: 2,
        role: 1,
        visible_from: 1,
        read_seq: 4,
        unread: 4,
        peer_read_seq: 3,
        peer: Some(peer),
        last_entry: Some(entry(Kind::Message(content()))),
        my_rev: 8,
        ..Default::default()
    };
    let item = conversation::SyncItem { conversation: Some(seen), entries: Vec::new(), gap_from: 1, gap_to: 9 };
    let entries = vec![entry(Kind::Message(content()))];
    [
        ("welcome", In::Welcome(welcome)),
        ("ack", In::Ack(ack)),
        ("error", In::Error(refused)),
        ("error_tagged", In::Error(tagged)),
        ("entry", In::Entry(entry(Kind::Removed(message::Removed { user_id: 42 })))),
        (
            "entries",
            In::Entries(client::Entries {
                conversation_id: conversation_id.clone(),
                entries,
                visible_from: 1,
                visible_to: 9,
                ..Default::default()
            }),
        ),
        ("entries_done", In::Entries(last)),
        (
            "sync_page",
            In::SyncPage(client::SyncPage {
                items: vec![item],
                gone: vec!["d:1:7".into()],
                done: true,
                ..Default::default()
            }),
        ),
        ("sync_page_tagged", In::SyncPage(last_page)),
        ("receipt", In::Receipt(client::Receipt { conversation_id, user_id: 42, read_seq: 5 })),
        ("notice", In::Notice(client::Notice { code: "token_expiring".into(), message: "m".into() })),
        ("resync", In::Resync(client::Resync { reason: "route".into() })),
        ("kicked", In::Kicked(client::Kicked { code: "session_revoked".into(), message: "m".into() })),
        ("reconnect", In::Reconnect(client::Reconnect { after_ms: 500 })),
        ("pong", In::Pong(client::Pong { data: "x".into() })),
    ]
    .map(|(name, frame)| (name, ServerFrame { frame: Some(frame) }))
    .into()
}

/// What a login answers.
pub(crate) fn tokens() -> auth::TokenPair {
    auth::TokenPair {
        user_id: 7,
        session_id: "s".into(),
        access_token: "a".into(),
        access_expires_at_ms: 1,
        refresh_token: "r".into(),
        refresh_expires_at_ms: 2,
    }
}
