//! docs/topics.md is made of the table of topics, so it cannot lag behind.

use std::{fmt::Write as _, fs, path::Path};

use im_infra::mq::{CLEANUP, Partitioning, Topic};

const DAY_MS: i64 = 86_400_000;

fn rendered() -> String {
    let mut text = format!(
        "# Topics\n\n\
         Written from `im-infra/src/mq/table.rs` by a test (`GOCHAT_WRITE=1 cargo nextest run -E 'test(documents)'`); do not edit.\n\n\
         Names get `kafka.namespace` in front. Missing topics are made at the start of a service with the settings below; one that\n\
         is there and differs is taken as it is, with a warning in the log and in `gochat doctor`. `cleanup.policy` is `{CLEANUP}`\n\
         everywhere. Payloads are messages of `proto/im/mq/v1`. The embedded log of standalone keeps records until the bytes of\n\
         `log.topic_bytes_max` are needed, and never throws away what a group has yet to read.\n\n\
         `im.upstream` must forget a command sooner than im-repo forgets its rejection (`repo.rejections_kept_ms`).\n\n\
         | topic | payload | key | partitions | written by | read by | groups | `retention.ms` | `max.message.bytes` | largest record |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    for topic in Topic::ALL {
        let facts = topic.facts();
        let partitions = match facts.partitioning {
            Partitioning::Key => "`kafka.partitions`, fixed for ever",
            Partitioning::Slot => "`kafka.downstream_partitions`, may grow",
        };
        let groups: Vec<_> = facts.groups.iter().map(|group| format!("`{}`", group.name())).collect();
        let groups = if groups.is_empty() { "none".to_owned() } else { groups.join(", ") };
        let retention = format!("{} ({} d)", facts.retention_ms, facts.retention_ms / DAY_MS);
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} | {partitions} | {} | {} | {groups} | {retention} | {} | {} bytes |",
            facts.name,
            facts.payload,
            facts.key,
            facts.written_by,
            facts.read_by,
            facts.message_bytes_max,
            topic.record_bytes_max(),
        );
    }
    text
}

#[test]
#[allow(clippy::disallowed_methods)] // tests have no configuration
fn the_page_of_topics_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/topics.md");
    if std::env::var_os("GOCHAT_WRITE").is_some() {
        fs::write(&path, rendered()).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, rendered(), "run: GOCHAT_WRITE=1 cargo nextest run -E 'test(documents)'");
}
