//! Each part of the infrastructure stands still in its turn: clients are told what to do, what was acknowledged stays, and
//! everything goes on when the part is back.

use std::process::Stdio;

use im_infra::{
    session_store::SessionStore as _,
    testing::{eventually, free_address},
};
use proto::client::{self, client_frame::Frame as Out, server_frame::Frame as In};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    client::{Format, Socket, User},
    cluster::Cluster,
    infrastructure::Infrastructure,
    process::command,
    server::At as _,
    whereabouts::session_store,
};

/// Soon given up, soon tried again; a slot for each of the two gateways, and none for a third.
const IMPATIENT: [(&str, &str); 9] = [
    ("GATEWAY__HTTP__OUTCOME_TIMEOUT_MS", "1500"),
    ("GATEWAY__WINDOW__AGE_MAX_MS", "3000"),
    ("GATEWAY__WS__HEARTBEAT_MS", "600000"),
    ("KAFKA__DOWNSTREAM_PARTITIONS", "2"),
    ("KAFKA__SESSION_TIMEOUT_MS", "30000"),
    ("LOGIC__CONSUME__RETRY_MAX_MS", "500"),
    ("REDIS__TIMEOUT_MS", "300"),
    ("REPO__DATABASE__ACQUIRE_TIMEOUT_MS", "1000"),
    ("RPC__DEADLINE_MS", "2000"),
];

/// Alice at one gateway and Bob at another, on infrastructure of their own.
struct Pair {
    cluster: Cluster,
    alice: User,
    bob: User,
    conversation: String,
    a: Socket,
    b: Socket,
    /// Alice's commands that were acknowledged, in their order.
    acknowledged: Vec<String>,
    infrastructure: Infrastructure,
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_are_told_with_what_to_do_and_lose_nothing_that_was_acknowledged() {
    let mut pair = Pair::meet().await;
    pair.p7_without_redis_everybody_is_reached_and_may_come().await;
    pair.without_the_database_nothing_is_acknowledged().await;
    pair.without_kafka_nothing_is_acknowledged().await;
    pair.r10_without_etcd_sockets_stay_and_on_return_clients_sync().await;
    pair.r10_without_a_free_slot_a_gateway_waits_and_one_that_lost_its_own_sends_clients_away().await;
    pair.part().await;
}

impl Pair {
    async fn meet() -> Self {
        let infrastructure = Infrastructure::start().await;
        let cluster = Cluster::with(|variable| infrastructure.address(variable), &IMPATIENT).await;
        let [one, other] = [0, 1].map(|at| cluster.gateways[at].running.address.clone());
        let (alice, bob) = (User::register(&one, "alice").await, User::register(&other, "bob").await);
        let conversation = alice.direct(&bob);
        let a = Socket::open(&one, &alice, Format::Json).await;
        let b = Socket::open(&other, &bob, Format::Proto).await;
        let mut pair = Self { cluster, alice, bob, conversation, a, b, acknowledged: Vec::new(), infrastructure };
        pair.chat("before").await;
        pair
    }

    /// Alice says something: it is acknowledged, and Bob's open socket has it.
    async fn chat(&mut self, command: &str) {
        self.a.send_text(&self.conversation, command, "hello").await;
        self.a.ack(command).await;
        self.acknowledged.push(command.to_owned());
        arrives(&mut self.b, command).await;
    }

    async fn p7_without_redis_everybody_is_reached_and_may_come(&mut self) {
        self.infrastructure.signal("redis", "STOP").await;
        self.chat("redis-1").await;
        // Who comes now has no route.
        let mut late = Socket::open(&self.gateway(), &self.bob, Format::Json).await;
        self.chat("redis-2").await;
        arrives(&mut late, "redis-2").await;
        let logics = self.cluster.logics.iter().map(|node| node.running.admin.clone());
        assert!(sum(logics, "im_session_store_failures_total").await > 0.0);
        self.infrastructure.signal("redis", "CONT").await;
        let store = session_store(&self.cluster);
        eventually("both gateways to say that all their routes are there", || async {
            let found = store.look_up(&[self.bob.id]).await.ok()?;
            let mut slots: Vec<u32> = found.gateways.iter().map(|(_, slot)| *slot).collect();
            slots.sort_unstable();
            (found.complete.len() == 2 && slots == [0, 1] && found.routes.len() == 2).then_some(())
        })
        .await;
        self.chat("redis-3").await;
        arrives(&mut late, "redis-3").await;
    }

    async fn without_the_database_nothing_is_acknowledged(&mut self) {
        self.infrastructure.signal("mariadb", "STOP").await;
        self.sends_two_in_vain("database").await;
        let path = format!("/v1/conversations/{}/messages", self.conversation);
        let read = self.alice.request(&self.gateway(), Method::GET, &path, "", None).await;
        let (status, problem) = (read.status().as_u16(), read.json::<Value>().await.unwrap());
        // Whether it will answer is not known; once no connection is free any more, it is.
        assert!(matches!(status, 503 | 504), "{status} {problem}");
        check(&problem, &["unavailable", "deadline_exceeded"]);
        let logics = || self.cluster.logics.iter().map(|node| node.running.admin.clone());
        eventually("the batch to be tried again", || async {
            (sum(logics(), "im_mq_retries_total").await > 0.0).then_some(())
        })
        .await;
        self.infrastructure.signal("mariadb", "CONT").await;
        self.sends_both_again("database").await;
    }

    async fn without_kafka_nothing_is_acknowledged(&mut self) {
        self.infrastructure.signal("kafka1", "STOP").await;
        self.sends_two_in_vain("kafka").await;
        assert_eq!(self.log().await, self.acknowledged, "reads need no queue");
        self.infrastructure.signal("kafka1", "CONT").await;
        self.sends_both_again("kafka").await;
    }

    async fn r10_without_etcd_sockets_stay_and_on_return_clients_sync(&mut self) {
        let gateways = || self.cluster.gateways.iter().map(|node| node.running.admin.clone());
        assert!(sum(gateways(), "im_slot_held").await == 2.0);
        self.infrastructure.signal("etcd1", "STOP").await;
        for admin in gateways() {
            waits_for(&admin, Some("gateway slot")).await;
        }
        assert!(sum(gateways(), "im_slot_held").await == 0.0);
        let problem = eventually("no id to be minted any more", || async {
            let device = json!({"device_id": "late", "platform": "bot"});
            let body =
                json!({"name": format!("late{}", fastrand::u32(..)), "password": "correct horse", "device": device});
            let url = self.gateway().url("/v1/auth/register");
            let answer = self.alice.http.post(url).json(&body).send().await.unwrap();
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE { answer.json::<Value>().await.ok() } else { None }
        })
        .await;
        check(&problem, &["unavailable"]);
        for socket in [&mut self.a, &mut self.b] {
            socket.send(Out::Ping(client::Ping::default())).await;
            socket.until(|frame| matches!(frame, In::Pong(_)).then_some(())).await;
        }
        assert_eq!(self.log().await, self.acknowledged, "reads need no lease");
        self.a.send_text(&self.conversation, "etcd-1", "hello").await;
        self.infrastructure.signal("etcd1", "CONT").await;
        self.b.until(|frame| matches!(frame, In::Resync(resync) if resync.reason == "registry").then_some(())).await;
        for node in &self.cluster.gateways {
            waits_for(&node.running.admin, None).await;
        }
        self.insist("etcd-1").await;
        arrives(&mut self.b, "etcd-1").await;
    }

    async fn r10_without_a_free_slot_a_gateway_waits_and_one_that_lost_its_own_sends_clients_away(&mut self) {
        // It has to be asked before it says where it listens.
        let (http, admin) = (free_address(), free_address());
        let (folder, mut settings) = self.cluster.operator();
        settings.push(("GOCHAT__GATEWAY__HTTP__LISTEN".into(), http.clone()));
        settings.push(("GOCHAT__ADMIN__LISTEN".into(), admin.clone()));
        let mut third = command(&folder, &settings);
        let _third = third.arg("gateway").stdout(Stdio::inherit()).spawn().unwrap();
        waits_for(&admin, Some("gateway slot")).await;
        eventually("its refusal to be counted", || async {
            (sum([admin.clone()], r#"im_refusals_total{code="no_free_slot"}"#).await > 0.0).then_some(())
        })
        .await;
        // Past its lease and the time of rest of its slot.
        let mut frozen = self.cluster.gateways.remove(1);
        frozen.running.signal("STOP").await;
        waits_for(&admin, None).await;
        frozen.running.signal("CONT").await;
        self.b.until(|frame| matches!(frame, In::Reconnect(_)).then_some(())).await;
        assert_eq!(self.b.closed().await, 1001);
        // It ends by itself, and says that it did not end well: its supervisor starts it anew.
        assert_eq!(frozen.running.terminate().await, Some(1));
        self.b = Socket::open(&http, &self.bob, Format::Json).await;
        self.chat("slot-1").await;
    }

    async fn part(self) {
        let history = self.bob.history(&self.gateway(), &self.conversation).await;
        let seqs: Vec<i64> = history.iter().map(|entry| entry.seq).collect();
        assert!(seqs.iter().copied().eq(1..=seqs.len() as i64), "{seqs:?}");
        assert_eq!(self.log().await, self.acknowledged);
        self.cluster.terminate().await;
    }

    /// One over WebSocket and one over HTTP: of neither the outcome is known in time.
    async fn sends_two_in_vain(&mut self, what: &str) {
        let (first, second) = (format!("{what}-1"), format!("{what}-2"));
        self.a.send_text(&self.conversation, &first, "hello").await;
        let error = self
            .a
            .until(|frame| match frame {
                In::Error(frame) if frame.command_id == first => frame.error,
                In::Ack(ack) => panic!("{ack:?} without its storage"),
                _ => None,
            })
            .await;
        check(&serde_json::to_value(&error).unwrap(), &["outcome_unknown"]);
        assert_eq!(self.a.closed().await, 4411);
        let (status, problem) = self.post(&second).await;
        assert_eq!(status, 504, "{problem}");
        check(&problem, &["outcome_unknown"]);
        let gateway = [self.cluster.gateways[0].running.admin.clone()];
        assert!(sum(gateway, r#"im_refusals_total{code="outcome_unknown"}"#).await >= 2.0);
    }

    /// With the same ids: both are acknowledged, and Bob's open socket has them.
    async fn sends_both_again(&mut self, what: &str) {
        let (first, second) = (format!("{what}-1"), format!("{what}-2"));
        self.insist(&first).await;
        eventually(&format!("{second} to be stored"), || async { (self.post(&second).await.0 == 201).then_some(()) })
            .await;
        self.acknowledged.push(second.clone());
        arrives(&mut self.b, &first).await;
        arrives(&mut self.b, &second).await;
    }

    /// Alice sends it over new connections until it is acknowledged, and stays on the last one.
    async fn insist(&mut self, command: &str) {
        let address = self.gateway();
        self.a = eventually(&format!("{command} to be acknowledged"), || async {
            let mut socket = Socket::try_open(&address, &self.alice).await?;
            socket.try_send_text(&self.conversation, command, "hello").await.ok()?;
            loop {
                match socket.read().await {
                    Ok(Some(In::Ack(ack))) if ack.command_id == command => return Some(socket),
                    Ok(Some(In::Error(_)) | None) | Err(_) => return None,
                    Ok(Some(_)) => {}
                }
            }
        })
        .await;
        self.acknowledged.push(command.to_owned());
    }

    async fn post(&self, command: &str) -> (u16, Value) {
        let path = format!("/v1/conversations/{}/messages", self.conversation);
        self.alice.post(&self.gateway(), &path, command, json!({"content": {"text": {"text": "hello"}}})).await
    }

    /// The commands of the conversation's entries, in their order.
    async fn log(&self) -> Vec<String> {
        let history = self.alice.history(&self.gateway(), &self.conversation).await;
        history.into_iter().map(|entry| entry.command_id).collect()
    }

    /// Alice's.
    fn gateway(&self) -> String {
        self.cluster.gateways[0].running.address.clone()
    }
}

async fn arrives(socket: &mut Socket, command: &str) {
    socket.until(|frame| matches!(frame, In::Entry(entry) if entry.command_id == command).then_some(())).await;
}

/// What a client is told: a code it knows, what to do, and when.
fn check(error: &Value, codes: &[&str]) {
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    assert!(codes.contains(&text("code")), "{error}");
    // `detail` in a problem, `message` in a frame.
    assert!(text("detail").len() + text("message").len() > 20, "{error}");
    let wait = &error["retry_after_ms"];
    let wait_ms = wait.as_u64().or_else(|| wait.as_str()?.parse().ok());
    assert!(wait_ms.is_some_and(|wait_ms| wait_ms > 0), "{error}");
}

/// Waits until a process says that it is ready, or what it lacks.
async fn waits_for(admin: &str, lacks: Option<&str>) {
    eventually(&format!("{admin} to lack {lacks:?}"), || async {
        let answer = reqwest::get(format!("http://{admin}/readyz")).await.ok()?;
        let (status, text) = (answer.status(), answer.text().await.ok()?);
        let is_so = match lacks {
            None => status == StatusCode::OK,
            Some(part) => status == StatusCode::SERVICE_UNAVAILABLE && text.contains(part),
        };
        is_so.then_some(())
    })
    .await;
}

/// The sum of the series that begin so, over some processes.
async fn sum(admins: impl IntoIterator<Item = String>, series: &str) -> f64 {
    let mut sum = 0.0;
    for admin in admins {
        let text = reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with(series));
        sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
    }
    sum
}
