//! Topics for one run, on a cluster that has others.

use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
};

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Topics that are deleted in the end.
pub(crate) struct Topics {
    admin: AdminClient<DefaultClientContext>,
    names: Vec<String>,
}

impl Topics {
    /// Topics that others make.
    pub(crate) fn known(brokers: &str, names: Vec<String>) -> anyhow::Result<Self> {
        let admin = ClientConfig::new().set("bootstrap.servers", brokers).create().context("cannot use Kafka")?;
        Ok(Self { admin, names })
    }

    /// Makes topics of one partition.
    pub(crate) async fn create(brokers: &str, names: Vec<String>) -> anyhow::Result<Self> {
        let topics = Self::known(brokers, names)?;
        let wanted: Vec<_> =
            topics.names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
        let made = topics.admin.create_topics(&wanted, &options()).await.context("cannot create topics in Kafka")?;
        for result in made {
            if let Err((name, code)) = result {
                bail!("topic {name} could not be created: {code}");
            }
        }
        Ok(topics)
    }

    pub(crate) async fn delete(self) -> anyhow::Result<()> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let gone = self.admin.delete_topics(&names, &options()).await.context("cannot delete topics in Kafka")?;
        for result in gone {
            match result {
                // A system that failed at its start made none.
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => {}
                Err((name, code)) => bail!("topic {name} could not be deleted: {code}"),
            }
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX))
}
