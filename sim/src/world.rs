//! Everything there is in a run, and the step.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use im_infra::{
    gateways::Gateways,
    ids::UserId,
    mq::{NewRecord, Queue, Room, Topic},
    registry::MemoryRegistry,
    telemetry::Telemetry,
};
use im_logic::domain::Limits;

use crate::{
    actors::{Client, Gateway, Link, Logic, Task},
    bug::Bug,
    event::{Event, Process},
    faults::{Faults, HOP, SLOW_HOP},
    options::Options,
    oracle::Oracle,
    parts::{Fate, Log, Routes, Store},
    report::{Failure, Report},
    scheduler::{Due, Scheduler},
};

/// Users, of whom the first three have two devices.
pub(crate) const USERS: UserId = 6;
const DEVICES: usize = 9;
const GATEWAYS: usize = 3;
const LOGICS: usize = 2;
/// Of im.upstream and im.task; of im.downstream there is one more than gateways, so that a freed one is soon taken again.
const PARTITIONS: u32 = 4;
const SLOTS: u32 = 4;
/// Between two faults, microseconds.
const FAULT_US: (u64, u64) = (20_000, 900_000);

pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) scheduler: Scheduler,
    pub(crate) faults: Faults,
    pub(crate) store: Store,
    pub(crate) log: Log,
    pub(crate) queue: Queue,
    pub(crate) routes: Arc<Routes>,
    pub(crate) registry: MemoryRegistry,
    pub(crate) whereabouts: Gateways,
    pub(crate) telemetry: Telemetry,
    pub(crate) limits: Limits,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) logics: Vec<Logic>,
    pub(crate) task: Task,
    pub(crate) clients: Vec<Client>,
    pub(crate) links: Vec<Link>,
    /// Groups that somebody wanted to make.
    pub(crate) groups: Vec<String>,
    /// Which instance of im-logic, in which start, has a partition.
    pub(crate) owners: Vec<Option<(usize, u64)>>,
    /// How far the partitions were read, for a planted bug.
    pub(crate) read_to: Vec<u64>,
    /// Who exists.
    pub(crate) users: HashSet<UserId>,
    pub(crate) oracle: Oracle,
    pub(crate) steps: u64,
    pub(crate) entries: u64,
    pub(crate) answers: u64,
    pub(crate) faults_made: u64,
    failure: Option<Failure>,
    started: Instant,
    hash: u64,
    kept: usize,
    trace: VecDeque<String>,
}

impl World {
    pub(crate) fn new(options: &Options, kept: Option<usize>) -> Self {
        let telemetry = Telemetry::for_tests();
        let log = Log::new(PARTITIONS, SLOTS);
        let queue = Queue::new(log.clone(), &telemetry);
        let routes = Arc::new(Routes::default());
        let scheduler = Scheduler::new(options.seed);
        let registry = MemoryRegistry::new(scheduler.clock.clone());
        let whereabouts = Gateways::new(queue.clone(), routes.clone(), Arc::new(registry.clone()));
        let logics = (0..LOGICS).map(|_| Logic::new(&scheduler.clock)).collect();
        Self {
            options: options.clone(),
            scheduler,
            faults: Faults::CHAOS,
            store: Store::default(),
            log,
            queue,
            routes,
            registry,
            whereabouts,
            gateways: (0..GATEWAYS).map(|_| Gateway::new(&telemetry)).collect(),
            logics,
            task: Task::default(),
            clients: (0..DEVICES).map(|at| Client::new(at as UserId % USERS + 1)).collect(),
            links: Vec::new(),
            groups: Vec::new(),
            owners: vec![None; PARTITIONS as usize],
            read_to: vec![0; PARTITIONS as usize],
            users: (1..=USERS).collect(),
            telemetry,
            limits: Limits { body_bytes_max: 64, members_max: 5, invited_max: 5, title_chars_max: 16, large_from: 4 },
            oracle: Oracle::default(),
            steps: 0,
            entries: 0,
            answers: 0,
            faults_made: 0,
            failure: None,
            started: Instant::now(),
            hash: 0xcbf2_9ce4_8422_2325,
            kept: kept.unwrap_or(0),
            trace: VecDeque::new(),
        }
    }

    /// Everything starts.
    pub(crate) fn begin(&mut self) {
        let all = (0..GATEWAYS).map(Process::Gateway).chain((0..LOGICS).map(Process::Logic)).chain([Process::Task]);
        for process in all {
            self.scheduler.within((1, 100_000), Event::Start(process));
        }
        for client in 0..DEVICES {
            self.scheduler.within((1, 500_000), Event::Connect(client));
            self.scheduler.within((1, 500_000), Event::Act(client));
        }
        self.scheduler.within(FAULT_US, Event::Fault);
    }

    /// One event. False: there is none, or something is wrong.
    pub(crate) fn step(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let Some(due) = self.scheduler.next() else { return false };
        if let Some(until_us) = self.stands_still(&due.event) {
            self.scheduler.defer(until_us, due);
            return true;
        }
        let Due { at_us, event, .. } = due;
        self.steps += 1;
        let (kind, about) = event.mark();
        self.mix(at_us);
        self.mix((kind << 56) ^ about);
        if self.kept > 0 {
            if self.trace.len() == self.kept {
                self.trace.pop_front();
            }
            self.trace.push_back(format!("{} {at_us} us {event:?}", self.steps));
        }
        self.happen(event);
        self.wake();
        self.failure.is_none()
    }

    /// Into the hash of the trace.
    pub(crate) fn mix(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(0x100_0000_01b3).rotate_left(23);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act(client) => self.act(client),
            Event::Connect(client) => self.connect(client),
            Event::HoleCheck(client, link, conversation) => self.check_hole(client, link, conversation),
            Event::Resend(client, link, conversation) => self.resend(client, link, &conversation),
            Event::SyncAgain(client, link) => self.sync_again(client, link),
            Event::Up(link, up) => self.arrive_up(link, up),
            Event::Down(link, down) => self.arrive_down(link, down),
            Event::ClientLost(link) => self.client_lost(link),
            Event::GatewayLost(link) => self.gateway_lost(link),
            Event::Start(Process::Gateway(at)) => self.start_gateway(at),
            Event::Start(Process::Logic(at)) => self.start_logic(at),
            Event::Start(Process::Task) => self.start_task(),
            Event::Gateway(at, epoch, event) => self.gateway(at, epoch, event),
            Event::Logic(address, event) => self.logic(address, event),
            Event::Store(call, to) => self.store_call(&call, to),
            Event::Task(epoch, partition, event) => self.task(epoch, partition, &event),
            Event::Rebalance => self.rebalance(),
            Event::RoutesUp => self.routes.set_down(false),
            Event::RoutesExpire(gone) => self.routes_expire(&gone.0, gone.1, &gone.2),
            Event::Fault => self.fault(FAULT_US),
        }
    }

    /// Until when whoever it is for stands still.
    fn stands_still(&self, event: &Event) -> Option<u64> {
        let until_us = match event {
            Event::Gateway(at, ..) => self.gateways[*at].paused_until_us,
            Event::Logic(address, _) => self.logics[address.logic].paused_until_us,
            Event::Up(link, _) | Event::GatewayLost(link) => {
                let link = usize::try_from(*link).unwrap_or(usize::MAX);
                self.links.get(link).map_or(0, |link| self.gateways[link.gateway].paused_until_us)
            }
            _ => 0,
        };
        (until_us > self.scheduler.now_us()).then_some(until_us)
    }

    /// Consumers of partitions that got records go on.
    fn wake(&mut self) {
        for (topic, partition) in self.log.woken() {
            match topic {
                Topic::Upstream => self.wake_logic(partition),
                Topic::Downstream => self.wake_gateway(partition),
                Topic::Task => self.wake_task(partition),
                Topic::Dead | Topic::Event => {}
            }
        }
    }

    /// After a hop inside the site.
    pub(crate) fn soon(&mut self, event: Event) {
        let slow = self.faults.hop_slow;
        let within = if self.scheduler.chance(slow) { SLOW_HOP } else { HOP };
        self.scheduler.within(within, event);
    }

    /// Produces, or fails to. False: it is not known what is there.
    pub(crate) fn produce(&mut self, topic: Topic, records: Vec<NewRecord>, room: Room) -> bool {
        self.doom(records.len());
        self.queue.produce(topic, records, room).now_or_never().is_some_and(|done| done.is_ok())
    }

    /// What becomes of the next produce.
    pub(crate) fn doom(&mut self, records: usize) {
        let (lost, unknown) = (self.faults.produce_lost, self.faults.produce_unknown);
        if self.scheduler.chance(lost) {
            self.log.doom(Fate::Lost);
        } else if self.scheduler.chance(unknown) {
            let stored = self.scheduler.random.usize(..=records);
            self.log.doom(Fate::Unknown(stored));
        }
    }

    /// The monotone clock of whoever asks.
    pub(crate) fn instant(&self) -> Instant {
        self.started + Duration::from_micros(self.scheduler.now_us())
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.options.bug == Some(bug)
    }

    /// The first thing that is wrong ends the run.
    pub(crate) fn judge(&mut self, judged: Result<(), String>) {
        let Err(what) = judged else { return };
        if self.failure.is_none() {
            self.failure = Some(Failure { step: self.steps, at_us: self.scheduler.now_us(), what });
        }
    }

    pub(crate) fn report(self) -> (Report, VecDeque<String>) {
        let report = Report {
            seed: self.options.seed,
            steps: self.steps,
            hash: self.hash,
            virtual_us: self.scheduler.now_us(),
            entries: self.entries,
            answers: self.answers,
            faults: self.faults_made,
            failure: self.failure,
        };
        (report, self.trace)
    }
}
