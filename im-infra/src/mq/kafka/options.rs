//! How to reach the cluster, and what each kind of client is told.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use serde::{Deserialize, Serialize};

use super::{
    super::{Group, Partitioning, Topic},
    settings,
};
use crate::config::{Check, Report, Secret};

/// How to reach Kafka, and how its topics look.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaOptions {
    /// Where to begin: `host:port`, several with commas.
    pub brokers: String,
    /// Put before the names of topics and groups, so that several deployments share a cluster.
    pub namespace: String,
    /// Partitions of every topic but downstream. Fixed for the life of a topic: the order of a conversation hangs on it.
    pub partitions: u32,
    /// Partitions of downstream, which are the gateways' slots. A topic that has more already is taken as it is.
    pub downstream_partitions: u32,
    /// Copies of each partition of a topic that is created; -1 leaves it to the cluster. With three or more, a record is
    /// confirmed when two of them have it.
    pub replication: i32,
    /// After so long without a sign of life a member of a group loses its partitions. The cluster allows 6 s or more
    /// unless it is told otherwise.
    pub session_timeout_ms: u32,
    /// How long to wait for an answer about topics and offsets.
    pub request_timeout_ms: u32,
    /// How long a record waits for others to travel with; 0 still takes along what waits anyway.
    pub linger_ms: u32,
    /// Records that may wait to be confirmed.
    pub produce_records_max: u32,
    /// Kilobytes of records that may wait to be confirmed.
    pub produce_kbytes_max: u32,
    /// Kilobytes of records that are fetched ahead, for each partition.
    pub fetch_kbytes_max: u32,
    /// librdkafka's own settings, with `_` for `.`: `security_protocol`, `sasl_mechanism`, `sasl_username`,
    /// `sasl_password`. They cannot change what the promises stand on (acks, offsets, idempotence).
    pub properties: BTreeMap<String, Secret>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".into(),
            namespace: String::new(),
            partitions: 16,
            downstream_partitions: 64,
            replication: 1,
            session_timeout_ms: 10_000,
            request_timeout_ms: 10_000,
            linger_ms: 0,
            produce_records_max: 100_000,
            produce_kbytes_max: 65_536,
            fetch_kbytes_max: 8_192,
            properties: BTreeMap::new(),
        }
    }
}

/// Records that travel together; a larger one travels alone.
const BATCH_BYTES_MAX: u32 = 1_000_000;
/// The longest that the members of a revoked partition may take to finish their batch.
const GRACE_MAX: Duration = Duration::from_secs(2);

impl Check for KafkaOptions {
    fn check(&self, report: &mut Report) {
        report.require(!self.brokers.trim().is_empty(), "kafka.brokers", "", "host:port, several with commas");
        report.range("kafka.partitions", self.partitions, 1..=10_000);
        report.range("kafka.downstream_partitions", self.downstream_partitions, 1..=10_000);
        let copies = self.replication;
        report.require(copies == -1 || (1..=100).contains(&copies), "kafka.replication", copies, "-1 or 1 to 100");
        report.range("kafka.session_timeout_ms", self.session_timeout_ms, 500..=300_000);
        report.range("kafka.request_timeout_ms", self.request_timeout_ms, 100..=120_000);
        // A record that waits for others must not keep its producer waiting for longer than an answer may take.
        report.range("kafka.linger_ms", self.linger_ms, 0..=(self.request_timeout_ms / 2).min(1_000));
        // 0 would mean without end.
        report.range("kafka.produce_records_max", self.produce_records_max, 100..=10_000_000);
        // The largest record must find room; more than librdkafka's own bound it would not take.
        report.range("kafka.produce_kbytes_max", self.produce_kbytes_max, 4_096..=2_097_151);
        report.range("kafka.fetch_kbytes_max", self.fetch_kbytes_max, 64..=2_097_151);
        let is = |name: &str, value: &str| {
            self.properties.get(name).is_some_and(|held| held.expose().eq_ignore_ascii_case(value))
        };
        let plain = is("sasl_mechanism", "PLAIN") || is("sasl_mechanisms", "PLAIN");
        let key = "kafka.properties.sasl_mechanism";
        report.require(plain || !is("security_protocol", "sasl_plaintext"), key, "", "PLAIN, with sasl_plaintext");
        for (name, value) in &self.properties {
            let allowed = "what works without OpenSSL, which is not built in: security_protocol plaintext or \
                           sasl_plaintext, sasl_mechanism PLAIN";
            let key = format!("kafka.properties.{name}");
            report.require(!needs_openssl(name, value.expose()), &key, "***", allowed);
        }
    }
}

/// What librdkafka can do with OpenSSL alone.
fn needs_openssl(name: &str, value: &str) -> bool {
    match name {
        "security_protocol" => value.to_ascii_lowercase().ends_with("ssl"),
        "sasl_mechanism" | "sasl_mechanisms" => !value.eq_ignore_ascii_case("PLAIN"),
        _ => name.starts_with("ssl_") || name.starts_with("enable_ssl_"),
    }
}

impl KafkaOptions {
    pub(super) fn topic_name(&self, topic: Topic) -> String {
        format!("{}{}", self.namespace, topic.name())
    }

    pub(super) fn group_name(&self, group: Group) -> String {
        format!("{}{}", self.namespace, group.name())
    }

    pub(super) const fn configured_partitions(&self, topic: Topic) -> u32 {
        match topic.facts().partitioning {
            Partitioning::Slot => self.downstream_partitions,
            Partitioning::Key => self.partitions,
        }
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms.into())
    }

    pub(super) fn session_timeout(&self) -> Duration {
        Duration::from_millis(self.session_timeout_ms.into())
    }

    pub(super) fn grace(&self) -> Duration {
        GRACE_MAX.min(self.session_timeout() / 2)
    }

    /// What every client shares. The defaults of librdkafka wait up to 10 s before they connect again.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.as_str())
            .set("client.id", "gochat")
            .set("socket.timeout.ms", "15000")
            .set("socket.keepalive.enable", "true")
            // Small requests must not wait for the answer to the one before.
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.ms", "20")
            .set("retry.backoff.max.ms", "500")
            // A partition whose leader was missed when it changed is found again by then at the latest.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("log.connection.close", "false");
        for (key, value) in &self.properties {
            config.set(key.replace('_', "."), value.expose());
        }
        config
            .set("allow.auto.create.topics", "false")
            // Of a producer its largest request, of a consumer the largest record that it is prepared for.
            .set("message.max.bytes", settings::message_bytes_max().to_string())
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// Nothing is given up by time (0 means never): how long to wait is the caller's to say.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            // A batch of records has to fit into every topic, as its largest record does.
            .set("batch.size", BATCH_BYTES_MAX.to_string())
            .set("linger.ms", self.linger_ms.to_string())
            .set("queue.buffering.max.messages", self.produce_records_max.to_string())
            .set("queue.buffering.max.kbytes", self.produce_kbytes_max.to_string());
        config
    }

    /// Positions are always explicit: one that is out of range is an error, and nothing is committed unasked. A broker
    /// answers a fetch as soon as it has a record; the wait only sets how often an idle partition is asked about, and for how
    /// long a partition that is gained may have to wait for its first fetch.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "false")
            .set("fetch.wait.max.ms", "250")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "50")
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", self.fetch_kbytes_max.to_string());
        config
    }

    pub(super) fn member(&self, group: Group) -> ClientConfig {
        let mut config = self.consumer(&self.group_name(group));
        // A rebalance is noticed by the next heartbeat.
        let heartbeat_ms = (self.session_timeout_ms / 10).clamp(100, 1_000);
        config
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", heartbeat_ms.to_string());
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_adds_settings_but_cannot_weaken_the_promises() {
        let properties = [("security_protocol", "sasl_plaintext"), ("acks", "1"), ("auto_offset_reset", "latest")];
        let options = KafkaOptions {
            properties: properties.into_iter().map(|(key, value)| (key.to_owned(), Secret::new(value))).collect(),
            ..KafkaOptions::default()
        };
        assert_eq!(options.producer().get("security.protocol"), Some("sasl_plaintext"));
        assert_eq!(options.producer().get("acks"), Some("all"));
        assert_eq!(options.member(Group::Logic).get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn the_largest_record_fits_into_what_may_wait_and_a_batch_into_every_topic() {
        let config = KafkaOptions::default().producer();
        let number = |key: &str| config.get(key).unwrap().parse::<usize>().unwrap();
        assert!(Topic::ALL.into_iter().all(|topic| number("batch.size") <= topic.record_bytes_max()));
        assert_eq!(number("message.max.bytes"), Topic::Dead.facts().message_bytes_max);
        let narrow = KafkaOptions {
            produce_kbytes_max: 3_072,
            linger_ms: 100,
            request_timeout_ms: 150,
            ..KafkaOptions::default()
        };
        let mut report = Report::default();
        narrow.check(&mut report);
        let keys: Vec<_> = report.into_error().mistakes.into_iter().map(|mistake| mistake.key).collect();
        assert_eq!(keys, ["kafka.linger_ms", "kafka.produce_kbytes_max"]);
    }

    #[test]
    fn a_namespace_keeps_deployments_apart() {
        let options = KafkaOptions { namespace: "a.".into(), ..KafkaOptions::default() };
        assert_eq!(options.topic_name(Topic::Upstream), "a.im.upstream.v1");
        assert_eq!(options.group_name(Group::Task), "a.im-task");
    }
}
