//! What a cluster says of itself and of our topics. Nothing is asked for that would make a topic.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::{Metadata, MetadataTopic},
};
use tokio::runtime::Handle;

use super::{
    super::{Group, MqError, Topic},
    Kafka, KafkaOptions, admin,
    callbacks::{Events, Quiet},
    client::{blocking, native},
    error::{unavailable, unusable},
    settings::{self, Settings},
};
use crate::inspection::Inspection;

/// What decides over a topic's records.
const TOPIC_SETTINGS: [&str; 5] =
    ["min.insync.replicas", "unclean.leader.election.enable", "max.message.bytes", "retention.ms", "cleanup.policy"];
/// What a topic gets that is made without saying otherwise.
const BROKER_SETTINGS: [&str; 4] =
    ["default.replication.factor", "min.insync.replicas", "unclean.leader.election.enable", "message.max.bytes"];
/// Where a cluster keeps the positions of groups. To ask for a position makes it.
const POSITIONS: &str = "__consumer_offsets";

impl Kafka {
    /// Brokers, their settings, our topics against the configuration, and how far each group is behind. Makes nothing. For a
    /// cluster that is dead it takes all of `limit`, on a thread that blocks.
    ///
    /// # Errors
    /// [`MqError::Refused`] if a setting is wrong, [`MqError::Unavailable`] if the cluster does not answer.
    pub async fn inspect(options: &KafkaOptions, limit: Duration) -> Result<Inspection, MqError> {
        let (options, runtime) = (options.clone(), Handle::current());
        blocking(move || {
            let admin: AdminClient<Quiet> =
                options.client().create_with_context(Quiet).map_err(|error| unusable(&error))?;
            let until = Instant::now() + limit;
            let look = Look { options, runtime, admin, until };
            let mut found = Inspection::default();
            look.at_all(&mut found)?;
            Ok(found)
        })
        .await
    }
}

struct Look {
    options: KafkaOptions,
    runtime: Handle,
    admin: AdminClient<Quiet>,
    until: Instant,
}

impl Look {
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn at_all(&self, found: &mut Inspection) -> Result<(), MqError> {
        // Of all topics: to ask for one by its name may make it.
        let metadata = self.admin.inner().fetch_metadata(None, self.left()).map_err(|error| unavailable(&error))?;
        self.at_brokers(&metadata, found);
        self.at_topics(&metadata, found);
        Ok(())
    }

    fn at_brokers(&self, metadata: &Metadata, found: &mut Inspection) {
        let names: Vec<_> =
            metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
        found.fact("brokers", names.join(", "));
        let Some(first) = metadata.brokers().first() else { return };
        match self.settings(&ResourceSpecifier::Broker(first.id())) {
            Ok(settings) => found.fact(format!("broker {}", first.id()), line(&settings, &BROKER_SETTINGS)),
            Err(error) => found.warning(format_args!("the settings of brokers are not told: {error}")),
        }
    }

    fn at_topics(&self, metadata: &Metadata, found: &mut Inspection) {
        let mut missing = Vec::new();
        let mut verdicts = Verdicts::default();
        let has_positions = metadata.topics().iter().any(|topic| topic.name() == POSITIONS);
        for topic in Topic::ALL {
            let name = self.options.topic_name(topic);
            let Some(there) = metadata.topics().iter().find(|there| there.name() == name) else {
                missing.push(name);
                continue;
            };
            // The list of partitions must not be touched where there is an error.
            if let Some(error) = there.error() {
                found.failure(format_args!("topic {name}: {}", Code::from(error)));
                continue;
            }
            let count = u32::try_from(there.partitions().len()).unwrap_or(u32::MAX);
            if let Err(MqError::Refused(text)) = admin::check(&self.options, topic, count) {
                found.failure(text);
            }
            self.at_topic(topic, there, &mut verdicts, found);
            for group in topic.groups().iter().filter(|_| has_positions) {
                self.at_group(*group, &name, count, found);
            }
        }
        verdicts.tell(found);
        let brokers = metadata.brokers().len();
        if !missing.is_empty() {
            found.warning(format_args!("topics that are missing, made at the first start: {}", missing.join(", ")));
            if usize::try_from(self.options.replication).is_ok_and(|copies| copies > brokers) {
                let copies = self.options.replication;
                found.failure(format_args!("topics shall have {copies} copies, and there are {brokers} brokers"));
            }
        }
    }

    fn at_topic(&self, topic: Topic, there: &MetadataTopic, verdicts: &mut Verdicts, found: &mut Inspection) {
        let name = there.name();
        let settings = self.settings(&ResourceSpecifier::Topic(name)).unwrap_or_else(|error| {
            found.warning(format_args!("the settings of {name} are not told: {error}"));
            Settings::new()
        });
        let partitions = there.partitions();
        let shape = Shape {
            copies: partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or_default(),
            leaderless: partitions.iter().any(|partition| partition.leader() < 0),
            lagging: partitions.iter().any(|partition| partition.isr().len() < partition.replicas().len()),
        };
        let (count, copies) = (partitions.len(), shape.copies);
        let settings_line = line(&settings, &TOPIC_SETTINGS);
        found.fact(format!("topic {name}"), format_args!("partitions {count}, copies {copies}, {settings_line}"));
        verdicts.judge(name, &shape, &settings);
        for difference in settings::differences(topic, &settings) {
            found.warning(format_args!("topic {name}: {difference}"));
        }
    }

    fn settings(&self, of: &ResourceSpecifier<'_>) -> Result<Settings, MqError> {
        let request = AdminOptions::new().request_timeout(Some(self.left()));
        let told = self.runtime.block_on(self.admin.describe_configs([of], &request));
        match told.map_err(|error| unavailable(&error))?.pop() {
            Some(Ok(resource)) => Ok(settings::found(resource)),
            Some(Err(code)) => Err(MqError::Unavailable(code.to_string())),
            None => Ok(Settings::new()),
        }
    }

    fn at_group(&self, group: Group, topic: &str, partitions: u32, found: &mut Inspection) {
        let name = self.options.group_name(group);
        match self.behind(&name, topic, partitions) {
            Ok(records) => found.fact(format!("group {name}"), format_args!("{records} records behind on {topic}")),
            Err(error) => found.warning(format_args!("how far {name} is on {topic} is not told: {error}")),
        }
    }

    /// Records of the topic that the group has yet to read. Where it has never been, that is all there ever were.
    fn behind(&self, group: &str, topic: &str, partitions: u32) -> Result<u64, MqError> {
        let consumer: BaseConsumer<Events> =
            self.options.consumer(group).create_with_context(Events::default()).map_err(|error| unusable(&error))?;
        let asked = |offset| {
            let mut list = TopicPartitionList::with_capacity(usize::try_from(partitions).unwrap_or_default());
            for partition in 0..partitions {
                list.add_partition_offset(topic, native(partition), offset)?;
            }
            Ok::<_, KafkaError>(list)
        };
        let read = asked(Offset::Invalid).and_then(|list| consumer.committed_offsets(list, self.left()));
        let read = offsets(&read.map_err(|error| unavailable(&error))?);
        // The end, asked for like a time: one request for each broker, not two for each partition.
        let ends = asked(Offset::End).and_then(|list| consumer.offsets_for_times(list, self.left()));
        let ends = offsets(&ends.map_err(|error| unavailable(&error))?);
        Ok(ends
            .iter()
            .map(|(partition, end)| end.saturating_sub(read.get(partition).copied().unwrap_or_default()))
            .sum())
    }
}

/// Offsets by partition, those that are known.
fn offsets(list: &TopicPartitionList) -> BTreeMap<i32, u64> {
    let known = |offset| match offset {
        Offset::Offset(offset) => u64::try_from(offset).ok(),
        _ => None,
    };
    let elements = list.elements();
    elements.iter().filter_map(|element| Some((element.partition(), known(element.offset())?))).collect()
}

fn line(settings: &Settings, names: &[&str]) -> String {
    let told = names.iter().map(|name| format!("{name} {}", settings.get(*name).map_or("?", String::as_str)));
    told.collect::<Vec<_>>().join(", ")
}

/// How a topic lies on the brokers.
#[derive(Clone, Copy)]
struct Shape {
    /// Of the partition that has the fewest.
    copies: usize,
    /// A partition has no leader.
    leaderless: bool,
    /// A copy is not up to date.
    lagging: bool,
}

/// What follows for the records, and for which topics.
#[derive(Default)]
struct Verdicts {
    warnings: BTreeMap<&'static str, Vec<String>>,
    failures: BTreeMap<&'static str, Vec<String>>,
}

impl Verdicts {
    fn judge(&mut self, topic: &str, shape: &Shape, settings: &Settings) {
        let number = |name: &str| settings.get(name)?.parse::<u64>().ok();
        let copies = u64::try_from(shape.copies).unwrap_or(u64::MAX);
        let needed = number("min.insync.replicas");
        let unclean = settings.get("unclean.leader.election.enable").is_some_and(|value| value == "true");
        let failures = [
            (shape.leaderless, "partitions without a leader"),
            (needed.is_some_and(|needed| needed > copies), "min.insync.replicas is more than there are copies"),
        ];
        let warnings = [
            (copies == 1, "one copy of each partition: a broker that is lost takes its records along"),
            (copies > 1 && needed == Some(1), "a record is confirmed when one broker has it (min.insync.replicas)"),
            (copies > 1 && needed == Some(copies), "no broker may be away (min.insync.replicas is all copies)"),
            (copies > 1 && unclean, "unclean.leader.election.enable: confirmed records may be lost"),
            (shape.lagging, "copies that are not up to date"),
        ];
        for (all, judged) in [(&mut self.failures, failures.as_slice()), (&mut self.warnings, warnings.as_slice())] {
            for (_, text) in judged.iter().filter(|(applies, _)| *applies) {
                all.entry(*text).or_default().push(topic.to_owned());
            }
        }
    }

    fn tell(self, found: &mut Inspection) {
        for (text, topics) in self.failures {
            found.failure(format_args!("{text}: {}", topics.join(", ")));
        }
        for (text, topics) in self.warnings {
            found.warning(format_args!("{text}: {}", topics.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(copies: usize, settings: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut verdicts = Verdicts::default();
        verdicts.judge("t", &Shape { copies, leaderless: false, lagging: false }, &settings);
        let mut found = Inspection::default();
        verdicts.tell(&mut found);
        (found.failures, found.warnings)
    }

    #[test]
    fn three_copies_of_which_two_confirm_are_well() {
        let settings = [("min.insync.replicas", "2"), ("unclean.leader.election.enable", "false")];
        assert_eq!(judged(3, &settings), (vec![], vec![]));
    }

    #[test]
    fn what_may_lose_or_refuse_records_is_told() {
        let settings = [("min.insync.replicas", "1"), ("unclean.leader.election.enable", "true")];
        assert_eq!(judged(3, &settings).1.len(), 2);
        assert_eq!(judged(1, &settings[..1]).1.len(), 1);
        let more_than_there_are = judged(1, &[("min.insync.replicas", "2")]);
        assert!(more_than_there_are.0[0].contains("min.insync.replicas"), "{more_than_there_are:?}");
    }
}
