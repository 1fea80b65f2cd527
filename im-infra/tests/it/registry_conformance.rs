//! What every registry must do, whichever adapter it is; and what only one that outlives a process can do.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use etcd_client::{Client, KeyValue};
use futures_util::future::join_all;
use im_infra::{
    clock::Clock,
    ids::Mint,
    lifecycle::Lifecycle,
    registry::{
        EtcdOptions, EtcdRegistry, Instance, MemoryRegistry, Registry, RegistryError, ServiceName, Slot, SlotLost,
        SlotSpace,
    },
    testing::{eventually, infra},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::wire::Wire;

/// The time of a lease in these tests.
const TTL: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
enum Kind {
    Memory,
    Etcd,
}

/// A registry as two processes see it.
struct Fixture {
    one: Arc<dyn Registry>,
    other: Arc<dyn Registry>,
    /// The wall clock of both.
    clock: Clock,
}

fn clock() -> Clock {
    Clock::manual(1_800_000_000_000)
}

impl Fixture {
    async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Memory => {
                let clock = clock();
                let registry = MemoryRegistry::new(clock.clone());
                Self { one: Arc::new(registry.clone()), other: Arc::new(registry), clock }
            }
            Kind::Etcd => {
                let etcd = Etcd::start().await;
                let (one, other) = (etcd.registry().await, etcd.registry().await);
                Self { one: Arc::new(one), other: Arc::new(other), clock: etcd.clock }
            }
        }
    }
}

/// Makes one test per adapter of an async function that takes a [`Fixture`].
macro_rules! on_every_registry {
    ($($test:ident,)+) => {
        mod memory { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(super::Fixture::start(super::Kind::Memory).await).await; } )+ }
        mod etcd { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(super::Fixture::start(super::Kind::Etcd).await).await; } )+ }
    };
}

on_every_registry! {
    a_watch_sees_an_instance_come_and_go,
    a_watch_that_comes_late_sees_who_is_there,
    a_watch_sees_only_its_own_service,
    a_slot_is_held_by_one_at_a_time,
    processes_that_start_together_get_different_slots,
    every_space_has_its_own_slots,
    r10_a_slot_is_held_until_it_is_given_back_and_who_follows_it_is_told,
    r10_who_holds_a_slot_next_mints_larger_ids_although_its_clock_is_behind,
}

fn instance(service: ServiceName, name: &str) -> Instance {
    Instance { service, instance: name.to_owned(), address: "10.0.0.7:9000".into(), slot: 3 }
}

/// Waits until exactly these are in the list.
async fn sees(list: &watch::Receiver<Vec<Instance>>, names: &[&str]) {
    eventually(&format!("{names:?} to be seen"), || async {
        let mut seen: Vec<String> = list.borrow().iter().map(|instance| instance.instance.clone()).collect();
        seen.sort_unstable();
        (seen == names).then_some(())
    })
    .await;
}

async fn a_watch_sees_an_instance_come_and_go(fixture: Fixture) {
    let list = fixture.other.watch(ServiceName::Gateway);
    let first = fixture.one.announce(instance(ServiceName::Gateway, "a")).await.unwrap();
    sees(&list, &["a"]).await;
    assert_eq!(*list.borrow(), [instance(ServiceName::Gateway, "a")]);
    let _second = fixture.one.announce(instance(ServiceName::Gateway, "b")).await.unwrap();
    sees(&list, &["a", "b"]).await;
    drop(first);
    sees(&list, &["b"]).await;
}

async fn a_watch_that_comes_late_sees_who_is_there(fixture: Fixture) {
    let _registration = fixture.one.announce(instance(ServiceName::Logic, "a")).await.unwrap();
    sees(&fixture.other.watch(ServiceName::Logic), &["a"]).await;
    sees(&fixture.other.watch(ServiceName::Logic), &["a"]).await;
}

async fn a_watch_sees_only_its_own_service(fixture: Fixture) {
    let (logic, gateways) = (fixture.other.watch(ServiceName::Logic), fixture.other.watch(ServiceName::Gateway));
    let _gateway = fixture.one.announce(instance(ServiceName::Gateway, "a")).await.unwrap();
    let _logic = fixture.one.announce(instance(ServiceName::Logic, "b")).await.unwrap();
    sees(&gateways, &["a"]).await;
    sees(&logic, &["b"]).await;
}

async fn a_slot_is_held_by_one_at_a_time(fixture: Fixture) {
    let first = fixture.one.lease_slot(SlotSpace::Gateway, 2).await.unwrap();
    let second = fixture.other.lease_slot(SlotSpace::Gateway, 2).await.unwrap();
    assert_eq!(BTreeSet::from([first.number, second.number]), BTreeSet::from([0, 1]));
    assert!(!first.lost.is_cancelled() && !second.lost.is_cancelled());
    // It stays so for longer than one lease.
    let began = Instant::now();
    eventually("two leases' time to pass", || async {
        let third = fixture.one.lease_slot(SlotSpace::Gateway, 2).await.err();
        assert_eq!(third, Some(RegistryError::NoFreeSlot(2)));
        (began.elapsed() > 2 * TTL).then_some(())
    })
    .await;
    eventually("the deadlines to hold", || async { (first.deadline.holds() && second.deadline.holds()).then_some(()) })
        .await;
    assert!(!first.lost.is_cancelled() && !second.lost.is_cancelled());
}

async fn processes_that_start_together_get_different_slots(fixture: Fixture) {
    let lease = |number: usize| {
        let registry = if number.is_multiple_of(2) { &fixture.one } else { &fixture.other };
        registry.lease_slot(SlotSpace::Node, 6)
    };
    let slots: Vec<_> = join_all((0..6).map(lease)).await.into_iter().map(Result::unwrap).collect();
    let numbers: BTreeSet<u32> = slots.iter().map(|slot| slot.number).collect();
    assert_eq!(numbers, (0..6).collect());
}

async fn every_space_has_its_own_slots(fixture: Fixture) {
    let gateway = fixture.one.lease_slot(SlotSpace::Gateway, 1).await.unwrap();
    let node = fixture.one.lease_slot(SlotSpace::Node, 1).await.unwrap();
    assert_eq!((gateway.number, node.number), (0, 0));
}

async fn r10_a_slot_is_held_until_it_is_given_back_and_who_follows_it_is_told(fixture: Fixture) {
    let slot = fixture.one.lease_slot(SlotSpace::Gateway, 1).await.unwrap();
    let held = slot.held.clone();
    assert!(*held.borrow());
    let (told, followed) = follow(&slot);
    drop(slot);
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), followed).await.expect("it ends with the slot"), Ok(()));
    assert!(!*held.borrow());
    assert_eq!(*told.lock().unwrap(), [false]);
}

async fn r10_who_holds_a_slot_next_mints_larger_ids_although_its_clock_is_behind(fixture: Fixture) {
    let mint = |slot: &Slot| Mint::new(slot.number, slot.deadline.clone(), slot.clock.clone()).next().unwrap();
    let slot = fixture.one.lease_slot(SlotSpace::Node, 1).await.unwrap();
    let before = mint(&slot);
    drop(slot);
    fixture.clock.advance_ms(-3_600_000);
    let free = || async { fixture.other.lease_slot(SlotSpace::Node, 1).await.ok() };
    let after = mint(&eventually("the slot to be free again", free).await);
    assert!(after > before, "{after} after {before}");
}

/// What is told of a slot, and the telling.
fn follow(slot: &Slot) -> (Arc<Mutex<Vec<bool>>>, impl Future<Output = Result<(), SlotLost>> + Send + use<>) {
    let told: Arc<Mutex<Vec<bool>>> = Arc::default();
    let telling = told.clone();
    (told, slot.follow(CancellationToken::new(), move |held| telling.lock().unwrap().push(held)))
}

/// The real etcd, and what is in it of a namespace of this test's own.
struct Etcd {
    client: Client,
    namespace: String,
    clock: Clock,
    life: Lifecycle,
}

/// The keys of the only slot there is in these tests, and of its floor.
const SLOT: &str = "slots/node/0";
const FLOOR: &str = "slots/node/0/floor";

impl Etcd {
    async fn start() -> Self {
        let client = Client::connect([infra("GOCHAT_TEST_ETCD")], None).await.unwrap();
        let namespace = format!("t{}", uuid::Uuid::new_v4().simple());
        Self { client, namespace, clock: clock(), life: Lifecycle::new() }
    }

    async fn registry(&self) -> EtcdRegistry {
        self.registry_at(infra("GOCHAT_TEST_ETCD")).await
    }

    /// The only way to etcd of whoever is given it.
    async fn wire(&self) -> Wire {
        Wire::lay(infra("GOCHAT_TEST_ETCD").trim_start_matches("http://"), &self.life).await
    }

    async fn registry_at(&self, endpoint: String) -> EtcdRegistry {
        let options = EtcdOptions {
            endpoints: vec![endpoint],
            namespace: self.namespace.clone(),
            lease_ttl_ms: i64::try_from(TTL.as_millis()).unwrap(),
            ..EtcdOptions::default()
        };
        EtcdRegistry::connect(&options, self.life.clone(), self.clock.clone()).await.unwrap()
    }

    async fn get(&self, name: &str) -> Option<KeyValue> {
        let found = self.client.kv_client().get(format!("{}/{name}", self.namespace), None).await.unwrap();
        found.kvs().first().cloned()
    }

    async fn gone(&self, name: &str) {
        eventually(&format!("{name} to go"), || async { self.get(name).await.is_none().then_some(()) }).await;
    }

    async fn put(&self, name: &str, value: &str) {
        self.client.kv_client().put(format!("{}/{name}", self.namespace), value, None).await.unwrap();
    }

    async fn revoke(&self, lease_id: i64) {
        self.client.lease_client().revoke(lease_id).await.unwrap();
    }

    /// Forgets all history.
    async fn compact(&self) {
        let now = self.client.kv_client().put(format!("{}/now", self.namespace), "", None).await.unwrap();
        self.client.kv_client().compact(now.header().unwrap().revision(), None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freed_slot_rests_for_two_leases() {
    let etcd = Etcd::start().await;
    let registry = etcd.registry().await;
    let slot = registry.lease_slot(SlotSpace::Node, 1).await.unwrap();
    let deadline = slot.deadline.clone();
    drop(slot);
    let freed = Instant::now();
    etcd.gone(SLOT).await;
    assert!(!deadline.holds());
    let again = eventually("the slot to be free again", || async {
        match registry.lease_slot(SlotSpace::Node, 1).await {
            Ok(slot) => Some(slot),
            Err(error) => {
                assert_eq!(error, RegistryError::NoFreeSlot(1));
                None
            }
        }
    })
    .await;
    assert!(freed.elapsed() >= 2 * TTL, "free after {:?}", freed.elapsed());
    assert_eq!(again.number, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_the_floor_of_a_slot_stays_ahead_of_its_holders_clock() {
    let etcd = Etcd::start().await;
    let slot = etcd.registry().await.lease_slot(SlotSpace::Node, 1).await.unwrap();
    let lease_ms = i64::try_from(TTL.as_millis()).unwrap();
    for _ in 0..2 {
        eventually("the floor to be ahead by more than a lease", || async {
            let floor_ms: i64 = etcd.get(FLOOR).await?.value_str().unwrap().parse().unwrap();
            (floor_ms > slot.clock.now_ms() + lease_ms).then_some(())
        })
        .await;
        etcd.clock.advance_ms(3_600_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_the_deadline_ends_when_another_took_the_slot_behind_its_back() {
    let etcd = Etcd::start().await;
    let slot = etcd.registry().await.lease_slot(SlotSpace::Node, 1).await.unwrap();
    assert!(slot.deadline.holds());
    etcd.revoke(etcd.get(SLOT).await.unwrap().lease()).await;
    etcd.put(SLOT, "another").await;
    let (_, followed) = follow(&slot);
    let told = tokio::time::timeout(Duration::from_secs(10), followed).await.expect("told that it is lost");
    assert_eq!(told, Err(SlotLost));
    assert!(slot.lost.is_cancelled() && !slot.deadline.holds() && !*slot.held.borrow());
    drop(slot);
    let key = etcd.get(SLOT).await.expect("it is the other's now");
    assert_eq!(key.value_str().unwrap(), "another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_lease_was_lost_is_taken_back_while_nobody_has_it() {
    let etcd = Etcd::start().await;
    let slot = etcd.registry().await.lease_slot(SlotSpace::Node, 1).await.unwrap();
    let before = etcd.get(SLOT).await.unwrap();
    etcd.revoke(before.lease()).await;
    let after = eventually("the slot's key to be back", || async {
        etcd.get(SLOT).await.filter(|key| key.lease() != before.lease())
    })
    .await;
    assert_eq!(after.value(), before.value());
    eventually("the deadline to hold", || async { slot.deadline.holds().then_some(()) }).await;
    assert!(!slot.lost.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_lease_was_lost_is_announced_again() {
    let etcd = Etcd::start().await;
    let registry = etcd.registry().await;
    let list = registry.watch(ServiceName::Task);
    let _registration = registry.announce(instance(ServiceName::Task, "a")).await.unwrap();
    sees(&list, &["a"]).await;
    let before = etcd.get("instances/im-task/a").await.unwrap();
    etcd.revoke(before.lease()).await;
    eventually("another lease", || async {
        etcd.get("instances/im-task/a").await.filter(|key| key.lease() != before.lease())
    })
    .await;
    sees(&list, &["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_with_etcd_away_the_deadline_ends_and_on_return_the_slot_and_the_announcement_are_there_again() {
    let etcd = Etcd::start().await;
    let wire = etcd.wire().await;
    let registry = etcd.registry_at(format!("http://{}", wire.address)).await;
    let slot = registry.lease_slot(SlotSpace::Node, 1).await.unwrap();
    let _registration = registry.announce(instance(ServiceName::Gateway, "a")).await.unwrap();
    let (told, followed) = follow(&slot);
    etcd.life.spawn("follower", followed);
    let told = || told.lock().unwrap().clone();
    wire.cut().await;
    eventually("the deadline to end", || async { (!slot.deadline.holds()).then_some(()) }).await;
    eventually("its holder to be told", || async { (told() == [false]).then_some(()) }).await;
    etcd.gone(SLOT).await;
    etcd.gone("instances/im-gateway/a").await;
    wire.mend();
    eventually("the deadline to hold again", || async { slot.deadline.holds().then_some(()) }).await;
    eventually("its holder to be told that it is back", || async { (told() == [false, true]).then_some(()) }).await;
    eventually("the announcement", || async { etcd.get("instances/im-gateway/a").await }).await;
    assert!(etcd.get(SLOT).await.is_some() && !slot.lost.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_keeps_its_list_while_etcd_is_away_and_survives_a_compaction() {
    let etcd = Etcd::start().await;
    let wire = etcd.wire().await;
    let registry = etcd.registry_at(format!("http://{}", wire.address)).await;
    let elsewhere = etcd.registry().await;
    let list = registry.watch(ServiceName::Gateway);
    registry.listed(ServiceName::Gateway).await;
    let first = elsewhere.announce(instance(ServiceName::Gateway, "a")).await.unwrap();
    sees(&list, &["a"]).await;
    wire.cut().await;
    drop(first);
    etcd.gone("instances/im-gateway/a").await;
    let _second = elsewhere.announce(instance(ServiceName::Gateway, "b")).await.unwrap();
    etcd.compact().await;
    sees(&list, &["a"]).await;
    wire.mend();
    sees(&list, &["b"]).await;
    etcd.compact().await;
    let _third = elsewhere.announce(instance(ServiceName::Gateway, "c")).await.unwrap();
    sees(&list, &["b", "c"]).await;
}
