//! The table of topics in Kafka's words: what new topics are made with, and how topics that are there differ from it.

use std::collections::HashMap;

use rdkafka::admin::{ConfigEntry, ConfigResource};

use super::super::{CLEANUP, Topic};

/// Settings by name, as a cluster tells them.
pub(super) type Settings = HashMap<String, String>;

/// Copies from which on a record needs two of them to be confirmed: one may be lost, and one may be away.
const SAFE_REPLICATION: i32 = 3;

const RETENTION: &str = "retention.ms";
const MESSAGE_BYTES: &str = "max.message.bytes";
const CLEANUP_POLICY: &str = "cleanup.policy";

/// The largest of all topics.
pub(super) fn message_bytes_max() -> usize {
    Topic::ALL.into_iter().map(|topic| topic.facts().message_bytes_max).max().unwrap_or_default()
}

/// What a topic is made with.
pub(super) fn of_new(topic: Topic, replication: i32) -> Vec<(&'static str, String)> {
    let facts = topic.facts();
    let mut settings = vec![
        (RETENTION, facts.retention_ms.to_string()),
        (MESSAGE_BYTES, facts.message_bytes_max.to_string()),
        (CLEANUP_POLICY, CLEANUP.to_owned()),
    ];
    if replication >= SAFE_REPLICATION {
        settings.push(("min.insync.replicas", "2".to_owned()));
    }
    settings
}

/// What a cluster told.
pub(super) fn found(resource: ConfigResource) -> Settings {
    let value = |entry: ConfigEntry| Some((entry.name, entry.value?));
    resource.entries.into_iter().filter_map(value).collect()
}

/// Where a topic is not as the table wants it, and what follows. What was not told is not judged.
pub(super) fn differences(topic: Topic, found: &Settings) -> Vec<String> {
    let facts = topic.facts();
    let number = |name: &str| found.get(name).and_then(|value| value.parse::<i64>().ok());
    let mut told = Vec::new();
    if let Some(retention_ms) = number(RETENTION)
        && retention_ms != facts.retention_ms
    {
        told.push(format!("{RETENTION} is {retention_ms} and should be {}", facts.retention_ms));
    }
    if let Some(bytes) = number(MESSAGE_BYTES)
        && bytes < i64::try_from(facts.message_bytes_max).unwrap_or(i64::MAX)
    {
        told.push(format!("{MESSAGE_BYTES} is {bytes}, and records may need {}", facts.message_bytes_max));
    }
    if let Some(policy) = found.get(CLEANUP_POLICY)
        && policy != CLEANUP
    {
        told.push(format!(
            "{CLEANUP_POLICY} is {policy}, which throws away records that count, and should be {CLEANUP}"
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(settings: &[(&str, String)]) -> Settings {
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_topic_that_was_made_by_the_table_does_not_differ_from_it() {
        for topic in Topic::ALL {
            assert_eq!(differences(topic, &settings(&of_new(topic, 3))), Vec::<String>::new());
        }
        assert_eq!(differences(Topic::Dead, &Settings::new()), Vec::<String>::new(), "nothing was told");
    }

    #[test]
    fn a_topic_that_loses_or_refuses_records_is_told() {
        let made = [
            (RETENTION, "60000".to_owned()),
            (MESSAGE_BYTES, "1048588".to_owned()),
            (CLEANUP_POLICY, "compact".to_owned()),
        ];
        assert_eq!(differences(Topic::Dead, &settings(&made)).len(), 3);
        assert_eq!(differences(Topic::Upstream, &settings(&made)).len(), 2, "a larger one does no harm");
    }
}
