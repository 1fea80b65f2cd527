//! What an operator wants replayed is produced again as it was: a new arrival with its old command id, decided anew.

use std::time::Duration;

use im_infra::{
    lifecycle::Lifecycle,
    mq::{NewRecord, Queue, Room, Topic},
};
use proto::{
    Error,
    mq::Dead,
    repo::{DeadLetter, DeadLetterState, ListDeadLettersRequest, MarkDeadLetterRequest},
};

use crate::repo::Repo;

/// How often the archive is asked.
const POLL_MS: u64 = 1_000;
/// Letters of one answer.
const PAGE: u32 = 50;

/// Replays what is asked for until the process stops.
pub(crate) async fn replay(repo: Repo, queue: Queue, life: Lifecycle) -> Result<(), Error> {
    let stopping = life.stopping();
    loop {
        if let Err(error) = pass(&repo, &queue).await {
            tracing::warn!(%error, "dead letters not replayed, trying again");
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(POLL_MS)) => {}
        }
    }
}

async fn pass(repo: &Repo, queue: &Queue) -> Result<(), Error> {
    let asked = ListDeadLettersRequest { after: 0, limit: PAGE, state: DeadLetterState::Replaying.into() };
    let letters = repo.dead_letters().list(asked).await?.into_inner().dead_letters;
    for letter in letters {
        one(repo, queue, letter).await?;
    }
    Ok(())
}

/// Produced first, then marked: a crash between replays it twice, which the command's id makes harmless.
async fn one(repo: &Repo, queue: &Queue, letter: DeadLetter) -> Result<(), Error> {
    let dead_letter_id = letter.dead_letter_id;
    let record = letter.record.unwrap_or_default();
    let state = match Topic::parse(&record.topic) {
        Some(topic) => {
            queue.produce(topic, vec![as_it_was(record)], Room::Internal).await.map_err(|error| error.about(topic))?;
            tracing::info!(dead_letter_id, topic = topic.name(), "dead letter replayed");
            DeadLetterState::Replayed
        }
        None => {
            tracing::error!(dead_letter_id, topic = record.topic, "dead letter of an unknown topic cannot be replayed");
            DeadLetterState::Parked
        }
    };
    repo.dead_letters().mark(MarkDeadLetterRequest { dead_letter_id, state: state.into(), force: false }).await?;
    Ok(())
}

fn as_it_was(record: Dead) -> NewRecord {
    let headers = record.headers.into_iter().map(|header| (header.name, header.value)).collect();
    NewRecord { key: record.key, payload: record.payload, headers, partition: None }
}
