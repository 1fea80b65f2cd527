//! Users who register, alone and together.

use futures_util::{FutureExt as _, future::join_all};
use im_infra::testing::eventually;
use proto::{
    ErrorCode,
    repo::{CreateSessionRequest, CreateUserRequest, RegisterUserRequest, Session},
};

use super::engines::{Engine, Kind, on_every_engine};

on_every_engine! {
    who_registers_has_a_session_and_whose_name_is_taken_has_none,
    of_many_who_come_at_once_only_those_fail_whose_name_is_taken,
    who_gives_up_takes_nobody_along,
}

pub(crate) fn newcomer(user_id: i64, name: &str) -> RegisterUserRequest {
    let user = CreateUserRequest {
        user_id,
        name: name.into(),
        name_key: name.to_lowercase(),
        display_name: "😀".into(),
        ..Default::default()
    };
    let session = Session {
        session_id: format!("session-{user_id}"),
        user_id,
        expires_at_ms: i64::MAX,
        created_at_ms: 5,
        ..Default::default()
    };
    let session = CreateSessionRequest { session: Some(session), refresh_hash: vec![7; 32].into() };
    RegisterUserRequest { user: Some(user), session: Some(session) }
}

async fn sessions_of(engine: &Engine, user_id: i64) -> Vec<String> {
    engine.store.sessions(user_id).await.unwrap().into_iter().map(|session| session.session_id).collect()
}

async fn who_registers_has_a_session_and_whose_name_is_taken_has_none(engine: Engine) {
    assert_eq!(engine.store.register_user(newcomer(1, "Alice")).await.unwrap().user_id, 1);
    assert_eq!(sessions_of(&engine, 1).await, ["session-1"]);
    let taken = engine.store.register_user(newcomer(2, "aLICE")).await.unwrap_err();
    assert_eq!(taken.code(), ErrorCode::NameTaken);
    assert!(sessions_of(&engine, 2).await.is_empty());
}

async fn of_many_who_come_at_once_only_those_fail_whose_name_is_taken(engine: Engine) {
    // More than one transaction takes; each tenth wants the name of the one before.
    let name = |user: i64| format!("person{}", if user % 10 == 0 { user - 1 } else { user });
    let registering = (1..=200).map(|user| engine.store.register_user(newcomer(user, &name(user))));
    let outcomes = join_all(registering).await;
    for (user, outcome) in (1..).zip(outcomes) {
        let wanted: Vec<String> = if user % 10 == 0 { Vec::new() } else { vec![format!("session-{user}")] };
        match outcome {
            Ok(registered) => assert_eq!(registered.user_id, user),
            Err(error) => assert_eq!((user % 10, error.code()), (0, ErrorCode::NameTaken), "{user}"),
        }
        assert_eq!(sessions_of(&engine, user).await, wanted);
    }
}

async fn who_gives_up_takes_nobody_along(engine: Engine) {
    assert!(engine.store.register_user(newcomer(1, "gone")).now_or_never().is_none(), "it waits for the database");
    let stayed = engine.store.register_user(newcomer(2, "stayed")).await;
    assert_eq!(stayed.unwrap().user_id, 2);
    let is_there = || async { (sessions_of(&engine, 1).await == ["session-1"]).then_some(()) };
    eventually("the account of who gave up", is_there).await;
}
