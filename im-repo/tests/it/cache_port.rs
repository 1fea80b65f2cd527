//! What both caches promise.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use im_infra::testing::{eventually, infra};
use im_repo::cache::{Cache, Change, Fill, Found, Kept, To, Token};

use super::engines::{memory_cache, namespace, redis_cache};

macro_rules! on_both_caches {
    ($($test:ident,)+) => {
        mod memory { $( #[tokio::test] async fn $test() { super::$test(super::memory_cache()).await; } )+ }
        mod redis { $( #[tokio::test] async fn $test() { super::$test(super::redis_cache(&super::namespace())).await; } )+ }
    };
}

on_both_caches! {
    r19_a_fill_that_lost_a_race_against_an_invalidation_is_discarded,
    whoever_misses_gets_the_same_token_and_the_first_fill_stays,
    only_what_is_older_is_replaced,
    what_is_kept_ends,
    after_a_doubt_nothing_of_before_is_answered,
    a_call_may_name_thousands,
}

fn kept(version: i64, value: &'static str) -> Kept {
    Kept { version, bytes: Some(Bytes::from_static(value.as_bytes())), ttl: Duration::from_secs(60) }
}

fn value(value: &'static str) -> Found {
    Found::Value(Bytes::from_static(value.as_bytes()))
}

async fn get(cache: &Arc<dyn Cache>, name: &str) -> Found {
    cache.get(&[name.to_owned()]).await.unwrap().remove(0)
}

async fn miss(cache: &Arc<dyn Cache>, name: &str) -> Token {
    match get(cache, name).await {
        Found::Missing(token) => token,
        found => panic!("{name}: {found:?}"),
    }
}

async fn fill(cache: &Arc<dyn Cache>, name: &str, token: Token, kept: Kept) -> bool {
    cache.fill(&[Fill { name: name.to_owned(), token, kept }]).await.unwrap().remove(0)
}

async fn change(cache: &Arc<dyn Cache>, name: &str, to: To) {
    cache.change(&[Change { name: name.to_owned(), to }]).await.unwrap();
}

async fn r19_a_fill_that_lost_a_race_against_an_invalidation_is_discarded(cache: Arc<dyn Cache>) {
    for (name, to) in [("a", To::Unknown), ("b", To::Newer(kept(7, "new")))] {
        // Read before the change was committed, filled after the cache was told.
        let before = miss(&cache, name).await;
        change(&cache, name, to).await;
        assert!(!fill(&cache, name, before, kept(3, "old")).await, "{name}");
        let after = miss(&cache, name).await;
        assert_ne!(before, after);
        // Not even once somebody else reads again.
        assert!(!fill(&cache, name, before, kept(3, "old")).await, "{name}");
        assert!(fill(&cache, name, after, kept(7, "new")).await, "{name}");
        assert_eq!(get(&cache, name).await, value("new"));
    }
    let before = miss(&cache, "c").await;
    change(&cache, "c", To::Always(kept(0, "new"))).await;
    fill(&cache, "c", before, kept(0, "old")).await;
    assert_eq!(get(&cache, "c").await, value("new"));
}

async fn whoever_misses_gets_the_same_token_and_the_first_fill_stays(cache: Arc<dyn Cache>) {
    let token = miss(&cache, "a").await;
    assert_eq!(miss(&cache, "a").await, token);
    assert!(fill(&cache, "a", token, kept(1, "first")).await);
    assert!(fill(&cache, "a", token, kept(1, "second")).await, "there is something: no race was lost");
    assert_eq!(get(&cache, "a").await, value("first"));
    let token = miss(&cache, "b").await;
    fill(&cache, "b", token, Kept { bytes: None, ..kept(0, "") }).await;
    assert_eq!(get(&cache, "b").await, Found::Nothing);
}

async fn only_what_is_older_is_replaced(cache: Arc<dyn Cache>) {
    let token = miss(&cache, "a").await;
    fill(&cache, "a", token, kept(5, "five")).await;
    change(&cache, "a", To::Newer(kept(4, "four"))).await;
    change(&cache, "a", To::Newer(kept(5, "again"))).await;
    assert_eq!(get(&cache, "a").await, value("five"));
    change(&cache, "a", To::Newer(kept(10, "ten"))).await;
    assert_eq!(get(&cache, "a").await, value("ten"));
    change(&cache, "a", To::Unknown).await;
    change(&cache, "a", To::Newer(kept(11, "eleven"))).await;
    let token = miss(&cache, "a").await;
    fill(&cache, "a", token, Kept { bytes: None, ..kept(0, "") }).await;
    change(&cache, "a", To::Newer(kept(1, "one"))).await;
    assert_eq!(get(&cache, "a").await, value("one"), "nothing is older than anything");
}

async fn what_is_kept_ends(cache: Arc<dyn Cache>) {
    let token = miss(&cache, "a").await;
    fill(&cache, "a", token, Kept { ttl: Duration::from_millis(30), ..kept(1, "short") }).await;
    let ended = || async { matches!(get(&cache, "a").await, Found::Missing(_)).then_some(()) };
    eventually("the end of what was kept", ended).await;
}

async fn after_a_doubt_nothing_of_before_is_answered(cache: Arc<dyn Cache>) {
    let (a, b) = (miss(&cache, "a").await, miss(&cache, "b").await);
    fill(&cache, "a", a, kept(1, "before")).await;
    cache.doubt();
    assert_ne!(miss(&cache, "a").await, a);
    assert!(!fill(&cache, "b", b, kept(1, "before")).await, "its read was under way");
}

async fn a_call_may_name_thousands(cache: Arc<dyn Cache>) {
    let names: Vec<String> = (0..2_345).map(|number| number.to_string()).collect();
    let found = cache.get(&names).await.unwrap();
    let fills = names.iter().zip(found).map(|(name, found)| match found {
        Found::Missing(token) => {
            let bytes = Some(Bytes::from(name.repeat(500)));
            Fill { name: name.clone(), token, kept: Kept { bytes, ..kept(1, "") } }
        }
        found => panic!("{found:?}"),
    });
    let fills: Vec<Fill> = fills.collect();
    assert_eq!(cache.fill(&fills).await.unwrap(), vec![true; names.len()]);
    let found = cache.get(&names).await.unwrap();
    for (name, found) in names.iter().zip(found) {
        assert_eq!(found, Found::Value(Bytes::from(name.repeat(500))));
    }
    let gone = names.iter().map(|name| Change { name: name.clone(), to: To::Unknown });
    cache.change(&gone.collect::<Vec<_>>()).await.unwrap();
    assert!(cache.get(&names).await.unwrap().iter().all(|found| matches!(found, Found::Missing(_))));
}

#[tokio::test]
async fn r19_processes_that_share_a_redis_discard_what_another_one_changed() {
    let namespace = namespace();
    let (here, there) = (redis_cache(&namespace), redis_cache(&namespace));
    let before = miss(&here, "a").await;
    assert_eq!(miss(&there, "a").await, before);
    change(&there, "a", To::Unknown).await;
    assert!(!fill(&here, "a", before, kept(1, "old")).await);
    let after = miss(&here, "a").await;
    assert!(fill(&there, "a", after, kept(2, "new")).await);
    assert_eq!(get(&here, "a").await, value("new"));
    // One's doubts are everybody's.
    here.doubt();
    assert_ne!(miss(&here, "a").await, after);
    miss(&there, "a").await;
}

#[tokio::test]
async fn r19_a_fill_whose_lease_a_flush_took_is_discarded() {
    let namespace = namespace();
    let cache = redis_cache(&namespace);
    let (a, b) = (miss(&cache, "a").await, miss(&cache, "b").await);
    fill(&cache, "a", a, kept(1, "x")).await;
    flush(&namespace).await;
    assert!(!fill(&cache, "b", b, kept(1, "x")).await);
    assert_ne!(miss(&cache, "a").await, a);
    assert_eq!(miss(&cache, "b").await, miss(&cache, "b").await);
}

/// Like FLUSHALL, for the keys of one namespace alone.
pub(crate) async fn flush(namespace: &str) {
    let client = ::redis::Client::open(infra("GOCHAT_TEST_REDIS")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        ::redis::cmd("KEYS").arg(format!("{namespace}:*")).query_async(&mut connection).await.unwrap();
    assert!(!keys.is_empty(), "there was something to lose");
    let _: u64 = ::redis::cmd("DEL").arg(keys).query_async(&mut connection).await.unwrap();
}
