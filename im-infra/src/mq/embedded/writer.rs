//! One thread appends for all topics: whatever waits becomes one write, so producers share its cost without a timer.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    super::{MqError, Room, Routed, Topic},
    Shared,
    damage::is_damage,
    layout::{self, Place},
    unavailable,
};
use crate::clock::Clock;

/// Producers that may wait for the thread.
const JOBS_WAITING_MAX: usize = 1_024;
/// Producers served by one write.
const JOBS_TOGETHER_MAX: usize = 256;
/// How much of a full topic is evicted at once, as a divisor of its bound.
const EVICTION_SHARE: u64 = 16;

struct Job {
    topic: Topic,
    records: Vec<Routed>,
    room: Room,
    done: oneshot::Sender<Result<(), MqError>>,
}

/// The way to the writing thread. Dropping it waits for the thread, so that the folder is free for the next one who opens
/// it.
pub(super) struct Writer {
    /// None once this is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    // The one thread of the log: it does nothing but block on the disk.
    #[allow(clippy::disallowed_methods)]
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(JOBS_WAITING_MAX);
        let thread = thread::Builder::new().name("embedded-log".into()).spawn(move || {
            while let Some(first) = waiting.blocking_recv() {
                let mut together = vec![first];
                while together.len() < JOBS_TOGETHER_MAX
                    && let Ok(job) = waiting.try_recv()
                {
                    together.push(job);
                }
                write(&shared, together);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) async fn append(&self, topic: Topic, records: Vec<Routed>, room: Room) -> Result<(), MqError> {
        let gone = || MqError::Unavailable("the log's thread has ended".into());
        let (done, confirmed) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Job { topic, records, room, done }).await.map_err(|_| gone())?;
        confirmed.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's thread panicked");
        }
    }
}

fn write(shared: &Shared, jobs: Vec<Job>) {
    let now_ms = Clock::system().now_ms();
    let mut batch = shared.database.batch();
    let mut places: HashMap<(Topic, u32), Place> = HashMap::new();
    let mut accepted = Vec::with_capacity(jobs.len());
    for job in jobs {
        if let Err(error) = shared.whole().and_then(|()| make_room(shared, &mut places, &job)) {
            let _ = job.done.send(Err(error));
            continue;
        }
        let topic = shared.topic(job.topic);
        for routed in job.records {
            let place = place_of(shared, &mut places, job.topic, routed.partition);
            let value = layout::encode(routed.record, now_ms);
            place.bytes += value.len() as u64;
            batch.insert(&topic.records, layout::record_key(routed.partition, place.end), value);
            place.end += 1;
        }
        accepted.push(job.done);
    }
    for ((topic, partition), place) in &places {
        batch.insert(&shared.meta, layout::place_key(*topic, *partition), place.encode());
    }
    let written = shared.whole().and_then(|()| shared.done(batch.commit()));
    if written.is_ok() {
        for ((topic, partition), place) in places {
            shared.topic(topic).partitions[partition as usize].publish(place);
        }
    }
    for done in accepted {
        let _ = done.send(written.clone());
    }
}

fn place_of<'a>(
    shared: &Shared,
    places: &'a mut HashMap<(Topic, u32), Place>,
    topic: Topic,
    partition: u32,
) -> &'a mut Place {
    places.entry((topic, partition)).or_insert_with(|| shared.topic(topic).partitions[partition as usize].place())
}

/// Evicts what may go if the job does not fit, or refuses it: for good if it never will.
fn make_room(shared: &Shared, places: &mut HashMap<(Topic, u32), Place>, job: &Job) -> Result<(), MqError> {
    let wanted: u64 = job.records.iter().map(size_of).sum();
    let limit = match job.room {
        Room::External => shared.options.topic_bytes_max.saturating_sub(shared.options.reserve_bytes),
        Room::Internal => shared.options.topic_bytes_max,
    };
    if wanted > limit {
        return Err(MqError::Refused(format!("{wanted} bytes at once, {} holds {limit}", job.topic.name())));
    }
    let used = |places: &mut HashMap<(Topic, u32), Place>| -> u64 {
        (0..shared.options.partitions).map(|partition| place_of(shared, places, job.topic, partition).bytes).sum()
    };
    if used(places) + wanted <= limit {
        return Ok(());
    }
    evict(shared, places, job.topic, wanted.max(shared.options.topic_bytes_max / EVICTION_SHARE))?;
    if used(places) + wanted <= limit { Ok(()) } else { Err(MqError::Full { topic: job.topic.name() }) }
}

/// What a record takes, with its framing.
fn size_of(routed: &Routed) -> u64 {
    routed.record.bytes() as u64 + 24
}

/// Removes the oldest records of a topic that every group has read, from the fullest partitions first.
fn evict(shared: &Shared, places: &mut HashMap<(Topic, u32), Place>, topic: Topic, wanted: u64) -> Result<(), MqError> {
    let mut order: Vec<u32> = (0..shared.options.partitions).collect();
    order.sort_by_key(|&partition| std::cmp::Reverse(place_of(shared, places, topic, partition).bytes));
    let mut freed = 0;
    for partition in order {
        if freed >= wanted {
            break;
        }
        // Only what is in the store already: records of the batch being made are younger than everything evictable.
        let stored_end = shared.topic(topic).partitions[partition as usize].end();
        let mut below = stored_end;
        for &group in topic.groups() {
            below = below.min(shared.committed(group, topic, partition)?.unwrap_or(0));
        }
        let place = place_of(shared, places, topic, partition);
        freed += evict_partition(shared, (topic, partition), place, below, wanted - freed)?;
    }
    Ok(())
}

fn evict_partition(
    shared: &Shared,
    (topic, partition): (Topic, u32),
    place: &mut Place,
    below: u64,
    wanted: u64,
) -> Result<u64, MqError> {
    let records = &shared.topic(topic).records;
    let mut batch = shared.database.batch();
    let mut freed = 0;
    while place.first < below && freed < wanted {
        let key = layout::record_key(partition, place.first);
        match records.get(key) {
            Ok(value) => freed += value.map_or(0, |value| value.len() as u64),
            // It goes all the same: every group has passed it.
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(unavailable(error)),
        }
        batch.remove(records, key);
        place.first += 1;
    }
    place.bytes = place.bytes.saturating_sub(freed);
    // What is in the store of the partition, without the records of the batch being made.
    let stored = shared.topic(topic).partitions[partition as usize].place();
    let shrunk = Place { first: place.first, end: stored.end, bytes: stored.bytes.saturating_sub(freed) };
    batch.insert(&shared.meta, layout::place_key(topic, partition), shrunk.encode());
    shared.done(batch.commit())?;
    shared.topic(topic).partitions[partition as usize].publish(shrunk);
    Ok(freed)
}
