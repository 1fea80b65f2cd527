//! A log whose bytes on the disk are not what was written: told, and never skipped in silence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use im_infra::{
    mq::{EmbeddedLog, EmbeddedLogOptions, MqError, NewRecord, Queue, Room, Topic},
    telemetry::Telemetry,
};
use prost::Message as _;
use proto::mq;

use crate::{
    consume::{Running, quick, start},
    queues::take,
};

fn open(folder: &Path, telemetry: &Telemetry) -> Queue {
    let options = EmbeddedLogOptions { partitions: 1, ..EmbeddedLogOptions::default() };
    Queue::new(EmbeddedLog::open(folder, &options).unwrap(), telemetry)
}

/// A log of so many records in `im.upstream`, closed again.
async fn written(records: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), &Telemetry::for_tests());
    let record = |number: usize| NewRecord::keyed("k", format!("{number:01000}"));
    queue.produce(Topic::Upstream, (0..records).map(record).collect(), Room::Internal).await.unwrap();
    folder
}

/// Changes what the store holds of `im.upstream` behind the log's back.
fn tamper(folder: &Path, change: impl FnOnce(&Keyspace)) {
    let database = Database::builder(folder).open().unwrap();
    change(&database.keyspace("im.upstream.v1", KeyspaceCreateOptions::default).unwrap());
}

/// The key of a record of partition 0.
fn key(offset: u64) -> Vec<u8> {
    [&[0; 4][..], &offset.to_be_bytes()].concat()
}

/// Reads so many letters, and the numbers of the records that were handled.
async fn outcome(queue: &Queue, running: Running, letters: usize, done: usize) -> (Vec<mq::Dead>, Vec<usize>) {
    let done = running.done(done).await.iter().map(|payload| payload.parse().unwrap()).collect();
    let mut reader = queue.read(Topic::Dead, 0, 0).await.unwrap();
    let letters = take(&mut *reader, letters).await;
    let script = running.script.clone();
    running.stop().await;
    assert!(script.parked.lock().unwrap().is_empty(), "what is left does not say who waits");
    assert_eq!(script.lost.lock().unwrap().len(), letters.len(), "but that something is missing");
    (letters.into_iter().map(|record| mq::Dead::decode(record.payload).unwrap()).collect(), done)
}

fn reason(letter: &mq::Dead) -> &str {
    &letter.error.as_ref().unwrap().params["allowed"]
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_a_record_that_cannot_be_decoded_is_set_aside_with_its_bytes_and_the_rest_flows() {
    let folder = written(3).await;
    tamper(folder.path(), |records| records.insert(key(1), [0xff; 9]).unwrap());
    let telemetry = Telemetry::for_tests();
    let queue = open(folder.path(), &telemetry);
    let running = start(&queue, quick(), |_, _| Ok(()));
    let (letters, done) = outcome(&queue, running, 1, 2).await;
    assert_eq!(done, [0, 2]);
    assert_eq!((letters[0].offset, &letters[0].payload[..]), (1, &[0xff; 9][..]));
    assert!(reason(&letters[0]).contains("cannot be decoded"), "{}", reason(&letters[0]));
    assert!(telemetry.metrics_text().unwrap().contains("im_mq_damaged_total{"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_records_that_are_gone_are_told_by_one_letter() {
    let folder = written(5).await;
    tamper(folder.path(), |records| {
        for offset in [1, 2] {
            records.remove(key(offset)).unwrap();
        }
    });
    let queue = open(folder.path(), &Telemetry::for_tests());
    let running = start(&queue, quick(), |_, _| Ok(()));
    let (letters, done) = outcome(&queue, running, 1, 3).await;
    assert_eq!(done, [0, 3, 4]);
    assert!(reason(&letters[0]).starts_with("offsets 1 to 2:"), "{}", reason(&letters[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_records_that_are_gone_at_the_end_are_told_too() {
    let folder = written(3).await;
    tamper(folder.path(), |records| records.remove(key(2)).unwrap());
    let queue = open(folder.path(), &Telemetry::for_tests());
    let mut reader = queue.read(Topic::Upstream, 0, 0).await.unwrap();
    let read = take(&mut *reader, 3).await;
    assert_eq!(read.iter().map(|record| record.damage().is_some()).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_a_damaged_block_of_a_file_costs_its_records_and_every_one_of_them_is_told() {
    const RECORDS: usize = 400;
    let folder = written(RECORDS).await;
    // Out of the journal, into a file of blocks.
    tamper(folder.path(), |records| records.rotate_memtable_and_wait().unwrap());
    let file = largest(&folder.path().join("keyspaces"), &|path| path.parent().unwrap().ends_with("tables"));
    overwrite(&file, fs::metadata(&file).unwrap().len() as usize / 2);

    let queue = open(folder.path(), &Telemetry::for_tests());
    let running = start(&queue, quick(), |_, _| Ok(()));
    let last = format!("{:01000}", RECORDS - 1);
    im_infra::testing::eventually("the last record", || async { running.done(0).await.contains(&last).then_some(()) })
        .await;
    let handled = running.done(0).await.len();
    let letters = queue.end(Topic::Dead, 0).await.unwrap();
    let (letters, done) = outcome(&queue, running, usize::try_from(letters).unwrap(), handled).await;
    let mut told: Vec<usize> = letters.iter().flat_map(|letter| gap(reason(letter))).collect();
    assert!((1..RECORDS / 4).contains(&told.len()), "{told:?}");
    told.extend(done);
    told.sort_unstable();
    assert_eq!(told, (0..RECORDS).collect::<Vec<_>>(), "each is handled or told, none both");
}

/// Of "offsets 3 to 5: ...".
fn gap(reason: &str) -> std::ops::RangeInclusive<usize> {
    let numbers = reason.strip_prefix("offsets ").and_then(|rest| rest.split_once(':')).unwrap().0;
    let (first, last) = numbers.split_once(" to ").unwrap();
    first.parse().unwrap()..=last.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_is_refused_with_the_folder_and_what_to_do() {
    let folder = written(3).await;
    let file = largest(folder.path(), &|path| path.extension().is_some_and(|extension| extension == "jnl"));
    let bytes = fs::read(&file).unwrap();
    let zeros = [b'0'; 900];
    let inside = bytes.windows(zeros.len()).position(|window| window == zeros).unwrap();
    overwrite(&file, inside + 100);
    let options = EmbeddedLogOptions { partitions: 1, ..EmbeddedLogOptions::default() };
    let told = EmbeddedLog::open(folder.path(), &options).err().unwrap();
    let MqError::Refused(text) = &told else { panic!("{told:?}") };
    assert!(text.contains(&folder.path().display().to_string()) && text.contains("move it away"), "{text}");
}

/// The largest file below a folder that is wanted.
fn largest(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&path) {
                files.push(path);
            }
        }
    }
    files.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

/// Sixteen bytes that nobody wrote.
fn overwrite(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at..at + 16].fill(0xa5);
    fs::write(file, bytes).unwrap();
}
