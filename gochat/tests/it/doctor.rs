//! What `gochat doctor` finds, on real servers, on dead ones and on none.

mod site;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use im_infra::{
    mq::{Group, NewRecord, Room, Topic},
    testing::{free_address, infra},
};

use self::site::{PASSWORD, Site, doctor};
use super::server::Server;

/// Every file below with its bytes, but for the index that SQLite makes of its log.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, Vec::new());
        } else if !path.ends_with("gochat.db-shm") {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_site_is_told_what_is_missing_and_stays_empty() {
    let site = Site::new().await;
    for _ in 0..2 {
        let said = site.doctor(&[], &[]).await;
        assert_eq!(said.code, Some(1), "{}", said.text);
        said.line(&["failed", "database", "m0001_first_tables", "gochat migrate up"]);
        let missing = said.line(&["warning", "kafka", "made at the first start"]);
        for topic in Topic::ALL {
            assert!(missing.contains(&format!("{}{}", site.kafka.namespace, topic.name())), "{missing}");
        }
        assert_eq!(said.failures().len(), 1, "{}", said.text);
    }
    assert_eq!(site.tables().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_ready_has_nothing_in_the_way() {
    let site = Site::new().await;
    let queue = site.prepare().await;
    let record = || NewRecord::to_partition(1, "x");
    queue.produce(Topic::Upstream, vec![record(), record(), record()], Room::External).await.unwrap();
    queue.reset(Group::Logic, Topic::Upstream, 1, 1).await.unwrap();

    let said = site.doctor(&[], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    for key in ["repo.database.url", "kafka.brokers", "etcd.endpoints", "redis.url"] {
        said.line(&["ok", "is reachable", " ms ", key]);
    }
    said.line(&["ok", "secrets"]);
    said.line(&["ok", "database", "version: ", "MariaDB"]);
    said.line(&["database", "innodb_flush_log_at_trx_commit: "]);
    said.line(&["ok", "database", "the schema is up to date"]);
    said.line(&["database", "its clock is"]);
    said.line(&["redis", "its clock is"]);
    said.line(&["ok", "redis", "maxmemory-policy: "]);
    said.line(&["ok", "redis", "persistence: "]);
    said.line(&["ok", "etcd", "version 3.", "the leader"]);
    let upstream = format!("topic {}im.upstream.v1: ", site.kafka.namespace);
    said.line(&["ok", &upstream, "partitions 4, copies 1, min.insync.replicas 1", "max.message.bytes 1048588"]);
    said.line(&["ok", "broker ", "default.replication.factor 1", "unclean.leader.election.enable false"]);
    said.line(&["ok", &format!("group {}im-logic: 2 records behind", site.kafka.namespace)]);
    assert!(!said.text.contains(PASSWORD), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_of_each_kind_is_asked_in_its_own_words() {
    let site = Site::new().await;
    let postgres = infra("GOCHAT_TEST_POSTGRES");
    let said = site.doctor(&[("REPO__DATABASE__URL", postgres.as_str())], &["--for", "repo"]).await;
    said.line(&["ok", "database", "version: PostgreSQL"]);
    said.line(&["database", "synchronous_commit: "]);
    said.line(&["database", "its clock is"]);
    assert!(!said.text.contains("kafka.brokers") && !said.text.contains(PASSWORD), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_named_with_its_key() {
    let site = Site::new().await;
    site.prepare().await;
    let address = free_address();
    let database = format!("mysql://gochat:gochat@{address}/test");
    for (variable, value, key) in [
        ("REPO__DATABASE__URL", &database, "repo.database.url"),
        ("KAFKA__BROKERS", &address, "kafka.brokers"),
        ("ETCD__ENDPOINTS", &format!("http://{address}"), "etcd.endpoints"),
        ("REDIS__URL", &format!("redis://:gochat@{address}/0"), "redis.url"),
    ] {
        let said = site.doctor(&[(variable, value.as_str())], &[]).await;
        assert_eq!(said.code, Some(1), "{key}: {}", said.text);
        said.line(&["failed", &address, "out of reach", key]);
        assert_eq!(said.failures().len(), 1, "the others are well: {}", said.text);
        assert!(!said.text.contains(PASSWORD), "{}", said.text);
    }
    let one_of_two = format!("{},{address}", site.kafka.brokers);
    let said = site.doctor(&[("KAFKA__BROKERS", one_of_two.as_str())], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.line(&["warning", &address, "kafka.brokers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_listen_and_never_answer_do_not_hang_it() {
    let site = Site::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let began = Instant::now();
    let settings = [
        ("REPO__DATABASE__URL", format!("mysql://gochat:gochat@{address}/test")),
        ("KAFKA__BROKERS", address.clone()),
        ("ETCD__ENDPOINTS", format!("http://{address}")),
        ("REDIS__URL", format!("redis://{address}/0")),
    ];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let said = site.doctor(&settings, &[]).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(said.code, Some(1), "{}", said.text);
    for key in ["repo.database.url", "kafka.brokers", "etcd.endpoints", "redis.url"] {
        said.line(&["ok", &address, "is reachable", key]);
        said.line(&["failed", key]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_another_number_of_partitions_is_named() {
    let site = Site::new().await;
    site.prepare().await;
    let said = site.doctor(&[("KAFKA__PARTITIONS", "6")], &[]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    let topic = format!("{}im.upstream.v1", site.kafka.namespace);
    said.line(&["failed", &topic, "4 partitions", "6"]);
    // More than configured are welcome there.
    let said = site.doctor(&[("KAFKA__DOWNSTREAM_PARTITIONS", "3")], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_are_missing_are_told_to_the_services_that_need_them() {
    let site = Site::new().await;
    let none = [("RPC__SECRET", ""), ("LOGIC__AUTH__SIGNING_KEY", ""), ("REPO__DATABASE__URL", "")];
    let keys = ["rpc.secret", "logic.auth.signing_key", "repo.database.url"];
    for (target, missing) in [("services", &keys[..]), ("gateway", &keys[..1]), ("logic", &keys[..2])] {
        let said = site.doctor(&none, &["--for", target]).await;
        assert_eq!(said.code, Some(1), "{target}: {}", said.text);
        assert_eq!(said.failures().len(), missing.len(), "{target}: {}", said.text);
        for key in missing {
            said.line(&["failed", "secrets", key]);
        }
    }
    let said = site.doctor(&[("LOGIC__AUTH__SIGNING_KEY", "no key")], &["--for", "logic"]).await;
    said.line(&["failed", "secrets", "logic.auth.signing_key", "PKCS#8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn standalone_is_well_while_it_runs_and_after_and_nothing_changes() {
    let server = Server::start().await;
    let running = doctor(&server.data_dir(), &[], &[]).await;
    let (code, folder) = server.terminate_and_keep().await;
    assert_eq!(code, Some(0));
    let before = contents(folder.path());
    let stopped = doctor(folder.path(), &[], &[]).await;
    assert_eq!(contents(folder.path()), before);
    for said in [running, stopped] {
        assert_eq!(said.code, Some(0), "{}", said.text);
        said.line(&["ok", "data folder", "can be written"]);
        said.line(&["data folder", "MiB are free"]);
        said.line(&["ok", "data folder", "the log is in"]);
        said.line(&["ok", "database", "gochat.db is there"]);
        said.line(&["ok", "database", "the schema is up to date"]);
        said.line(&["open files", "a process may open"]);
        for key in ["rpc.secret", "logic.auth.signing_key"] {
            said.line(&["ok", "secrets", key, "is kept in"]);
        }
        assert!(!said.text.contains("kafka"), "{}", said.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_that_never_started_is_told_so_and_gets_no_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let said = doctor(&folder, &[], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.line(&["warning", "data folder", "the first start makes it"]);
    said.line(&["warning", "database", "the first start makes it"]);
    assert!(!folder.exists());

    std::fs::write(&folder, "a file").unwrap();
    let said = doctor(&folder, &[], &[]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    said.line(&["failed", "data folder", "not a folder", "process.data_dir"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_what_the_lines_say() {
    let site = Site::new().await;
    site.prepare().await;
    let lines = site.doctor(&[], &[]).await;
    let json = site.doctor(&[], &["--json"]).await;
    assert_eq!((lines.code, json.code), (Some(0), Some(0)), "{}", json.text);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json.text).unwrap();
    // All but the last line, which sums up.
    assert_eq!(findings.len(), lines.text.lines().count() - 1);
    for finding in &findings {
        let [state, about] = ["state", "about"].map(|name| finding[name].as_str().unwrap());
        lines.line(&[state, about]);
    }
    let schema = findings.iter().find(|finding| finding["text"] == "the schema is up to date").unwrap();
    assert!(schema["state"] == "ok" && schema["about"] == "database", "{schema}");
}

#[tokio::test]
async fn a_wrong_configuration_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [("GOCHAT__KAFKA__PARTITIONS".to_owned(), "0".to_owned())];
    let said = doctor(folder.path(), &wrong, &[]).await;
    assert!(said.code == Some(2) && said.text.contains("kafka.partitions"), "{}", said.text);
}
