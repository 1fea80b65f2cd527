//! The append on a real database: what the pure plan promises must hold under concurrency, repetition and bad data.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use im_infra::{database::Database, testing::eventually};
use proto::{
    ErrorCode, common,
    message::{Content, EntryBody, Text, content, entry_body},
    repo::{
        Accepted, AppendGroup, AppendOutcome, CreateConversation, Decision, PutMember, RangeRequest, Row, StateChange,
        StateQuery, append_outcome::Outcome, decision::Verdict, state_change::Change,
    },
};

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::engines::{Engine, Kind, on_every_engine};

on_every_engine! {
    a_batch_is_stored_in_one_dense_order,
    r04_concurrent_appends_to_the_same_new_conversation_do_not_lose_or_double,
    r03_a_zombie_with_a_stale_state_is_told_to_decide_again,
    r04_one_bad_record_fails_alone,
    r03_a_row_that_is_remembered_wrongly_changes_no_outcome,
    r03_several_rows_that_are_remembered_move_together_or_all_are_read,
    r04_a_row_that_stays_locked_is_not_waited_for_until_the_caller_has_given_up,
    random_schedules_of_replays_zombies_and_rejections_agree_with_the_model,
}

pub(crate) fn change(change: Change) -> StateChange {
    StateChange { change: Some(change) }
}

pub(crate) fn text(text: &str) -> EntryBody {
    let content = Content { kind: Some(content::Kind::Text(Text { text: text.into() })) };
    EntryBody { kind: Some(entry_body::Kind::Message(content)) }
}

pub(crate) fn decision(sender_id: i64, command_id: &str, verdict: Verdict) -> Decision {
    let payload_hash = Bytes::from(command_id.to_owned());
    Decision { sender_id, command_id: command_id.into(), payload_hash, verdict: Some(verdict) }
}

pub(crate) fn send(sender_id: i64, command_id: &str) -> Decision {
    let accepted = Accepted { message_id: 7, body: Some(text(command_id)), countable: true, changes: Vec::new() };
    decision(sender_id, command_id, Verdict::Accepted(accepted))
}

/// The first message of a direct conversation: it makes the conversation and its two members.
pub(crate) fn first_send(sender_id: i64, command_id: &str) -> Decision {
    let kind = common::ConversationKind::Direct.into();
    let changes = vec![
        change(Change::Create(CreateConversation { kind, ..CreateConversation::default() })),
        change(Change::PutMember(PutMember { user_id: 1, role: 1 })),
        change(Change::PutMember(PutMember { user_id: 2, role: 1 })),
    ];
    let accepted = Accepted { message_id: 7, body: Some(text(command_id)), countable: true, changes };
    decision(sender_id, command_id, Verdict::Accepted(accepted))
}

pub(crate) fn reject(sender_id: i64, command_id: &str) -> Decision {
    decision(sender_id, command_id, Verdict::Rejected(proto::Error::new(proto::ErrorCode::NotAMember).into()))
}

pub(crate) fn group(conversation_id: &str, state_version: i64, decisions: Vec<Decision>) -> AppendGroup {
    AppendGroup { conversation_id: conversation_id.into(), state_version, decisions, row: None }
}

async fn append(engine: &Engine, groups: Vec<AppendGroup>) -> Vec<Vec<AppendOutcome>> {
    engine.store.append(groups).await.unwrap().into_iter().map(|group| group.outcomes).collect()
}

async fn log(engine: &Engine, conversation_id: &str) -> Vec<proto::message::Entry> {
    let all = RangeRequest {
        conversation_id: conversation_id.into(),
        from_seq: 1,
        to_seq: i64::MAX,
        limit: 500,
        newest: false,
    };
    engine.store.range(&all).await.unwrap()
}

pub(crate) fn seq(outcome: &AppendOutcome) -> Option<i64> {
    match &outcome.outcome {
        Some(Outcome::Entry(entry)) => Some(entry.seq),
        _ => None,
    }
}

async fn a_batch_is_stored_in_one_dense_order(engine: Engine) {
    let done = append(
        &engine,
        vec![
            group("d:1:2", 0, vec![first_send(1, "a"), send(2, "b"), send(1, "a")]),
            group("d:1:9", 0, vec![reject(5, "x")]),
        ],
    )
    .await;
    assert_eq!(done[0].iter().map(seq).collect::<Vec<_>>(), [Some(1), Some(2), Some(1)]);
    assert!(done[0][2].repeated_command);
    assert!(matches!(done[1][0].outcome, Some(Outcome::Rejected(_))));
    let entries = log(&engine, "d:1:2").await;
    assert_eq!(entries.iter().map(|entry| (entry.seq, &*entry.command_id)).collect::<Vec<_>>(), [(1, "a"), (2, "b")]);

    // The same batch again: the same answers, byte for byte, and nothing new.
    engine.clock.advance_ms(1_000);
    let again = append(&engine, vec![group("d:1:2", 0, vec![first_send(1, "a"), send(2, "b")])]).await;
    assert!(again[0].iter().all(|outcome| outcome.repeated_command));
    assert_eq!(again[0][0].outcome, done[0][0].outcome);
    assert_eq!(log(&engine, "d:1:2").await, entries);

    // A sender has read up to its own message.
    let query = StateQuery { conversation_id: "d:1:2".into(), user_ids: Vec::new(), all: true };
    let state = engine.store.states(vec![query]).await.unwrap().remove(0);
    assert_eq!((state.state_version, state.last_seq, state.member_count, state.members.len()), (1, 2, 2, 2));
}

async fn r04_concurrent_appends_to_the_same_new_conversation_do_not_lose_or_double(engine: Engine) {
    let tasks = (0..8).map(|task| {
        let store = engine.store.clone();
        async move {
            // Two conversations in opposite orders: locks must not be taken in a circle.
            let mut groups = vec![
                group("d:1:2", 0, vec![send(1, &format!("a{task}")), send(1, "same")]),
                group("d:3:4", 0, vec![send(3, &format!("b{task}"))]),
            ];
            if task % 2 == 1 {
                groups.reverse();
            }
            store.append(groups).await.unwrap()
        }
    });
    let done = futures_util::future::join_all(tasks).await;
    assert_eq!(done.len(), 8);
    for (conversation, expected) in [("d:1:2", 9), ("d:3:4", 8)] {
        let entries = log(&engine, conversation).await;
        assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=expected).collect::<Vec<i64>>());
        let commands: BTreeSet<_> = entries.iter().map(|entry| &entry.command_id).collect();
        assert_eq!(commands.len(), entries.len());
    }
}

async fn r03_a_zombie_with_a_stale_state_is_told_to_decide_again(engine: Engine) {
    append(&engine, vec![group("d:1:2", 0, vec![first_send(1, "a")])]).await;
    let done = append(
        &engine,
        vec![group("d:1:2", 0, vec![first_send(2, "z"), first_send(1, "a")]), group("d:1:3", 0, vec![send(1, "q")])],
    )
    .await;
    assert!(matches!(done[0][0].outcome, Some(Outcome::DecideAgain(_))));
    assert!(done[0][1].repeated_command, "what is stored is still answered");
    assert_eq!(seq(&done[1][0]), Some(1), "other conversations commit");
    assert_eq!(log(&engine, "d:1:2").await.len(), 1);
}

async fn r03_a_row_that_is_remembered_wrongly_changes_no_outcome(engine: Engine) {
    let upon = |row: &Option<Row>, decision: Decision| {
        let asked = AppendGroup { row: row.clone(), ..group("d:1:2", 1, vec![decision]) };
        let store = engine.store.clone();
        async move { store.append(vec![asked]).await.unwrap().remove(0) }
    };
    let first = engine.store.append(vec![group("d:1:2", 0, vec![first_send(1, "a")])]).await.unwrap().remove(0).row;
    let second = upon(&first, send(1, "b")).await;
    assert_eq!((seq(&second.outcomes[0]), second.row.as_ref().map(|row| row.last_seq)), (Some(2), Some(2)));
    // Somebody who knows of the first entry only.
    assert_eq!(seq(&upon(&first, send(2, "c")).await.outcomes[0]), Some(3));
    // A repetition, upon the row as it stands.
    let third = upon(&None, send(2, "c")).await;
    let again = upon(&third.row, send(1, "b")).await;
    assert!(again.outcomes[0].repeated_command, "{again:?}");
    assert_eq!(again.outcomes[0].outcome, second.outcomes[0].outcome);
    // A row of before the first rejection does not hide it.
    upon(&None, reject(2, "d")).await;
    let rejected = upon(&third.row, send(2, "d")).await;
    assert!(matches!(rejected.outcomes[0].outcome, Some(Outcome::Rejected(_))), "{rejected:?}");
    assert!(rejected.row.as_ref().is_some_and(|row| row.has_rejections));
    // A store that lost its end, as after a restore: nothing is stored behind a hole.
    let ahead = third.row.clone().map(|row| Row { last_seq: row.last_seq + 5, has_rejections: false, ..row });
    assert_eq!(seq(&upon(&ahead, send(1, "e")).await.outcomes[0]), Some(4));
    let entries = log(&engine, "d:1:2").await;
    assert_eq!(
        entries.iter().map(|entry| (entry.seq, entry.msg_no)).collect::<Vec<_>>(),
        [(1, 1), (2, 2), (3, 3), (4, 4)]
    );
}

async fn r03_several_rows_that_are_remembered_move_together_or_all_are_read(engine: Engine) {
    // More than one statement takes.
    let ids: Vec<String> = (2..302).map(|peer| format!("d:1:{peer}")).collect();
    let groups = ids.iter().map(|id| group(id, 0, vec![first_send(1, "a")])).collect();
    let mut rows: Vec<Option<Row>> = Vec::new();
    rows.extend(engine.store.append(groups).await.unwrap().into_iter().map(|done| done.row));
    let upon = |rows: &[Option<Row>], command: &str| {
        let group = |(id, row): (&String, &Option<Row>)| AppendGroup {
            row: row.clone(),
            ..group(id, 1, vec![send(1, command), send(1, &format!("{command}-next"))])
        };
        let (store, groups) = (engine.store.clone(), ids.iter().zip(rows).map(group).collect());
        async move { store.append(groups).await.unwrap() }
    };
    let counted = |result: &str| engine.counted("im_append_expected_total", &[&format!("result=\"{result}\"")]);
    let before = rows.clone();
    let done = upon(&rows, "b").await;
    for (done, id) in done.iter().zip(&ids) {
        assert_eq!(done.outcomes.iter().map(seq).collect::<Vec<_>>(), [Some(2), Some(3)], "{id}");
        assert_eq!((&done.conversation_id, done.row.as_ref().map(|row| row.last_seq)), (id, Some(3)));
    }
    assert_eq!((counted("held"), counted("moved")), (300, 0));
    // One of them stands further on than its caller knows: none is moved by what is remembered, and all are stored.
    rows = done.into_iter().map(|done| done.row).collect();
    rows[299].clone_from(&before[299]);
    let done = upon(&rows, "c").await;
    assert!(done.iter().all(|done| done.outcomes.iter().map(seq).eq([Some(4), Some(5)])));
    assert_eq!((counted("held"), counted("moved")), (300, 300));
    // A repetition of what was stored is answered as it was, in all of them.
    rows = done.iter().map(|done| done.row.clone()).collect();
    let again = upon(&rows, "c").await;
    for (done, again) in done.iter().zip(&again) {
        assert!(again.outcomes.iter().all(|outcome| outcome.repeated_command));
        let stored = |outcomes: &[AppendOutcome]| outcomes.iter().map(seq).collect::<Vec<_>>();
        assert_eq!(stored(&again.outcomes), stored(&done.outcomes));
    }
    for id in [&ids[0], &ids[299]] {
        assert_eq!(log(&engine, id).await.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
}

async fn r04_a_row_that_stays_locked_is_not_waited_for_until_the_caller_has_given_up(engine: Engine) {
    let row = engine.store.append(vec![group("d:1:2", 0, vec![first_send(1, "a")])]).await.unwrap().remove(0).row;
    // SQLite locks all rows with one; there this connection stands for another process.
    let other = sea_orm::Database::connect(engine.options.database.url.expose()).await.unwrap();
    let held = other.begin().await.unwrap();
    held.execute_unprepared("update conversations set title = 'held' where conversation_id = 'd:1:2'").await.unwrap();
    let asked = |row: Option<Row>| vec![AppendGroup { row, ..group("d:1:2", 1, vec![send(1, "b")]) }];
    // A call may take five seconds, see `rpc.deadline_ms`; some of it is needed for its way.
    let deadline = std::time::Duration::from_secs(4);
    for row in [row.clone(), None] {
        let given_up =
            tokio::time::timeout(deadline, engine.store.append(asked(row))).await.expect("an answer in time");
        assert_eq!(given_up.unwrap_err().code(), ErrorCode::Unavailable);
    }
    held.rollback().await.unwrap();
    assert_eq!(seq(&engine.store.append(asked(row)).await.unwrap()[0].outcomes[0]), Some(2));
}

/// Of SQLite it is the system that gives locks back, once the process has ended.
mod r04_locks_of_a_process_that_stands_still_are_given_back {
    use super::{Engine, Kind};

    #[tokio::test]
    async fn mariadb() {
        super::locks_are_given_back(Engine::start(Kind::Mariadb).await).await;
    }

    #[tokio::test]
    async fn postgres() {
        super::locks_are_given_back(Engine::start(Kind::Postgres).await).await;
    }
}

async fn locks_are_given_back(engine: Engine) {
    append(&engine, vec![group("d:1:2", 0, vec![first_send(1, "a")])]).await;
    let paused = Database::connect(&engine.options.database).await.unwrap();
    let held = paused.begin().await.unwrap();
    held.execute_unprepared("update conversations set title = 'held' where conversation_id = 'd:1:2'").await.unwrap();
    let stored = eventually("the row to be free", || async {
        engine.store.append(vec![group("d:1:2", 1, vec![send(1, "b")])]).await.ok()
    });
    assert_eq!(seq(&stored.await[0].outcomes[0]), Some(2));
    held.commit().await.expect_err("the server has ended it");
    let next = paused.begin().await.unwrap();
    next.execute_unprepared("update conversations set title = 'free' where conversation_id = 'd:1:2'").await.unwrap();
    next.commit().await.expect("a connection that works");
}

async fn r04_one_bad_record_fails_alone(engine: Engine) {
    if engine.is_sqlite {
        return r04_the_engine_takes_any_length(engine).await;
    }
    // Longer than the column: the edge refuses such ids, so this stands for any data that the schema refuses.
    let bad = "x".repeat(200);
    let groups =
        vec![group("d:1:2", 0, vec![send(1, "a"), send(1, &bad), send(1, "c")]), group("d:3:4", 0, vec![send(3, "b")])];
    let done = append(&engine, groups).await;
    assert_eq!(seq(&done[0][0]), Some(1));
    assert!(matches!(done[0][1].outcome, Some(Outcome::Failed(_))), "{:?}", done[0][1]);
    assert!(matches!(done[0][2].outcome, Some(Outcome::DecideAgain(_))), "what follows waits until it was set aside");
    assert_eq!(seq(&done[1][0]), Some(1));
    assert_eq!(log(&engine, "d:1:2").await.len(), 1);
}

/// SQLite checks no lengths, so there is no such record there; the same batch is stored whole.
async fn r04_the_engine_takes_any_length(engine: Engine) {
    let bad = "x".repeat(200);
    let done = append(&engine, vec![group("d:1:2", 0, vec![send(1, "a"), send(1, &bad), send(1, "c")])]).await;
    assert_eq!(done[0].iter().map(seq).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
}

/// A small model beside the store: a command's first outcome is its outcome for ever, seqs are dense, a stale version stores
/// nothing. Seeded, so that a failure repeats.
async fn random_schedules_of_replays_zombies_and_rejections_agree_with_the_model(engine: Engine) {
    for seed in 1..=20_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let conversation = format!("d:{seed}:{}", seed + 100);
        let mut stored: BTreeMap<(i64, String), Outcome> = BTreeMap::new();
        let (mut version, mut last_seq) = (0_i64, 0_i64);
        // What a caller was told before, of which any caller may still remember any.
        let mut rows: Vec<Row> = Vec::new();
        for step in 0..24 {
            engine.clock.advance_ms(random.i64(-5..20));
            let stale = random.u8(..4) == 0 && version > 0;
            let only_sends = random.u8(..3) > 0;
            let decisions: Vec<Decision> = (0..random.usize(1..5))
                .map(|_| {
                    let (sender, command) = (random.i64(1..3), format!("c{}", random.u8(..48)));
                    match random.u8(..4) {
                        0 if !only_sends => reject(sender, &command),
                        _ if version == 0 => first_send(sender, &command),
                        _ => send(sender, &command),
                    }
                })
                .collect();
            let claimed = if stale { version - 1 } else { version };
            // Half the time the newest row, else any or none.
            let row = match random.u8(..4) {
                0 => random.choice(&rows).cloned(),
                1 => None,
                _ => rows.last().cloned(),
            };
            let asked = AppendGroup { row, ..group(&conversation, claimed, decisions.clone()) };
            let answered = engine.store.append(vec![asked]).await.unwrap().remove(0);
            rows.extend(answered.row);
            let done = answered.outcomes;
            for (decision, outcome) in decisions.iter().zip(&done) {
                let key = (decision.sender_id, decision.command_id.clone());
                let context = format!("seed {seed} step {step} {key:?}");
                let answer = outcome.outcome.clone().unwrap();
                if let Some(before) = stored.get(&key) {
                    assert_eq!((&answer, outcome.repeated_command), (before, true), "{context}");
                } else if stale {
                    assert!(matches!(answer, Outcome::DecideAgain(_)), "{context}");
                } else {
                    if let Outcome::Entry(entry) = &answer {
                        last_seq += 1;
                        assert_eq!(entry.seq, last_seq, "{context}");
                        let makes = matches!(&decision.verdict, Some(Verdict::Accepted(accepted)) if !accepted.changes.is_empty());
                        version += i64::from(makes);
                    }
                    stored.insert(key, answer);
                }
            }
        }
        let entries = log(&engine, &conversation).await;
        assert_eq!(
            entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
            (1..=last_seq).collect::<Vec<_>>(),
            "seed {seed}"
        );
        assert!(entries.is_sorted_by_key(|entry| entry.created_at_ms), "seed {seed}: time stepped back");
        for entry in entries {
            assert_eq!(
                stored.get(&(entry.sender_id, entry.command_id.clone())),
                Some(&Outcome::Entry(entry)),
                "seed {seed}"
            );
        }
    }
}
