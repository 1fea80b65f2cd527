//! im-task: entries of large conversations become broadcasts to every live gateway, by im-task's own packing.

use std::collections::BTreeMap;

use im_infra::{
    gateways::{Gateway, Letters},
    mq::Topic,
};
use im_task::machines::{becomes_large, broadcast, index};
use prost::Message as _;
use proto::{
    message::Entry,
    mq::{self, MemberIndex, MemberInterval, task},
};

use crate::{
    event::{Event, Process, TaskEvent},
    faults::RESTART,
    world::World,
};

/// Records of one batch; members of one page; until a batch that failed is tried again.
const BATCH_MAX: usize = 3;
const PAGE_MEMBERS: usize = 2;
const RETRY_US: (u64, u64) = (20_000, 200_000);

/// The process, which has all partitions.
#[derive(Default)]
pub(crate) struct Task {
    epoch: u64,
    is_up: bool,
    workers: BTreeMap<u32, Worker>,
}

/// Who reads a partition.
#[derive(Default)]
struct Worker {
    generation: u64,
    next: u64,
    end: u64,
    is_busy: bool,
    entries: Vec<Entry>,
    /// The entry that is packed next.
    place: usize,
    live: Vec<Gateway>,
    letters: Letters,
}

impl World {
    pub(crate) fn start_task(&mut self) {
        self.task.epoch += 1;
        self.task.is_up = true;
        for partition in 0..self.log.partitions() {
            let (generation, next) = self.log.take_over(Topic::Task, partition);
            self.task.workers.insert(partition, Worker { generation, next, ..Worker::default() });
            self.wake_task(partition);
        }
    }

    pub(crate) fn kill_task(&mut self) {
        if self.task.is_up {
            self.task.epoch += 1;
            self.task.is_up = false;
            self.task.workers.clear();
            self.scheduler.within(RESTART, Event::Start(Process::Task));
        }
    }

    pub(crate) fn wake_task(&mut self, partition: u32) {
        let Some(worker) = self.task.workers.get_mut(&partition).filter(|worker| !worker.is_busy) else { return };
        if worker.next < self.log.end_of(Topic::Task, partition) {
            worker.is_busy = true;
            let epoch = self.task.epoch;
            self.soon(Event::Task(epoch, partition, TaskEvent::Poll));
        }
    }

    pub(crate) fn task(&mut self, epoch: u64, partition: u32, event: &TaskEvent) {
        if self.task.epoch != epoch || !self.task.is_up {
            return;
        }
        let Some(mut worker) = self.task.workers.remove(&partition) else { return };
        let next = match event {
            TaskEvent::Poll => Ok(self.task_read(partition, &mut worker)),
            TaskEvent::Live => {
                worker.live = self.find(&[]).live().cloned().collect();
                (worker.place, worker.letters) = (0, Letters::default());
                Ok(self.task_pack(&mut worker))
            }
            TaskEvent::Members(after) => self.task_members(&mut worker, *after),
            TaskEvent::Send => {
                let letters = std::mem::take(&mut worker.letters);
                if self.post(letters) { Ok(TaskEvent::Commit) } else { Err(TaskEvent::Live) }
            }
            TaskEvent::Commit => {
                self.log.commit(Topic::Task, partition, worker.generation, worker.end);
                (worker.next, worker.is_busy) = (worker.end, false);
                self.task.workers.insert(partition, worker);
                return self.wake_task(partition);
            }
        };
        self.task.workers.insert(partition, worker);
        match next {
            Ok(event) => self.soon(Event::Task(epoch, partition, event)),
            Err(event) => self.scheduler.within(RETRY_US, Event::Task(epoch, partition, event)),
        }
    }

    fn task_read(&self, partition: u32, worker: &mut Worker) -> TaskEvent {
        let payloads = self.log.records(Topic::Task, partition, worker.next, BATCH_MAX);
        worker.end = worker.next + payloads.len() as u64;
        let tasks = payloads.into_iter().filter_map(|payload| mq::Task::decode(payload).ok()?.kind);
        let parts = tasks.flat_map(|task::Kind::FanOut(fan_out)| fan_out.entries);
        worker.entries = parts.filter_map(|part| part.entry).collect();
        TaskEvent::Live
    }

    /// Packs entries up to one that makes its conversation large: its members come first.
    fn task_pack(&self, worker: &mut Worker) -> TaskEvent {
        while let Some(entry) = worker.entries.get(worker.place) {
            if becomes_large(entry) {
                for gateway in &worker.live {
                    let begin = MemberIndex { more: true, ..MemberIndex::default() };
                    index(&mut worker.letters, gateway, &entry.conversation_id, begin);
                }
                return TaskEvent::Members(0);
            }
            pack(&mut worker.letters, &worker.live, entry);
            worker.place += 1;
        }
        TaskEvent::Send
    }

    /// An error: what is tried again after a wait.
    fn task_members(&mut self, worker: &mut Worker, after: i64) -> Result<TaskEvent, TaskEvent> {
        if self.read_fails() {
            return Err(TaskEvent::Live);
        }
        let Some(entry) = worker.entries.get(worker.place).cloned() else { return Ok(TaskEvent::Send) };
        let page = self.store.members(&entry.conversation_id, after, PAGE_MEMBERS);
        let users: Vec<i64> = page.iter().map(|member| member.user_id).collect();
        for (gateway, here) in self.find(&users).split(&users) {
            let members = page.iter().filter(|member| here.contains(&member.user_id));
            let interval = |member: &proto::repo::Member| MemberInterval {
                user_id: member.user_id,
                visible_from: member.visible_from,
                left_seq: member.left_seq,
            };
            let members = MemberIndex { members: members.map(interval).collect(), more: true };
            index(&mut worker.letters, &gateway, &entry.conversation_id, members);
        }
        if page.len() == PAGE_MEMBERS {
            return Ok(TaskEvent::Members(users.last().copied().unwrap_or(after)));
        }
        for gateway in &worker.live {
            index(&mut worker.letters, gateway, &entry.conversation_id, MemberIndex::default());
        }
        pack(&mut worker.letters, &worker.live, &entry);
        worker.place += 1;
        Ok(self.task_pack(worker))
    }
}

fn pack(letters: &mut Letters, live: &[Gateway], entry: &Entry) {
    for gateway in live {
        broadcast(letters, gateway, entry, "");
    }
}
