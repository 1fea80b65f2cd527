//! What a worker of im-logic does with a batch, hop by hop; calls of the store, with what may go wrong on their way.

use bytes::Bytes;
use im_infra::mq::Topic;
use prost::Message as _;
use proto::mq;

use super::logic::{Stage, Work, Worker};
use crate::{
    bug::Bug,
    event::{Address, Event, LogicEvent, StoreAnswer, StoreCall},
    faults::CALL,
    world::World,
};

/// Records of one batch.
const BATCH_MAX: usize = 6;
/// Until a batch that failed is tried again.
const RETRY_US: (u64, u64) = (20_000, 200_000);

impl World {
    fn worker(&mut self, address: Address) -> Option<&mut Worker> {
        let logic = self.logics.get_mut(address.logic).filter(|logic| logic.is_up && logic.epoch == address.epoch)?;
        logic.workers.get_mut(&(address.partition, address.generation)).filter(|worker| worker.call == address.call)
    }

    pub(crate) fn logic(&mut self, address: Address, event: LogicEvent) {
        let Some(worker) = self.worker(address) else { return };
        if matches!(event, LogicEvent::Poll) {
            worker.is_polling = false;
            return self.poll(address);
        }
        let Some(work) = worker.work.take() else { return };
        match event {
            LogicEvent::Poll | LogicEvent::Next => self.go_on(address, work),
            LogicEvent::Answer(Some(answer)) => self.answered_by_store(address, work, answer),
            LogicEvent::Answer(None) => self.retry(address, work),
        }
    }

    fn poll(&mut self, address: Address) {
        let partition = address.partition;
        let Some(next) = self.worker(address).map(|worker| worker.next) else { return };
        let payloads = self.log.records(Topic::Upstream, partition, next, BATCH_MAX);
        if payloads.is_empty() {
            return;
        }
        let end = next + payloads.len() as u64;
        self.read_to[partition as usize] = end;
        if self.has(Bug::CommitBeforeEffect) && !self.commit(address, end) {
            return;
        }
        let work = Box::new(Work::of(payloads, end));
        self.wait(address, work, Stage::Start);
    }

    fn put_back(&mut self, address: Address, work: Box<Work>) -> Address {
        if let Some(worker) = self.worker(address) {
            worker.call += 1;
            worker.work = Some(work);
        }
        Address { call: address.call + 1, ..address }
    }

    /// The next hop, after a moment in which anything may happen.
    pub(crate) fn wait(&mut self, address: Address, mut work: Box<Work>, stage: Stage) {
        work.stage = stage;
        let address = self.put_back(address, work);
        self.soon(Event::Logic(address, LogicEvent::Next));
    }

    /// Everything anew, in place, for as long as the partition is ours.
    pub(crate) fn retry(&mut self, address: Address, mut work: Box<Work>) {
        if self.log.generation(Topic::Upstream, address.partition) != address.generation {
            self.stop(address);
            return;
        }
        work.reset();
        let address = self.put_back(address, work);
        self.scheduler.within(RETRY_US, Event::Logic(address, LogicEvent::Next));
    }

    fn stop(&mut self, address: Address) {
        self.logics[address.logic].workers.remove(&(address.partition, address.generation));
    }

    /// A call of the store: it, or its answer, may be lost; or it is made twice, as its answer did not come in time.
    pub(crate) fn ask(&mut self, address: Address, mut work: Box<Work>, stage: Stage, call: StoreCall) {
        work.stage = stage;
        let address = self.put_back(address, work);
        let (call_lost, answer_lost) = (self.faults.call_lost, self.faults.answer_lost);
        let doubled = self.faults.call_doubled;
        if self.scheduler.chance(call_lost) {
            self.scheduler.within(CALL, Event::Logic(address, LogicEvent::Answer(None)));
        } else if self.scheduler.chance(answer_lost) {
            // It may arrive after the caller has given it up and made another one.
            self.scheduler.within(CALL, Event::Store(call, None));
            self.scheduler.within(CALL, Event::Logic(address, LogicEvent::Answer(None)));
        } else {
            if self.scheduler.chance(doubled) {
                self.scheduler.within(CALL, Event::Store(call.clone(), None));
            }
            self.soon(Event::Store(call, Some(address)));
        }
    }

    pub(crate) fn store_call(&mut self, call: &StoreCall, to: Option<Address>) {
        let answer = match call {
            StoreCall::Cursors(cursors) => StoreAnswer::Moved(self.put_cursors(cursors)),
            StoreCall::States(queries) => StoreAnswer::States(self.store.states(queries)),
            StoreCall::Append(groups) => {
                let now_ms = self.scheduler.clock.now_ms();
                let (outcomes, stored) = self.store.append(groups, now_ms, self.options.bug);
                for (entry, countable) in stored {
                    self.entries += 1;
                    self.mix(entry.message_id.cast_unsigned());
                    let judged = self.oracle.committed(&entry, countable);
                    self.judge(judged);
                }
                StoreAnswer::Appended(outcomes)
            }
        };
        if let Some(address) = to {
            self.soon(Event::Logic(address, LogicEvent::Answer(Some(answer))));
        }
    }

    fn go_on(&mut self, address: Address, work: Box<Work>) {
        match work.stage {
            Stage::Start if !work.cursors.is_empty() => {
                let cursors = work.cursors.clone();
                self.ask(address, work, Stage::Cursors, StoreCall::Cursors(cursors));
            }
            Stage::Start => self.begin_round(address, work),
            Stage::Outcomes => self.send_outcomes(address, work),
            Stage::Find => self.find_recipients(address, work),
            Stage::Letters => self.send_letters(address, work),
            Stage::Tasks => self.send_tasks(address, work),
            Stage::FollowUps => self.send_follow_ups(address, work),
            Stage::Commit => {
                let end = work.end;
                let committed = self.commit(address, end);
                if let Some(worker) = self.worker(address).filter(|_| committed) {
                    worker.next = end;
                    self.wake_logic(address.partition);
                }
            }
            // Of those the store has to answer.
            Stage::Cursors | Stage::ReceiptStates | Stage::States | Stage::Append | Stage::After => {
                self.retry(address, work);
            }
        }
    }

    /// False: the partition is another one's.
    fn commit(&mut self, address: Address, end: u64) -> bool {
        let lost = self.faults.commit_lost;
        if self.scheduler.chance(lost) {
            // The next one covers it.
            return true;
        }
        let Some(from) = self.log.commit(Topic::Upstream, address.partition, address.generation, end) else {
            self.stop(address);
            return false;
        };
        let count = usize::try_from(end.saturating_sub(from)).unwrap_or(0);
        for payload in self.log.records(Topic::Upstream, address.partition, from, count) {
            let judged = self.has_effect(payload);
            self.judge(judged);
        }
        true
    }

    /// A record whose offset is committed has its outcome in the store.
    fn has_effect(&self, payload: Bytes) -> Result<(), String> {
        let record = mq::Upstream::decode(payload).map_err(|error| error.to_string())?;
        if matches!(record.command, Some(mq::upstream::Command::ReadCursors(_))) {
            return Ok(());
        }
        let sender = record.caller.map_or(0, |caller| caller.user_id);
        if self.store.knows(&record.conversation_id, sender, &record.command_id) {
            return Ok(());
        }
        Err(format!("offset: {} of {sender} is committed without an outcome", record.command_id))
    }

    /// Commands that no instance has committed yet.
    pub(crate) fn backlog(&self) -> u64 {
        let of = |partition| {
            let committed = self.log.committed_to(Topic::Upstream, partition);
            self.log.end_of(Topic::Upstream, partition).saturating_sub(committed)
        };
        (0..self.log.partitions()).map(of).sum()
    }
}
