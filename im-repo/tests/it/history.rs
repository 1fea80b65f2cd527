//! Users, sessions, cursors and dead letters on a real database.

use im_repo::store::entity::session;
use proto::{
    ErrorCode, common, mq,
    repo::{
        Accepted, AppendGroup, CreateConversation, CreateSessionRequest, DeadLetterState, Decision, GetUsersRequest,
        HeadsRequest, ListDeadLettersRequest, ListOfRequest, MarkDeadLetterRequest, PutCursor, PutMember,
        RotateRequest, Session, StateChange, decision::Verdict, rotate_response, state_change::Change,
    },
};
use sea_orm::EntityTrait as _;

use super::{
    append,
    engines::{Engine, Kind, on_every_engine},
    registrations::newcomer,
};

on_every_engine! {
    names_are_unique_by_their_folded_form,
    a_refresh_secret_works_once_and_its_second_use_ends_the_session,
    r08_no_revoked_session_is_left_out_however_many_there_are,
    cursors_only_move_forward_and_never_past_the_log,
    several_users_are_listed_as_each_of_them_alone,
    a_dead_letter_is_kept_once,
    r16_a_dead_letter_that_is_too_old_is_replayed_by_force_only_and_a_dropped_one_never,
    the_epoch_of_a_store_stays,
}

async fn names_are_unique_by_their_folded_form(engine: Engine) {
    engine.store.register_user(newcomer(1, "Alice")).await.unwrap();
    let taken = engine.store.register_user(newcomer(2, "aLICE")).await.unwrap_err();
    assert_eq!(taken.code(), ErrorCode::NameTaken);
    engine.store.register_user(newcomer(3, "Älice")).await.unwrap();
    let query = GetUsersRequest { user_ids: vec![3, 99], name_keys: vec!["alice".into()] };
    let mut found: Vec<_> =
        engine.store.users(query).await.unwrap().into_iter().map(|user| (user.user_id, user.display_name)).collect();
    found.sort();
    assert_eq!(found, [(1, "😀".to_owned()), (3, "😀".to_owned())]);
    assert_eq!(engine.store.credentials("nobody").await.unwrap().user_id, 0);
}

async fn a_refresh_secret_works_once_and_its_second_use_ends_the_session(engine: Engine) {
    let session =
        Session { session_id: "s".into(), user_id: 1, expires_at_ms: i64::MAX, created_at_ms: 5, ..Default::default() };
    engine
        .store
        .create_session(CreateSessionRequest { session: Some(session), refresh_hash: format!("{:0>32}", "one").into() })
        .await
        .unwrap();
    let hash = |name: &str| format!("{name:0>32}").into_bytes();
    let rotate = |used: &str, next: &str| RotateRequest {
        session_id: "s".into(),
        refresh_hash: hash(used).into(),
        next_hash: hash(next).into(),
        now_ms: 10,
        expires_at_ms: i64::MAX,
    };
    let result = async |hash, next| engine.store.rotate(&rotate(hash, next)).await.unwrap().result();
    assert_eq!(result("one", "two").await, rotate_response::Result::Rotated);
    assert_eq!(result("made up", "three").await, rotate_response::Result::Unknown);
    assert_eq!(result("one", "three").await, rotate_response::Result::Reused);
    assert_eq!(result("two", "four").await, rotate_response::Result::Unknown, "the session has ended");
    let revoked = engine.store.revoked_since(10).await.unwrap();
    assert_eq!(revoked.iter().map(|session| &*session.session_id).collect::<Vec<_>>(), ["s"]);
    assert!(engine.store.revoke(1, "", 11).await.unwrap().is_empty(), "it is not ended twice");
}

async fn r08_no_revoked_session_is_left_out_however_many_there_are(engine: Engine) {
    let database = sea_orm::Database::connect(engine.options.database.url.expose()).await.unwrap();
    let row = |number: i64| session::Model {
        session_id: format!("s{number:05}"),
        user_id: number,
        device_id: "phone".into(),
        platform: "web".into(),
        refresh_hash: Vec::new(),
        used_hashes: Vec::new(),
        created_at_ms: 1,
        last_used_at_ms: 1,
        expires_at_ms: i64::MAX,
        // Many ended at the same time: a page ends in the middle of them.
        revoked_at_ms: 5 + number / 1_500,
    };
    for first in [0, 500, 1_000, 1_500, 2_000] {
        let rows = (first..first + 500).map(|number| session::ActiveModel::from(row(number)));
        session::Entity::insert_many(rows).exec_without_returning(&database).await.unwrap();
    }
    let ids = |sessions: Vec<Session>| sessions.into_iter().map(|session| session.user_id).collect::<Vec<_>>();
    assert_eq!(ids(engine.store.revoked_since(0).await.unwrap()), (0..2_500).collect::<Vec<_>>());
    assert_eq!(ids(engine.store.revoked_since(6).await.unwrap()), (1_500..2_500).collect::<Vec<_>>());
}

async fn cursors_only_move_forward_and_never_past_the_log(engine: Engine) {
    let change = |change| StateChange { change: Some(change) };
    let decisions = (1..=3).map(|number| {
        let changes = if number == 1 {
            vec![
                change(Change::Create(CreateConversation { kind: 1, ..Default::default() })),
                change(Change::PutMember(PutMember { user_id: 1, role: 1 })),
                change(Change::PutMember(PutMember { user_id: 2, role: 1 })),
            ]
        } else {
            Vec::new()
        };
        let accepted = Accepted { message_id: number, countable: number != 2, changes, ..Default::default() };
        Decision {
            sender_id: 1,
            command_id: format!("c{number}"),
            verdict: Some(Verdict::Accepted(accepted)),
            ..Default::default()
        }
    });
    let group =
        AppendGroup { conversation_id: "d:1:2".into(), state_version: 0, decisions: decisions.collect(), row: None };
    engine.store.append(vec![group]).await.unwrap();
    let put = async |read_seq| {
        let cursor = PutCursor { user_id: 2, conversation_id: "d:1:2".into(), read_seq };
        engine
            .store
            .put_cursors(vec![cursor.clone(), cursor])
            .await
            .unwrap()
            .into_iter()
            .map(|moved| moved.read_seq)
            .collect::<Vec<_>>()
    };
    let ahead = async |read_seq| {
        let cursor = PutCursor { user_id: 2, conversation_id: "d:1:2".into(), read_seq };
        let stranger = PutCursor { user_id: 9, ..cursor.clone() };
        let ahead = engine.store.cursors_ahead(vec![cursor, stranger]).await.unwrap();
        ahead.into_iter().map(|cursor| (cursor.user_id, cursor.read_seq)).collect::<Vec<_>>()
    };
    assert_eq!((ahead(0).await, ahead(99).await), (vec![], vec![(2, 3)]), "asking moves nothing");
    assert_eq!(put(2).await, [2]);
    assert_eq!((ahead(2).await, ahead(3).await), (vec![], vec![(2, 3)]));
    assert_eq!(put(2).await, [2], "whoever moved it may have failed before telling, and repeats");
    assert_eq!(put(1).await, Vec::<i64>::new());
    let query = ListOfRequest { user_id: 2, limit: 10, ..Default::default() };
    let membership = engine.store.list_of(&query).await.unwrap().memberships.remove(0);
    assert_eq!((membership.member.unwrap().read_seq, membership.read_msg_no), (2, 1));
    assert_eq!(put(99).await, [3], "clamped to the newest entry");
    let heads = HeadsRequest { conversation_ids: vec!["d:1:2".into(), "d:8:9".into()], last_entry: true, fresh: false };
    let heads = engine.store.heads(&heads).await.unwrap();
    assert_eq!((heads.len(), heads[0].last_msg_no, heads[0].last_entry.as_ref().unwrap().seq), (1, 2, 3));
}

async fn several_users_are_listed_as_each_of_them_alone(engine: Engine) {
    for (conversation_id, users) in [("d:1:2", [1, 2]), ("d:1:3", [1, 3]), ("d:2:3", [2, 3])] {
        let kind = common::ConversationKind::Direct.into();
        let create = Change::Create(CreateConversation { kind, ..CreateConversation::default() });
        let members = users.map(|user_id| Change::PutMember(PutMember { user_id, role: 1 }));
        let changes = std::iter::once(create).chain(members).map(append::change).collect();
        let accepted = Accepted { message_id: 7, body: Some(append::text("a")), countable: true, changes };
        let first = append::decision(users[0], "a", Verdict::Accepted(accepted));
        engine.store.append(vec![append::group(conversation_id, 0, vec![first])]).await.unwrap();
    }
    let cursor = PutCursor { user_id: 2, conversation_id: "d:1:2".into(), read_seq: 1 };
    engine.store.put_cursors(vec![cursor]).await.unwrap();
    let users = [3, 1, 9, 2];
    let together = engine.store.lists_of(users.to_vec()).await.unwrap();
    assert_eq!(together.iter().map(|list| list.memberships.len()).collect::<Vec<_>>(), [2, 2, 0, 2]);
    for (user_id, list) in users.into_iter().zip(together) {
        let alone = ListOfRequest { user_id, limit: 1_000, ..ListOfRequest::default() };
        assert_eq!(list, engine.store.list_of(&alone).await.unwrap(), "{user_id}");
    }
}

async fn a_dead_letter_is_kept_once(engine: Engine) {
    let record = mq::Dead {
        topic: "im.upstream.v1".into(),
        partition: 3,
        offset: 9,
        payload: vec![0xff, 0].into(),
        ..Default::default()
    };
    let first = engine.store.put_dead_letter(&record).await.unwrap();
    let second = engine.store.put_dead_letter(&record).await.unwrap();
    assert_eq!((first.dead_letter_id, first.record.unwrap()), (second.dead_letter_id, record));
    let mark = async |dead_letter_id| {
        let state = DeadLetterState::Dropped.into();
        engine.store.mark_dead_letter(&MarkDeadLetterRequest { dead_letter_id, state, force: false }).await
    };
    mark(first.dead_letter_id).await.unwrap();
    let parked = ListDeadLettersRequest { state: DeadLetterState::Parked.into(), limit: 10, after: 0 };
    assert!(engine.store.dead_letters(&parked).await.unwrap().dead_letters.is_empty());
    assert_eq!(mark(77).await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(engine.store.dead_letter(77).await.unwrap_err().code(), ErrorCode::NotFound);
}

async fn r16_a_dead_letter_that_is_too_old_is_replayed_by_force_only_and_a_dropped_one_never(engine: Engine) {
    let record = mq::Dead { topic: "im.upstream.v1".into(), died_at_ms: engine.clock.now_ms(), ..Default::default() };
    let dead_letter_id = engine.store.put_dead_letter(&record).await.unwrap().dead_letter_id;
    let mark = async |state: DeadLetterState, force| {
        let request = MarkDeadLetterRequest { dead_letter_id, state: state.into(), force };
        let marked = engine.store.mark_dead_letter(&request).await;
        marked.map(|letter| letter.state()).map_err(|error| error.code())
    };
    use DeadLetterState::{Dropped, Parked, Replayed, Replaying};
    engine.clock.advance_ms(engine.options.replay_age_max_ms);
    assert_eq!(mark(Replaying, false).await, Ok(Replaying), "just young enough");
    assert_eq!(mark(Parked, false).await, Ok(Parked));
    engine.clock.advance_ms(1);
    assert_eq!(mark(Replaying, false).await, Err(ErrorCode::DeadLetterTooOld));
    assert_eq!(mark(Replaying, true).await, Ok(Replaying));
    assert_eq!(mark(Replayed, false).await, Ok(Replayed), "how old it is was asked before");
    assert_eq!(mark(Dropped, false).await, Ok(Dropped));
    assert_eq!(mark(Dropped, false).await, Ok(Dropped), "once more is no harm");
    for (state, force) in [(Replaying, false), (Replaying, true), (Replayed, false), (Parked, false)] {
        assert_eq!(mark(state, force).await, Err(ErrorCode::DeadLetterDropped), "{state:?}");
    }
}

async fn the_epoch_of_a_store_stays(engine: Engine) {
    assert_eq!(engine.store.epoch("epoch-2").await.unwrap(), "epoch-1");
}
