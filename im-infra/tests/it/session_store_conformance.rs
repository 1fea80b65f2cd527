//! What every session store must do, whichever adapter it is; and what only one that can lose what it knows must do.

use std::{collections::BTreeSet, slice, sync::Arc, time::Duration};

use im_infra::{
    clock::Clock,
    config::Secret,
    lifecycle::Lifecycle,
    session_store::{MemorySessionStore, RedisOptions, RedisSessionStore, Route, SessionStore},
    telemetry::Telemetry,
    testing::{eventually, infra},
};
use redis::{AsyncCommands as _, aio::MultiplexedConnection};

use super::wire::Wire;

const ROUTE_TTL_MS: u64 = 60_000;
const COMPLETE_TTL_MS: u64 = 30_000;
/// By so much clocks may differ.
const REMOVED_AFTER_MS: i64 = 7_200_000;

#[derive(Clone, Copy)]
enum Kind {
    Memory,
    Redis,
}

/// A session store as two processes see it.
struct Fixture {
    one: Arc<dyn SessionStore>,
    other: Arc<dyn SessionStore>,
}

impl Fixture {
    async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Memory => {
                let store = MemorySessionStore::default();
                Self { one: Arc::new(store.clone()), other: Arc::new(store) }
            }
            Kind::Redis => {
                let redis = Redis::start().await;
                Self { one: Arc::new(redis.store()), other: Arc::new(redis.store()) }
            }
        }
    }
}

/// Makes one test per adapter of an async function that takes a [`Fixture`].
macro_rules! on_every_store {
    ($($test:ident,)+) => {
        mod in_memory { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(super::Fixture::start(super::Kind::Memory).await).await; } )+ }
        mod in_redis { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(super::Fixture::start(super::Kind::Redis).await).await; } )+ }
    };
}

on_every_store! {
    a_route_is_found_by_its_user_until_it_is_removed,
    a_connection_is_removed_by_its_id_only,
    only_routes_that_were_not_there_are_reported_as_new,
    thousands_of_users_are_looked_up_at_once,
    r12_an_instance_that_never_said_so_is_not_complete,
    r12_an_instance_that_said_so_is_complete,
    r11_gateways_that_announced_themselves_are_told_with_the_routes,
    r11_a_gateway_that_withdraws_is_told_no_more_and_not_complete,
    nothing_written_and_nobody_looked_up_is_no_error,
}

fn route(user_id: i64, connection_id: u64, instance: &str) -> Route {
    Route {
        user_id,
        connection_id,
        instance: instance.to_owned(),
        slot: 3,
        device_id: format!("device,{connection_id}"),
    }
}

/// The routes of users, in order.
async fn found(store: &dyn SessionStore, users: &[i64]) -> Vec<Route> {
    let mut routes = store.look_up(users).await.unwrap().routes;
    routes.sort_by(|a, b| (a.user_id, a.connection_id, &a.instance).cmp(&(b.user_id, b.connection_id, &b.instance)));
    routes
}

async fn a_route_is_found_by_its_user_until_it_is_removed(fixture: Fixture) {
    let (phone, desk, peer) = (route(7, 1, "a1"), route(7, 2, "b2"), route(8, 3, "a1"));
    fixture.one.put(&[phone.clone(), desk.clone(), peer.clone()]).await.unwrap();
    assert_eq!(found(&*fixture.other, &[7, 8, 9]).await, [phone.clone(), desk.clone(), peer.clone()]);
    assert_eq!(found(&*fixture.other, &[8]).await, [peer]);
    fixture.other.remove(&[phone]).await.unwrap();
    assert_eq!(found(&*fixture.one, &[7]).await, std::slice::from_ref(&desk));
    fixture.one.remove(slice::from_ref(&desk)).await.unwrap();
    fixture.one.remove(&[desk]).await.unwrap();
    assert!(found(&*fixture.one, &[7]).await.is_empty());
}

async fn a_connection_is_removed_by_its_id_only(fixture: Fixture) {
    let (old, newer, elsewhere) = (route(7, 1, "a1"), route(7, 2, "a1"), route(7, 1, "b2"));
    fixture.one.put(&[old.clone(), newer.clone(), elsewhere.clone()]).await.unwrap();
    let as_it_was = Route { slot: 9, device_id: "renamed".into(), ..old };
    fixture.one.remove(&[as_it_was]).await.unwrap();
    assert_eq!(found(&*fixture.one, &[7]).await, [elsewhere, newer]);
}

async fn only_routes_that_were_not_there_are_reported_as_new(fixture: Fixture) {
    let (first, second) = (route(7, 1, "a1"), route(8, 2, "a1"));
    assert_eq!(fixture.one.put(slice::from_ref(&first)).await.unwrap(), [1]);
    assert_eq!(fixture.one.put(&[first.clone(), second.clone()]).await.unwrap(), [2]);
    fixture.other.remove(slice::from_ref(&first)).await.unwrap();
    assert_eq!(fixture.one.put(&[first, second]).await.unwrap(), [1]);
}

async fn thousands_of_users_are_looked_up_at_once(fixture: Fixture) {
    let routes: Vec<Route> = (1..=1_200).map(|user_id| route(user_id, user_id.unsigned_abs(), "a1")).collect();
    assert_eq!(fixture.one.put(&routes).await.unwrap().len(), 1_200);
    fixture.one.mark_complete("a1").await.unwrap();
    fixture.one.announce("a1", 3).await.unwrap();
    let users: Vec<i64> = (1..=2_000).collect();
    assert_eq!(found(&*fixture.other, &users).await, routes);
    let all = fixture.other.look_up(&users).await.unwrap();
    assert_eq!((all.complete, all.gateways), (vec!["a1".to_owned()], vec![("a1".to_owned(), 3)]));
}

async fn r12_an_instance_that_never_said_so_is_not_complete(fixture: Fixture) {
    fixture.one.put(&[route(7, 1, "a1")]).await.unwrap();
    assert!(!fixture.one.is_complete("a1").await.unwrap());
    assert!(fixture.other.look_up(&[7]).await.unwrap().complete.is_empty());
}

async fn r12_an_instance_that_said_so_is_complete(fixture: Fixture) {
    fixture.one.put(&[route(7, 1, "a1")]).await.unwrap();
    fixture.one.mark_complete("a1").await.unwrap();
    fixture.other.mark_complete("b2").await.unwrap();
    assert!(fixture.one.is_complete("a1").await.unwrap());
    assert!(!fixture.one.is_complete("c3").await.unwrap());
    let complete: BTreeSet<String> = fixture.other.look_up(&[7]).await.unwrap().complete.into_iter().collect();
    assert_eq!(complete, BTreeSet::from(["a1".to_owned(), "b2".to_owned()]));
}

/// The gateways that say that they live, in order.
async fn alive(store: &dyn SessionStore, users: &[i64]) -> Vec<(String, u32)> {
    let mut gateways = store.look_up(users).await.unwrap().gateways;
    gateways.sort_unstable();
    gateways
}

async fn r11_gateways_that_announced_themselves_are_told_with_the_routes(fixture: Fixture) {
    assert!(alive(&*fixture.other, &[7]).await.is_empty());
    fixture.one.announce("a1", 3).await.unwrap();
    fixture.other.announce("b2", 4).await.unwrap();
    fixture.one.announce("a1", 3).await.unwrap();
    fixture.one.put(&[route(7, 1, "a1")]).await.unwrap();
    let both = [("a1".to_owned(), 3), ("b2".to_owned(), 4)];
    assert_eq!(alive(&*fixture.one, &[7, 8]).await, both);
    assert_eq!(alive(&*fixture.other, &[]).await, both, "nobody has to be looked for");
    assert_eq!(found(&*fixture.other, &[7]).await, [route(7, 1, "a1")]);
}

async fn r11_a_gateway_that_withdraws_is_told_no_more_and_not_complete(fixture: Fixture) {
    for (instance, slot) in [("a1", 3), ("b2", 4)] {
        fixture.one.announce(instance, slot).await.unwrap();
        fixture.one.mark_complete(instance).await.unwrap();
    }
    fixture.one.withdraw("a1", 3).await.unwrap();
    fixture.one.withdraw("a1", 3).await.unwrap();
    let left = fixture.other.look_up(&[7]).await.unwrap();
    assert_eq!((left.gateways, left.complete), (vec![("b2".to_owned(), 4)], vec!["b2".to_owned()]));
    assert!(!fixture.one.is_complete("a1").await.unwrap());
}

async fn nothing_written_and_nobody_looked_up_is_no_error(fixture: Fixture) {
    assert!(fixture.one.put(&[]).await.unwrap().is_empty());
    fixture.one.remove(&[]).await.unwrap();
    fixture.one.mark_complete("a1").await.unwrap();
    let nobody = fixture.other.look_up(&[]).await.unwrap();
    assert_eq!((nobody.routes, nobody.complete), (vec![], vec!["a1".to_owned()]));
}

/// The real Redis, a namespace of this test's own in it, and a clock of its own.
struct Redis {
    connection: MultiplexedConnection,
    options: RedisOptions,
    clock: Clock,
}

impl Redis {
    async fn start() -> Self {
        let url = infra("GOCHAT_TEST_REDIS");
        let client = redis::Client::open(url.as_str()).unwrap();
        let options = RedisOptions {
            url: Secret::new(url),
            namespace: format!("t{}", uuid::Uuid::new_v4().simple()),
            timeout_ms: 5_000,
            route_ttl_ms: ROUTE_TTL_MS,
            complete_ttl_ms: COMPLETE_TTL_MS,
            ..RedisOptions::default()
        };
        let connection = client.get_multiplexed_async_connection().await.expect("the Redis of scripts/infra");
        Self { connection, options, clock: Clock::manual(1_700_000_000_000) }
    }

    fn store(&self) -> RedisSessionStore {
        RedisSessionStore::connect(&self.options, self.clock.clone(), &Telemetry::for_tests()).unwrap()
    }

    /// One that gives up soon.
    fn store_over(&self, wire: &Wire) -> RedisSessionStore {
        let options = RedisOptions {
            url: Secret::new(format!("redis://{}/0", wire.address)),
            timeout_ms: 2_000,
            ..self.options.clone()
        };
        RedisSessionStore::connect(&options, self.clock.clone(), &Telemetry::for_tests()).unwrap()
    }

    /// What FLUSHALL does, but to this namespace alone.
    async fn flush(&self) {
        let mut connection = self.connection.clone();
        let keys: Vec<String> = connection.keys(format!("{}:*", self.options.namespace)).await.unwrap();
        let () = connection.del(keys).await.unwrap();
    }

    /// What a copy of before the user came does, but to the user's routes alone.
    async fn lose(&self, user_id: i64) {
        let key = format!("{}:routes:{{{user_id}}}", self.options.namespace);
        let () = self.connection.clone().del(key).await.unwrap();
    }

    /// As in a copy that was made in another era.
    async fn change_era(&self) {
        let () = self.connection.clone().set(format!("{}:era", self.options.namespace), "of before").await.unwrap();
    }

    /// How many gateways are written, whether they count or not.
    async fn written_gateways(&self) -> usize {
        self.connection.clone().zcard(format!("{}:gateways", self.options.namespace)).await.unwrap()
    }

    /// How many connections of a user are written, whether they count or not.
    async fn written(&self, user_id: i64) -> usize {
        let key = format!("{}:routes:{{{user_id}}}", self.options.namespace);
        self.connection.clone().hlen(key).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_mark_ends_with_its_time() {
    let redis = Redis::start().await;
    let store = redis.store();
    store.mark_complete("a1").await.unwrap();
    redis.clock.advance_ms(20_000);
    store.mark_complete("b2").await.unwrap();
    redis.clock.advance_ms(15_000);
    assert!(!store.is_complete("a1").await.unwrap());
    assert!(store.is_complete("b2").await.unwrap());
    assert_eq!(store.look_up(&[7]).await.unwrap().complete, ["b2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_gateway_that_falls_silent_ends_with_its_time_and_is_cleared_away() {
    let redis = Redis::start().await;
    let store = redis.store();
    store.announce("a1", 3).await.unwrap();
    redis.clock.advance_ms(20_000);
    store.announce("b2", 4).await.unwrap();
    redis.clock.advance_ms(15_000);
    assert_eq!(alive(&store, &[7]).await, [("b2".to_owned(), 4)]);
    assert_eq!(redis.written_gateways().await, 2);
    store.announce("b2", 4).await.unwrap();
    assert_eq!(redis.written_gateways().await, 1);
    redis.clock.advance_ms(29_000);
    assert_eq!(alive(&store, &[7]).await, [("b2".to_owned(), 4)], "its time began anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_not_written_again_ends_with_its_time_and_is_cleared_away() {
    let redis = Redis::start().await;
    let store = redis.store();
    store.put(&[route(7, 1, "dead"), route(7, 2, "a1")]).await.unwrap();
    redis.clock.advance_ms(40_000);
    assert!(store.put(&[route(7, 2, "a1")]).await.unwrap().is_empty());
    redis.clock.advance_ms(40_000);
    // By another process's clock it may count still.
    for _ in 0..2 {
        assert_eq!(found(&store, &[7]).await, [route(7, 2, "a1")]);
        assert_eq!(redis.written(7).await, 2);
    }
    redis.clock.advance_ms(REMOVED_AFTER_MS);
    store.put(&[route(7, 2, "a1")]).await.unwrap();
    eventually("the dead one to be cleared away", || async {
        assert_eq!(found(&store, &[7]).await, [route(7, 2, "a1")]);
        (redis.written(7).await == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_ran_out_is_new_when_it_is_written_again_and_not_cleared_away_then() {
    let redis = Redis::start().await;
    let (gateway, logic) = (redis.store(), redis.store());
    gateway.put(&[route(7, 1, "a1")]).await.unwrap();
    redis.clock.advance_ms(70_000 + REMOVED_AFTER_MS);
    // Logic has seen that it ran out, and will clear it away with its next look-up.
    assert!(found(&logic, &[7]).await.is_empty());
    assert_eq!(gateway.put(&[route(7, 1, "a1")]).await.unwrap(), [1]);
    assert_eq!(found(&logic, &[7]).await, [route(7, 1, "a1")]);
    assert_eq!(found(&logic, &[7]).await, [route(7, 1, "a1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_after_a_flush_nobody_is_complete_and_every_route_is_new() {
    let redis = Redis::start().await;
    let (gateway, logic) = (redis.store(), redis.store());
    let routes = [route(7, 1, "a1"), route(8, 2, "a1")];
    gateway.put(&routes).await.unwrap();
    gateway.mark_complete("a1").await.unwrap();
    gateway.announce("a1", 3).await.unwrap();
    redis.flush().await;
    assert!(!gateway.is_complete("a1").await.unwrap());
    let nothing = logic.look_up(&[7, 8]).await.unwrap();
    assert_eq!((nothing.routes, nothing.complete, nothing.gateways), (vec![], vec![], vec![]));
    assert_eq!(gateway.put(&routes).await.unwrap(), [1, 2]);
    gateway.mark_complete("a1").await.unwrap();
    assert!(gateway.is_complete("a1").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_pass_with_a_flush_in_its_middle_makes_nobody_complete() {
    let redis = Redis::start().await;
    let gateway = redis.store();
    gateway.put(&[route(7, 1, "a1")]).await.unwrap();
    redis.flush().await;
    gateway.put(&[route(8, 2, "a1")]).await.unwrap();
    gateway.mark_complete("a1").await.unwrap_err();
    assert!(!gateway.is_complete("a1").await.unwrap());
    assert_eq!(gateway.put(&[route(7, 1, "a1"), route(8, 2, "a1")]).await.unwrap(), [1]);
    gateway.mark_complete("a1").await.unwrap();
    // So it is with a flush right before the mark.
    gateway.put(&[route(7, 1, "a1"), route(8, 2, "a1")]).await.unwrap();
    redis.flush().await;
    gateway.mark_complete("a1").await.unwrap_err();
    assert!(!gateway.is_complete("a1").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_what_an_old_copy_lacked_is_new_even_if_the_write_that_put_it_there_got_no_answer() {
    let (redis, life) = (Redis::start().await, Lifecycle::new());
    let far = infra("GOCHAT_TEST_REDIS").trim_start_matches("redis://").split('/').next().unwrap().to_owned();
    let wire = Wire::lay(&far, &life).await;
    let (gateway, logic) = (redis.store_over(&wire), redis.store());
    let routes = [route(7, 1, "a1"), route(8, 2, "a1")];
    gateway.put(&routes[..1]).await.unwrap();
    gateway.mark_complete("a1").await.unwrap();
    gateway.put(&routes[1..]).await.unwrap();
    redis.lose(8).await;
    let told = logic.look_up(&[7, 8]).await.unwrap();
    assert_eq!((told.routes, told.complete), (vec![route(7, 1, "a1")], vec!["a1".to_owned()]), "8 is sent nothing");
    wire.lose_answers();
    gateway.put(&routes).await.unwrap_err();
    eventually("it to be written all the same", || async { (redis.written(8).await == 1).then_some(()) }).await;
    wire.mend();
    let without_mark = || async { (gateway.is_complete("a1").await == Ok(false)).then_some(()) };
    eventually("its mark to be taken back", without_mark).await;
    assert_eq!(gateway.put(&routes).await.unwrap(), [1, 2], "nobody knows which of them were there");
    assert!(gateway.put(&routes).await.unwrap().is_empty());
    gateway.mark_complete("a1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_the_mark_in_a_copy_of_another_era_is_taken_back() {
    let redis = Redis::start().await;
    let (gateway, logic) = (redis.store(), redis.store());
    gateway.put(&[route(7, 1, "a1")]).await.unwrap();
    gateway.mark_complete("a1").await.unwrap();
    gateway.put(&[route(7, 1, "a1")]).await.unwrap();
    redis.change_era().await;
    gateway.mark_complete("a1").await.unwrap_err();
    assert!(!gateway.is_complete("a1").await.unwrap());
    assert!(logic.look_up(&[7]).await.unwrap().complete.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_down_fails_in_time_is_counted_and_keeps_nobody_from_starting() {
    let options =
        RedisOptions { url: Secret::new("redis://127.0.0.1:1/0"), timeout_ms: 500, ..RedisOptions::default() };
    let telemetry = Telemetry::for_tests();
    let store = RedisSessionStore::connect(&options, Clock::system(), &telemetry).unwrap();
    for _ in 0..3 {
        let looked_up = tokio::time::timeout(Duration::from_secs(5), store.look_up(&[7]));
        looked_up.await.expect("an answer in time").unwrap_err();
        store.put(&[route(7, 1, "a1")]).await.unwrap_err();
    }
    let metrics = telemetry.metrics_text().unwrap();
    assert!(metrics.contains("im_session_store_failures_total 6"), "{metrics}");
}
