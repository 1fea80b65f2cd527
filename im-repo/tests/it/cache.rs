//! The store over its cache: whoever was told of a change sees it, on every process.

use std::{
    collections::HashMap,
    convert::Infallible,
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use im_infra::telemetry::Telemetry;
use im_repo::{
    cache::{Cache, CacheAside, UserKey},
    metrics::Metrics,
    store::Store,
};
use proto::repo::{
    Accepted, Decision, EndMember, GetUsersRequest, Head, HeadsRequest, ListOfRequest, MembersRequest, Membership,
    PutCursor, PutMember, RangeRequest, SetDisplayName, User, decision::Verdict, state_change::Change,
};

use super::{
    append::{change, decision, first_send, group, send, text},
    engines::{Engine, Kind, cache_options, memory_cache, namespace, redis_cache},
    registrations::newcomer,
};

/// Makes a test for each cache; two processes that share it are given.
macro_rules! on_both_caches {
    ($($test:ident,)+) => {
        mod memory { $( #[tokio::test] async fn $test() {
            let cache = super::memory_cache();
            super::$test(cache.clone(), cache).await;
        } )+ }
        mod redis { $( #[tokio::test] async fn $test() {
            let namespace = super::namespace();
            super::$test(super::redis_cache(&namespace), super::redis_cache(&namespace)).await;
        } )+ }
    };
}

on_both_caches! {
    r19_a_read_that_began_before_a_change_is_neither_kept_nor_joined,
    a_thousand_misses_of_one_user_share_a_read,
    that_somebody_is_unknown_is_remembered_until_they_come,
    what_was_written_is_read_by_every_process,
    r05_who_was_removed_is_never_shown_as_present_by_a_cache,
    a_cursor_of_a_call_that_is_repeated_is_told_again,
}

pub(crate) async fn users(store: &Store, user_ids: &[i64], names: &[&str]) -> Vec<User> {
    let name_keys = names.iter().map(|name| (*name).to_owned()).collect();
    let mut found = store.users(GetUsersRequest { user_ids: user_ids.to_vec(), name_keys }).await.unwrap();
    found.sort_unstable_by_key(|user| user.user_id);
    found
}

pub(crate) async fn head(store: &Store, conversation_id: &str) -> Option<Head> {
    let query = HeadsRequest { conversation_ids: vec![conversation_id.to_owned()], last_entry: true, fresh: false };
    store.heads(&query).await.unwrap().pop()
}

pub(crate) async fn seqs(store: &Store, conversation_id: &str, newest: bool) -> Vec<i64> {
    let conversation_id = conversation_id.to_owned();
    let query = RangeRequest { conversation_id, from_seq: 1, to_seq: i64::MAX, limit: 2, newest };
    store.range(&query).await.unwrap().into_iter().map(|entry| entry.seq).collect()
}

pub(crate) async fn membership(store: &Store, user_id: i64) -> Membership {
    let query = ListOfRequest { user_id, limit: 10, ..ListOfRequest::default() };
    store.list_of(&query).await.unwrap().memberships.remove(0)
}

pub(crate) async fn append(store: &Store, state_version: i64, decisions: Vec<Decision>) {
    store.append(vec![group("d:1:2", state_version, decisions)]).await.unwrap();
}

fn changing(command_id: &str, changes: Vec<Change>) -> Decision {
    let changes = changes.into_iter().map(change).collect();
    let accepted = Accepted { message_id: 9, body: Some(text(command_id)), countable: false, changes };
    decision(1, command_id, Verdict::Accepted(accepted))
}

async fn r19_a_read_that_began_before_a_change_is_neither_kept_nor_joined(here: Arc<dyn Cache>, there: Arc<dyn Cache>) {
    let telemetry = Telemetry::for_tests();
    let metrics = Arc::new(Metrics::new(&telemetry));
    let aside = |cache| CacheAside::new(cache, "epoch", cache_options(), metrics.clone());
    let (here, there) = (aside(here), aside(there));
    let named = |name: &str| User { name: name.into(), ..User::default() };
    let name = |users: HashMap<UserKey, User>| users[&UserKey(7)].name.clone();
    let reads = AtomicUsize::new(0);
    let (here, there, reads) = (&here, &there, &reads);
    let read_new = |keys: Vec<UserKey>| {
        reads.fetch_add(1, Ordering::Relaxed);
        let found: Vec<(UserKey, User)> = keys.into_iter().map(|key| (key, named("new"))).collect();
        future::ready(Ok::<_, Infallible>(found))
    };
    // Between the read and the fill the user is renamed, elsewhere, and somebody here asks again.
    let read_old = move |keys: Vec<UserKey>| async move {
        there.tell(&[there.unknown(&UserKey(7))]).await;
        assert_eq!(name(here.get(vec![UserKey(7)], read_new).await.unwrap()), "new", "it did not join");
        let found: Vec<(UserKey, User)> = keys.into_iter().map(|key| (key, named("old"))).collect();
        Ok::<_, Infallible>(found)
    };
    assert_eq!(name(here.get(vec![UserKey(7)], read_old).await.unwrap()), "old", "it asked before the change");
    assert_eq!(name(here.get(vec![UserKey(7)], read_new).await.unwrap()), "new");
    assert_eq!(name(there.get(vec![UserKey(7)], read_new).await.unwrap()), "new");
    assert_eq!(reads.load(Ordering::Relaxed), 1, "what was read after the change is kept");
}

async fn a_thousand_misses_of_one_user_share_a_read(cache: Arc<dyn Cache>, _: Arc<dyn Cache>) {
    let engine = Engine::with_cache(Kind::Sqlite, cache).await;
    engine.store.register_user(newcomer(1, "Alice")).await.unwrap();
    let asked = (0..1_000).map(|_| users(&engine.store, &[1], &[]));
    assert!(join_all(asked).await.iter().all(|found| found.len() == 1));
    // Whoever was told "missing" before the fill and comes to the flight after it has landed reads once more.
    let reads = engine.counted("im_cache_reads_total", &["kind=\"user\""]);
    assert!((1..10).contains(&reads), "{reads}");
    assert_eq!(engine.counted("im_cache_fills_total", &["kind=\"user\"", "result=\"kept\""]), reads);
}

async fn that_somebody_is_unknown_is_remembered_until_they_come(here: Arc<dyn Cache>, there: Arc<dyn Cache>) {
    let engine = Engine::with_cache(Kind::Sqlite, here).await;
    let other = engine.beside(there, &Telemetry::for_tests()).await;
    for _ in 0..3 {
        assert!(users(&engine.store, &[1], &["alice"]).await.is_empty());
    }
    assert_eq!(engine.counted("im_cache_lookups_total", &["result=\"negative\""]), 4);
    assert_eq!(engine.counted("im_cache_reads_total", &[]), 2, "the id once, the name once");
    other.register_user(newcomer(1, "Alice")).await.unwrap();
    assert_eq!(users(&engine.store, &[1], &[]).await[0].name, "Alice");
    assert_eq!(users(&engine.store, &[], &["alice"]).await[0].user_id, 1);
}

async fn what_was_written_is_read_by_every_process(here: Arc<dyn Cache>, there: Arc<dyn Cache>) {
    let engine = Engine::with_cache(Kind::Sqlite, here).await;
    let stores = [engine.store.clone(), engine.beside(there, &Telemetry::for_tests()).await];
    engine.store.register_user(newcomer(1, "Alice")).await.unwrap();
    assert!(head(&stores[1], "d:1:2").await.is_none());
    let rename = Change::SetDisplayName(SetDisplayName { user_id: 1, display_name: "Alicia".into() });
    let read = |read_seq| vec![PutCursor { user_id: 2, conversation_id: "d:1:2".into(), read_seq }];
    for seq in 1..=4 {
        // Each process writes in its turn what both have read before.
        let writer = &stores[usize::try_from(seq).unwrap() % 2];
        let written = match seq {
            1 => first_send(1, "first"),
            3 => changing("rename", vec![rename.clone()]),
            _ => send(1, &format!("send{seq}")),
        };
        append(writer, i64::from(seq > 1), vec![written]).await;
        writer.put_cursors(read(seq)).await.unwrap();
        for store in &stores {
            let head = head(store, "d:1:2").await.unwrap();
            assert_eq!((head.last_seq, head.last_entry.unwrap().seq, head.first_seq), (seq, seq, 1));
            assert_eq!(seqs(store, "d:1:2", true).await.last(), Some(&seq));
            assert_eq!(seqs(store, "d:1:2", false).await, (1..=seq.min(2)).collect::<Vec<_>>());
            assert_eq!(membership(store, 2).await.member.unwrap().read_seq, seq);
            assert_eq!(membership(store, 1).await.peer_read_seq, seq);
            let shown = if seq < 3 { "😀" } else { "Alicia" };
            assert_eq!(users(store, &[1], &[]).await[0].display_name, shown);
        }
    }
    let wrong = engine.counted("im_cache_failures_total", &[]);
    assert_eq!(wrong, 0, "all of it through the cache");
}

async fn r05_who_was_removed_is_never_shown_as_present_by_a_cache(here: Arc<dyn Cache>, there: Arc<dyn Cache>) {
    let engine = Engine::with_cache(Kind::Sqlite, here).await;
    let other = engine.beside(there, &Telemetry::for_tests()).await;
    append(&engine.store, 0, vec![first_send(1, "first")]).await;
    for (version, put) in [(1, false), (2, true), (3, false)] {
        assert_eq!(membership(&other, 2).await.member.unwrap().left_seq == 0, !put, "read before it changes");
        let changed = if put {
            Change::PutMember(PutMember { user_id: 2, role: 1 })
        } else {
            Change::EndMember(EndMember { user_id: 2 })
        };
        append(&engine.store, version, vec![changing(&format!("change{version}"), vec![changed])]).await;
        assert_eq!(membership(&other, 2).await.member.unwrap().left_seq == 0, put);
        let query = MembersRequest { conversation_id: "d:1:2".into(), limit: 10, ..MembersRequest::default() };
        assert_eq!(other.members(&query).await.unwrap().members.len(), 1 + usize::from(put));
        assert_eq!(head(&other, "d:1:2").await.unwrap().member_count, 1 + u32::from(put));
    }
}

async fn a_cursor_of_a_call_that_is_repeated_is_told_again(here: Arc<dyn Cache>, there: Arc<dyn Cache>) {
    let engine = Engine::with_cache(Kind::Sqlite, here).await;
    append(&engine.store, 0, vec![first_send(1, "first"), send(1, "second")]).await;
    // A process that commits and ends before it tells: here one whose cache is another.
    let silent = engine.beside(memory_cache(), &Telemetry::for_tests()).await;
    let other = engine.beside(there, &Telemetry::for_tests()).await;
    assert_eq!(
        (membership(&other, 2).await.member.unwrap().read_seq, head(&other, "d:1:2").await.unwrap().last_seq),
        (0, 2)
    );
    let read = vec![PutCursor { user_id: 2, conversation_id: "d:1:2".into(), read_seq: 2 }];
    silent.put_cursors(read.clone()).await.unwrap();
    append(&silent, 1, vec![send(1, "third")]).await;
    assert_eq!(engine.store.put_cursors(read.clone()).await.unwrap(), read, "it has moved, and is told again");
    append(&engine.store, 1, vec![send(1, "third")]).await;
    assert_eq!(
        (membership(&other, 2).await.member.unwrap().read_seq, head(&other, "d:1:2").await.unwrap().last_seq),
        (2, 3)
    );
}
