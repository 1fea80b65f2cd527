//! An instance of im-logic: a worker for each partition that it has, one batch in flight for each, committed after its effect.

use std::{collections::BTreeMap, mem, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use im_infra::{
    clock::{Clock, SteadyClock},
    gateways::Whereabouts,
    ids::{LeaseDeadline, Mint, NODES, UserId},
    mq::Topic,
    registry::{Registry as _, Slot, SlotSpace},
};
use im_logic::domain::{self, Command, Reach};
use prost::Message as _;
use proto::{
    message::Entry,
    mq::{self, Receipt},
    repo::{AppendGroup, GroupOutcome, PutCursor, Row, State},
};

use crate::{
    bug::Bug,
    event::{Address, Event, LogicEvent, Process},
    faults::RESTART,
    world::World,
};

/// Until the group gives the partitions of one that is gone to others.
const SESSION_US: (u64, u64) = (100_000, 800_000);

/// A process that may have started several times.
pub(crate) struct Logic {
    pub(crate) epoch: u64,
    pub(crate) is_up: bool,
    pub(crate) paused_until_us: u64,
    /// Given back when it is dropped.
    _node: Option<Slot>,
    pub(crate) mint: Mint,
    /// States of conversations, of large ones with some members; they may be outdated.
    pub(crate) remembered: BTreeMap<String, Arc<State>>,
    /// Where logs stood after the last append.
    pub(crate) rows: BTreeMap<String, Row>,
    /// By partition and generation: one that lost its partition goes on until its commit is refused.
    pub(super) workers: BTreeMap<(u32, u64), Worker>,
}

/// Who reads a partition.
pub(super) struct Worker {
    pub(super) next: u64,
    /// Answers to older calls are for nobody.
    pub(super) call: u64,
    pub(super) work: Option<Box<Work>>,
    pub(super) is_polling: bool,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Start,
    Cursors,
    ReceiptStates,
    States,
    Append,
    After,
    Outcomes,
    Find,
    Letters,
    Tasks,
    FollowUps,
    Commit,
}

/// A batch.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) stage: Stage,
    /// One past its last record.
    pub(crate) end: u64,
    pub(crate) arrivals: Vec<Arrival>,
    pub(super) cursors: Vec<PutCursor>,
    pub(crate) moved: Vec<PutCursor>,
    pub(crate) receipts: Vec<Receipt>,
    /// Arrivals without an outcome.
    pub(crate) open: Vec<usize>,
    pub(crate) states: BTreeMap<String, Arc<State>>,
    pub(crate) round: Vec<Round>,
    pub(crate) outcomes: Vec<GroupOutcome>,
    pub(crate) idle_rounds: u32,
    pub(crate) done: Vec<Done>,
    pub(crate) whereabouts: Option<Whereabouts>,
}

/// A command with where it came from.
pub(crate) struct Arrival {
    pub(crate) command: Command,
    pub(crate) origin: mq::Origin,
}

/// One conversation's part of a round.
pub(crate) struct Round {
    pub(crate) id: String,
    pub(crate) arrivals: Vec<usize>,
    pub(crate) group: AppendGroup,
    pub(crate) folded: domain::State,
}

/// What became of a command.
pub(crate) struct Done {
    pub(crate) arrival: usize,
    pub(crate) result: mq::outcome::Result,
    pub(crate) push: Option<(Entry, Reach)>,
    pub(crate) follow_up: Option<mq::Upstream>,
}

impl Logic {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            epoch: 0,
            is_up: false,
            paused_until_us: 0,
            _node: None,
            mint: Mint::new(0, LeaseDeadline::forever(), Arc::new(SteadyClock::new(clock.clone()))),
            remembered: BTreeMap::new(),
            rows: BTreeMap::new(),
            workers: BTreeMap::new(),
        }
    }
}

impl Work {
    pub(super) fn of(payloads: Vec<Bytes>, end: u64) -> Self {
        let mut work = Self { end, ..Self::default() };
        for payload in payloads {
            let Ok(record) = mq::Upstream::decode(payload) else { continue };
            let user_id: UserId = record.caller.as_ref().map_or(0, |caller| caller.user_id);
            if let Some(mq::upstream::Command::ReadCursors(read)) = &record.command {
                let cursor = |cursor: &mq::ReadCursor| {
                    let (conversation_id, read_seq) = (cursor.conversation_id.clone(), cursor.read_seq);
                    PutCursor { user_id, conversation_id, read_seq }
                };
                work.cursors.extend(read.cursors.iter().map(cursor));
            } else if let Ok(command) = Command::parse(&record) {
                work.arrivals.push(Arrival { command, origin: record.origin.unwrap_or_default() });
            }
        }
        work.open = (0..work.arrivals.len()).collect();
        work
    }

    /// As it was read.
    pub(super) fn reset(&mut self) {
        let (arrivals, cursors) = (mem::take(&mut self.arrivals), mem::take(&mut self.cursors));
        let open = (0..arrivals.len()).collect();
        *self = Self { end: self.end, arrivals, cursors, open, ..Self::default() };
    }
}

impl World {
    pub(crate) fn start_logic(&mut self, at: usize) {
        let Some(Ok(node)) = self.registry.lease_slot(SlotSpace::Node, NODES).now_or_never() else {
            self.scheduler.within(RESTART, Event::Start(Process::Logic(at)));
            return;
        };
        let clock = self.scheduler.clock.clone();
        let mint = Mint::new(node.number, node.deadline.clone(), node.clock.clone());
        let epoch = self.logics[at].epoch + 1;
        self.logics[at] = Logic { epoch, is_up: true, mint, _node: Some(node), ..Logic::new(&clock) };
        self.soon(Event::Rebalance);
    }

    pub(crate) fn kill_logic(&mut self, at: usize) {
        let logic = &self.logics[at];
        if !logic.is_up {
            return;
        }
        let epoch = logic.epoch + 1;
        self.logics[at] = Logic { epoch, ..Logic::new(&self.scheduler.clock) };
        self.scheduler.within(SESSION_US, Event::Rebalance);
        self.scheduler.within(RESTART, Event::Start(Process::Logic(at)));
    }

    /// Others may have its partitions when it goes on.
    pub(crate) fn pause_logic(&mut self, at: usize, until_us: u64) {
        let paused = &mut self.logics[at].paused_until_us;
        *paused = until_us.max(*paused);
        self.scheduler.within(SESSION_US, Event::Rebalance);
    }

    /// Gives every partition an owner that lives; now and then another one, though its owner lives.
    pub(crate) fn rebalance(&mut self) {
        let now_us = self.scheduler.now_us();
        let lives = |logic: &Logic| logic.is_up && logic.paused_until_us <= now_us;
        let live: Vec<usize> = (0..self.logics.len()).filter(|&at| lives(&self.logics[at])).collect();
        if live.is_empty() {
            self.scheduler.within(SESSION_US, Event::Rebalance);
            return;
        }
        for partition in 0..self.log.partitions() {
            let place = partition as usize;
            let stays =
                self.owners[place].is_some_and(|(at, epoch)| live.contains(&at) && self.logics[at].epoch == epoch);
            if stays && !self.scheduler.chance(0.2) {
                continue;
            }
            let at = live[self.scheduler.random.usize(0..live.len())];
            let (generation, committed) = self.log.take_over(Topic::Upstream, partition);
            let next = if self.has(Bug::ReplayAfterLastRead) { self.read_to[place] } else { committed };
            self.owners[place] = Some((at, self.logics[at].epoch));
            let worker = Worker { next, call: 0, work: None, is_polling: false };
            self.logics[at].workers.insert((partition, generation), worker);
            self.wake_logic(partition);
        }
    }

    pub(crate) fn wake_logic(&mut self, partition: u32) {
        let Some((at, epoch)) = self.owners[partition as usize] else { return };
        let generation = self.log.generation(Topic::Upstream, partition);
        let logic = &mut self.logics[at];
        if logic.epoch != epoch {
            return;
        }
        let Some(worker) = logic.workers.get_mut(&(partition, generation)) else { return };
        if worker.work.is_none() && !worker.is_polling {
            worker.is_polling = true;
            let address = Address { logic: at, epoch, partition, generation, call: worker.call };
            self.soon(Event::Logic(address, LogicEvent::Poll));
        }
    }
}
