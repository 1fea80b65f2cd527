//! The topics: made where they are missing, counted where they are not.

use std::collections::HashMap;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::RDKafkaErrorCode as Code,
};
use tokio::runtime::Handle;

use super::{
    super::{MqError, Partitioning, Topic},
    KafkaOptions,
    callbacks::Quiet,
    client::{native, within},
    error::{unavailable, unusable},
    settings,
};

/// Makes the topics that are missing and returns how many partitions each has. Blocks.
pub(super) fn prepare(options: &KafkaOptions, runtime: &Handle) -> Result<HashMap<Topic, u32>, MqError> {
    let admin: AdminClient<Quiet> = options.client().create_with_context(Quiet).map_err(|error| unusable(&error))?;
    create(&admin, options, runtime)?;
    let mut partitions = HashMap::new();
    for topic in Topic::ALL {
        let found = count(&admin, options, topic)?;
        check(options, topic, found)?;
        partitions.insert(topic, found);
    }
    compare(&admin, options, runtime);
    Ok(partitions)
}

/// Asks for all of them without looking first: to look for a topic may create it, with the cluster's own settings.
fn create(admin: &AdminClient<Quiet>, options: &KafkaOptions, runtime: &Handle) -> Result<(), MqError> {
    let names = Topic::ALL.map(|topic| (topic, options.topic_name(topic)));
    let settings = Topic::ALL.map(|topic| settings::of_new(topic, options.replication));
    let topics = names.iter().zip(&settings).map(|((topic, name), settings)| {
        let partitions = native(options.configured_partitions(*topic));
        let wanted = NewTopic::new(name, partitions, TopicReplication::Fixed(options.replication));
        settings.iter().fold(wanted, |wanted, (key, value)| wanted.set(key, value))
    });
    let topics: Vec<_> = topics.collect();
    let timeout = Some(options.request_timeout());
    let request = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let results = runtime.block_on(admin.create_topics(&topics, &request)).map_err(|error| unavailable(&error))?;
    for result in results {
        match result {
            Ok(name) => tracing::info!(topic = %name, "topic created"),
            Err((_, Code::TopicAlreadyExists)) => {}
            // Someone else makes the topics here; whether they did is looked at next.
            Err((name, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)) => {
                tracing::debug!(topic = %name, "not allowed to create topics");
            }
            Err((name, code @ (Code::InvalidPartitions | Code::InvalidConfig | Code::PolicyViolation))) => {
                return Err(MqError::Refused(format!("topic {name}: {code}")));
            }
            Err((name, code)) => return Err(MqError::Unavailable(format!("topic {name}: {code}"))),
        }
    }
    Ok(())
}

/// Tells where a topic that was there already is not as the table wants it. It is the operator's to change, and works as it
/// is until a record is too large or was thrown away too early.
fn compare(admin: &AdminClient<Quiet>, options: &KafkaOptions, runtime: &Handle) {
    let names = Topic::ALL.map(|topic| options.topic_name(topic));
    let topics: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let request = AdminOptions::new().request_timeout(Some(options.request_timeout()));
    let told = match runtime.block_on(admin.describe_configs(&topics, &request)) {
        Ok(told) => told,
        Err(error) => return tracing::debug!(%error, "settings of topics are not told"),
    };
    // The answers come in the order of the questions.
    for ((topic, name), told) in Topic::ALL.into_iter().zip(&names).zip(told) {
        match told {
            Ok(resource) => {
                for difference in settings::differences(topic, &settings::found(resource)) {
                    tracing::warn!(topic = %name, "{difference}");
                }
            }
            Err(code) => tracing::debug!(topic = %name, %code, "settings of the topic are not told"),
        }
    }
}

/// How many partitions a topic has, as soon as the cluster knows.
fn count(admin: &AdminClient<Quiet>, options: &KafkaOptions, topic: Topic) -> Result<u32, MqError> {
    let name = options.topic_name(topic);
    within(options.request_timeout(), |left| {
        let answer = admin.inner().fetch_metadata(Some(&name), left);
        let metadata = answer.map_err(|error| unavailable(&error))?;
        // The list of partitions must not be touched where there is an error.
        let found = metadata.topics().first().filter(|found| found.error().is_none());
        let missing = || MqError::Unavailable(format!("topic {name} does not exist"));
        found.map(|found| u32::try_from(found.partitions().len()).unwrap_or(u32::MAX)).ok_or_else(missing)
    })
}

pub(super) fn check(options: &KafkaOptions, topic: Topic, found: u32) -> Result<(), MqError> {
    let wanted = options.configured_partitions(topic);
    let fits = match topic.facts().partitioning {
        Partitioning::Slot => found >= wanted,
        Partitioning::Key => found == wanted,
    };
    if fits {
        return Ok(());
    }
    let name = options.topic_name(topic);
    Err(MqError::Refused(format!("topic {name} has {found} partitions, the configuration says {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_order_hangs_on_its_partitions_must_have_as_many_as_configured() {
        let options = KafkaOptions { partitions: 16, downstream_partitions: 8, ..KafkaOptions::default() };
        assert!(check(&options, Topic::Upstream, 16).is_ok());
        assert!(check(&options, Topic::Upstream, 17).is_err_and(|error| !error.is_transient()));
        assert!(check(&options, Topic::Downstream, 12).is_ok());
        assert!(check(&options, Topic::Downstream, 7).is_err());
    }
}
