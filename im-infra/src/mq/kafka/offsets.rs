//! The positions of a group, seen from outside it: consumers that ask and do not join.

use rdkafka::{
    Offset,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};

use super::{
    super::{Group, MqError},
    KafkaOptions,
    callbacks::Events,
    client::{Partition, blocking, signed},
    error::{is_stale_member, unavailable, unusable},
};

/// Where a group will go on reading.
pub(super) async fn committed(
    options: &KafkaOptions,
    group: Group,
    partition: Partition,
) -> Result<Option<u64>, MqError> {
    let (config, timeout) = (options.consumer(&options.group_name(group)), options.request_timeout());
    blocking(move || {
        let consumer: BaseConsumer<Events> =
            config.create_with_context(Events::default()).map_err(|error| unusable(&error))?;
        let list = partition.at(Offset::Invalid).map_err(|error| unavailable(&error))?;
        let list = consumer.committed_offsets(list, timeout).map_err(|error| unavailable(&error))?;
        let elements = list.elements();
        let Some(element) = elements.first() else { return Ok(None) };
        element.error().map_err(|error| unavailable(&error))?;
        match element.offset() {
            Offset::Offset(next) => Ok(u64::try_from(next).ok()),
            _ => Ok(None),
        }
    })
    .await
}

/// Moves a group. The cluster takes such a commit only while the group has no member; it is asked first all the same, for a
/// plain answer.
pub(super) async fn reset(options: &KafkaOptions, group: Group, partition: Partition, to: u64) -> Result<(), MqError> {
    let (name, timeout) = (options.group_name(group), options.request_timeout());
    let config = options.consumer(&name);
    blocking(move || {
        let consumer: BaseConsumer<Events> =
            config.create_with_context(Events::default()).map_err(|error| unusable(&error))?;
        let refused = || MqError::Refused(format!("group {name} has members"));
        let groups = consumer.fetch_group_list(Some(&name), timeout).map_err(|error| unavailable(&error))?;
        if groups.groups().iter().any(|group| !group.members().is_empty()) {
            return Err(refused());
        }
        let list = partition.at(Offset::Offset(signed(to))).map_err(|error| unavailable(&error))?;
        consumer
            .commit(&list, CommitMode::Sync)
            .map_err(|error| if is_stale_member(&error) { refused() } else { unavailable(&error) })
    })
    .await
}
