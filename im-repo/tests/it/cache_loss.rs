//! A cache that is lost, out of reach or cut off costs time, and nothing else.

use std::{net::SocketAddr, sync::Arc};

use im_infra::{
    config::Secret,
    lifecycle::Lifecycle,
    telemetry::Telemetry,
    testing::{eventually, free_address, infra},
};
use im_repo::cache::{CacheOptions, RedisCache};
use proto::repo::PutCursor;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    append::{first_send, send},
    cache::{append, head, membership, seqs, users},
    cache_port::flush,
    engines::{Engine, Kind, cache_options, counted, namespace, redis, redis_cache},
    registrations::newcomer,
};

#[tokio::test]
async fn losing_all_that_is_kept_costs_reads_alone() {
    let namespace = namespace();
    let engine = Engine::with_cache(Kind::Sqlite, redis_cache(&namespace)).await;
    append(&engine.store, 0, vec![first_send(1, "first"), send(2, "second")]).await;
    let seen = async || (head(&engine.store, "d:1:2").await, seqs(&engine.store, "d:1:2", true).await);
    let before = (seen().await, seen().await).1;
    let reads = || engine.counted("im_cache_reads_total", &[]);
    let reads_before = reads();
    assert_eq!(seen().await, before);
    assert_eq!(reads(), reads_before, "all of it is kept");
    flush(&namespace).await;
    assert_eq!(seen().await, before);
    assert_eq!(reads(), reads_before + 3, "the head and two entries");
    append(&engine.store, 1, vec![send(1, "third")]).await;
    assert_eq!(seqs(&engine.store, "d:1:2", true).await, [2, 3]);
}

#[tokio::test]
async fn a_cache_that_is_out_of_reach_is_counted_and_passed_by() {
    let nobody = free_address();
    let url = Secret::new(format!("redis://{nobody}/0"));
    let cache = Arc::new(RedisCache::connect(&redis(&url, "nobody"), &CacheOptions::default()).unwrap());
    let engine = Engine::with_cache(Kind::Sqlite, cache).await;
    engine.store.register_user(newcomer(1, "Alice")).await.unwrap();
    append(&engine.store, 0, vec![first_send(1, "first"), send(2, "second")]).await;
    engine
        .store
        .put_cursors(vec![PutCursor { user_id: 1, conversation_id: "d:1:2".into(), read_seq: 2 }])
        .await
        .unwrap();
    assert_eq!(users(&engine.store, &[1], &["alice"]).await.len(), 1);
    assert_eq!(head(&engine.store, "d:1:2").await.unwrap().last_seq, 2);
    assert_eq!(seqs(&engine.store, "d:1:2", false).await, [1, 2]);
    assert_eq!(membership(&engine.store, 1).await.member.unwrap().read_seq, 2);
    assert!(engine.counted("im_cache_lookups_total", &["result=\"error\""]) >= 5);
    for call in ["get", "change"] {
        assert!(engine.counted("im_cache_failures_total", &[format!("kind=\"{call}\"").as_str()]) > 0, "{call}");
    }
}

/// A way to Redis that can be cut.
async fn gate(life: &Lifecycle) -> (SocketAddr, watch::Sender<bool>) {
    let redis = infra("GOCHAT_TEST_REDIS").trim_start_matches("redis://").split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (sender, is_open)) = (listener.local_addr().unwrap(), watch::channel(true));
    let connections = life.clone();
    life.spawn_detached("gate", async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (redis, mut is_open) = (redis.clone(), is_open.clone());
            connections.spawn_detached("connection", async move {
                if !*is_open.borrow_and_update() {
                    return;
                }
                let mut far = TcpStream::connect(redis).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = is_open.changed() => {}
                }
            });
        }
    });
    (address, sender)
}

#[tokio::test]
async fn r19_what_could_not_be_told_is_not_answered_any_more_once_redis_is_back() {
    let (namespace, life) = (namespace(), Lifecycle::new());
    let (address, is_open) = gate(&life).await;
    let url = Secret::new(format!("redis://{address}/0"));
    let gated = Arc::new(RedisCache::connect(&redis(&url, &namespace), &cache_options()).unwrap());
    let engine = Engine::with_cache(Kind::Sqlite, gated).await;
    let telemetry = Telemetry::for_tests();
    let other = engine.beside(redis_cache(&namespace), &telemetry).await;
    append(&engine.store, 0, vec![first_send(1, "first")]).await;
    assert_eq!(head(&engine.store, "d:1:2").await.unwrap().last_seq, 1);
    is_open.send(false).unwrap();
    append(&engine.store, 1, vec![send(1, "second")]).await;
    assert_eq!(engine.counted("im_cache_failures_total", &["kind=\"change\""]), 1);
    assert_eq!(head(&engine.store, "d:1:2").await.unwrap().last_seq, 2, "whoever wrote it reads it");
    assert_eq!(head(&other, "d:1:2").await.unwrap().last_seq, 1, "others may not know: bounded by the TTL");
    is_open.send(true).unwrap();
    eventually("the others to know", || async {
        assert_eq!(head(&engine.store, "d:1:2").await.unwrap().last_seq, 2);
        (head(&other, "d:1:2").await.unwrap().last_seq == 2).then_some(())
    })
    .await;
    // And the cache is in use again.
    let hits = || counted(&telemetry, "im_cache_lookups_total", &["result=\"hit\""]);
    let before = hits();
    head(&other, "d:1:2").await.unwrap();
    assert_eq!(hits(), before + 1);
}
