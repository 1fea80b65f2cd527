//! Whom im-logic addresses: whoever a route or the session store names, not only whom etcd lists.

use std::time::Duration;

use im_infra::{
    clock::Clock,
    config::Secret,
    mq::{Reader, Topic},
    session_store::{RedisOptions, RedisSessionStore, Route, SessionStore as _},
    telemetry::Telemetry,
};
use prost::Message as _;
use proto::mq::Downstream;

use super::{
    client::{Format, Socket, User},
    cluster::Cluster,
};

/// What the services of a cluster know of connections and gateways.
pub(crate) fn session_store(cluster: &Cluster) -> RedisSessionStore {
    let (_, settings) = cluster.operator();
    let setting = |key: &str| settings.iter().rfind(|(name, _)| name == key).unwrap().1.clone();
    let options = RedisOptions {
        url: Secret::new(setting("GOCHAT__REDIS__URL")),
        namespace: setting("GOCHAT__REDIS__NAMESPACE"),
        timeout_ms: 5_000,
        ..RedisOptions::default()
    };
    RedisSessionStore::connect(&options, Clock::system(), &Telemetry::for_tests()).unwrap()
}

/// The next letter to an instance that comes into a gateway's partition.
async fn letter(reader: &mut dyn Reader, instance: &str) -> Downstream {
    let found = async {
        loop {
            for record in reader.next(100).await.unwrap() {
                let letter = Downstream::decode(record.payload).unwrap();
                if letter.instance == instance {
                    return letter;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("a letter in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_gateways_that_only_a_route_or_the_session_store_names_get_their_letters() {
    let cluster = Cluster::start().await;
    let at = cluster.gateways[0].running.address.clone();
    let (alice, bob) = (User::register(&at, "alice").await, User::register(&at, "bob").await);
    let queue = cluster.queue().await;
    let mut readers = Vec::new();
    for slot in [7, 8] {
        let end = queue.end(Topic::Downstream, slot).await.unwrap();
        readers.push(queue.read(Topic::Downstream, slot, end).await.unwrap());
    }
    // Neither was ever announced in etcd; the second holds nobody that is known, and says nothing of its routes.
    let store = session_store(&cluster);
    let route =
        Route { user_id: bob.id, connection_id: 1, instance: "named".into(), slot: 7, device_id: String::new() };
    store.put(&[route]).await.unwrap();
    store.announce("listed", 8).await.unwrap();
    let mut socket = Socket::open(&at, &alice, Format::Json).await;
    socket.send_text(&alice.direct(&bob), "a1", "hello").await;
    socket.ack("a1").await;
    for (reader, instance) in readers.iter_mut().zip(["named", "listed"]) {
        let letter = letter(&mut **reader, instance).await;
        let delivery = letter.deliveries.first().expect("a delivery");
        assert_eq!(delivery.entries[0].command_id, "a1");
        assert!(delivery.recipients.contains(&bob.id), "{instance}: {:?}", delivery.recipients);
    }
    drop(socket);
    cluster.terminate().await;
}
