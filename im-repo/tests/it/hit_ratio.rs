//! The standard load: people in direct conversations and a group who talk, connect, catch up and read.

use std::sync::Arc;

use im_repo::{cache::Cache, store::Store};
use proto::{
    common,
    repo::{
        Accepted, CreateConversation, GetUsersRequest, HeadsRequest, ListOfRequest, PutCursor, PutMember, RangeRequest,
        decision::Verdict, state_change::Change,
    },
};

use super::{
    append::{change, decision, group, send, text},
    engines::{Engine, Kind, memory_cache, namespace, redis_cache},
    registrations::newcomer,
};

const PEOPLE: i64 = 8;
const ROUNDS: i64 = 12;
const GROUP: &str = "g:000000000000000000000000000000ff";

#[tokio::test]
async fn r19_nine_of_ten_look_ups_are_hits_under_the_standard_load_in_process() {
    standard_load(memory_cache()).await;
}

#[tokio::test]
async fn r19_nine_of_ten_look_ups_are_hits_under_the_standard_load_in_redis() {
    standard_load(redis_cache(&namespace())).await;
}

async fn standard_load(cache: Arc<dyn Cache>) {
    let engine = Engine::with_cache(Kind::Sqlite, cache).await;
    let store = &engine.store;
    for person in 1..=PEOPLE {
        store.register_user(newcomer(person, &format!("person{person}"))).await.unwrap();
    }
    make(store, GROUP, (1..=PEOPLE).collect()).await;
    for person in 1..=PEOPLE {
        make(store, &direct(person), vec![person, next(person)]).await;
    }
    for round in 0..ROUNDS {
        for person in 1..=PEOPLE {
            say(store, &direct(person), person, round).await;
            // Not all have something to say to everybody.
            if person % 4 == round % 4 {
                say(store, GROUP, person, round).await;
            }
        }
        for person in 1..=PEOPLE {
            connect(store, person).await;
        }
    }
    let look_ups = |result: &str| engine.counted("im_cache_lookups_total", &[format!("result=\"{result}\"").as_str()]);
    let (hits, all) = (look_ups("hit") + look_ups("negative"), engine.counted("im_cache_lookups_total", &[]));
    assert!(all > 1_000, "{all} look-ups are no load");
    assert!(hits * 10 > all * 9, "{hits} hits of {all}");
    assert_eq!(engine.counted("im_cache_failures_total", &[]), 0);
}

fn next(person: i64) -> i64 {
    person % PEOPLE + 1
}

/// With the next one of the ring.
fn direct(person: i64) -> String {
    format!("d:{}:{}", person.min(next(person)), person.max(next(person)))
}

async fn make(store: &Store, conversation_id: &str, members: Vec<i64>) {
    let kind = common::ConversationKind::Group.into();
    let create = Change::Create(CreateConversation { kind, ..CreateConversation::default() });
    let joins = members.iter().map(|user_id| Change::PutMember(PutMember { user_id: *user_id, role: 1 }));
    let changes = std::iter::once(create).chain(joins).map(change).collect();
    let accepted = Accepted { message_id: 1, body: Some(text("made")), countable: false, changes };
    let made = decision(members[0], "make", Verdict::Accepted(accepted));
    store.append(vec![group(conversation_id, 0, vec![made])]).await.unwrap();
}

async fn say(store: &Store, conversation_id: &str, person: i64, round: i64) {
    let said = send(person, &format!("{person}-{round}"));
    store.append(vec![group(conversation_id, 1, vec![said])]).await.unwrap();
}

/// What im-logic asks for a hello, its digest, the sync that follows, and the reading of what is new.
async fn connect(store: &Store, person: i64) {
    let list = ListOfRequest { user_id: person, limit: 1_000, ..ListOfRequest::default() };
    let mut mine = Vec::new();
    for _ in ["digest", "sync"] {
        mine = store.list_of(&list).await.unwrap().memberships;
        let conversation_ids = mine.iter().map(|membership| membership.conversation_id.clone()).collect();
        store.heads(&HeadsRequest { conversation_ids, last_entry: true, fresh: false }).await.unwrap();
        let peers =
            GetUsersRequest { user_ids: vec![next(person), (person + PEOPLE - 2) % PEOPLE + 1], ..Default::default() };
        assert_eq!(store.users(peers).await.unwrap().len(), 2);
    }
    for membership in mine {
        let conversation_id = membership.conversation_id;
        let from_seq = membership.member.unwrap().read_seq + 1;
        let news = RangeRequest {
            conversation_id: conversation_id.clone(),
            from_seq,
            to_seq: i64::MAX,
            limit: 20,
            newest: true,
        };
        store.range(&news).await.unwrap();
        let page = RangeRequest { from_seq: 1, limit: 10, ..news };
        let Some(newest) = store.range(&page).await.unwrap().pop() else { continue };
        let read = PutCursor { user_id: person, conversation_id, read_seq: newest.seq };
        store.put_cursors(vec![read]).await.unwrap();
    }
}
