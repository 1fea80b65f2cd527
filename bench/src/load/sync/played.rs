//! The devices: made, sent away, written to, brought back, judged.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use im_bench::ledger::Event;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    SyncPlan, SyncResult,
    away::{Away, Back, LEVEL_MAX},
    result::put_together,
    writer::Writer,
};
use crate::{
    bar::Bar,
    load::{
        account::Accounts,
        client::Socket,
        conversation::Conversation,
        device::Device,
        limits::Connections,
        pace::{Pacer, Schedule},
        pair::text,
        seat::{Outbox, Run, Witness},
        verdict::{History, by_conversation, judge},
        workload::{Workload, before_load},
    },
    measure::{Length, Window, cpu_over},
    output::note,
    target::{Endpoint, System},
};

/// Handshakes at the same time while all get ready.
const AT_ONCE: usize = 16;

impl Workload for SyncPlan {
    type Found = SyncResult;

    fn check(&self) -> anyhow::Result<()> {
        self.fits()
    }

    fn connections(&self) -> Connections {
        self.sockets()
    }

    async fn measure(self, system: &System, stop: &CancellationToken) -> anyhow::Result<SyncResult> {
        let endpoint = &system.endpoint;
        let accounts = Accounts::of(endpoint);
        let (writers, devices) = before_load(Box::pin(prepare(&self, &accounts, endpoint)), stop).await?;
        let window = returning(&self);
        let (pacer, lanes) = Pacer::start(Schedule::new(self.rate, self.seed), window, 1, stop)?;
        let done = stop.child_token();
        let coming = async {
            let back = come_back(devices, endpoint, lanes).await;
            done.cancel();
            back
        };
        // Those that are not level at the end of the window cost something after it.
        let until = Window { to: window.to + LEVEL_MAX, ..window };
        let (cpu, back) = tokio::join!(cpu_over(until, &system.processes, &done), coming);
        drop(pacer);
        let back = back?;
        let mut result = put_together(self, (&writers, &back), window);
        result.sum.interrupted = stop.is_cancelled();
        result.sum.cpu = cpu?;
        result.sum.ledger = judge(&accounts, histories(writers, back)).await?;
        Ok(result)
    }
}

/// Each device has its time, however many are not level yet. There is one lane.
async fn come_back(
    devices: Vec<Away>,
    endpoint: &Endpoint,
    lanes: Vec<mpsc::Receiver<Instant>>,
) -> anyhow::Result<Vec<Back>> {
    let bar = Bar::of("level", devices.len() as u64);
    let (mut coming, mut devices) = (JoinSet::new(), devices.into_iter());
    for mut times in lanes {
        while let Some((due, device)) = times.recv().await.and_then(|due| Some((due, devices.next()?))) {
            coming.spawn(device.come_back(endpoint.clone(), due));
        }
    }
    let mut back = Vec::new();
    while let Some(one) = coming.join_next().await {
        bar.advance(1);
        back.push(one.context("a device panicked")?);
    }
    Ok(back)
}

/// From now until all are back; the warm-up is the part of the devices that does not count.
fn returning(plan: &SyncPlan) -> Window {
    let (seconds, warm_up) = plan.seconds();
    let started = Instant::now();
    Window { started, from: started + Duration::from_secs_f64(warm_up), to: started + Duration::from_secs_f64(seconds) }
}

/// Conversations begin with a message that the devices see before they leave.
async fn prepare(
    plan: &SyncPlan,
    accounts: &Accounts,
    endpoint: &Endpoint,
) -> anyhow::Result<(Vec<Writer>, Vec<Away>)> {
    // Nothing of this is measured: the ledger's clock is all that is wanted.
    let window = Window::starting_now(Length { seconds: 1, warm_up_seconds: 0 });
    let guests = accounts.guests(plan.devices as usize).await?;
    let mut writers = Vec::new();
    let (run, mut random) = (Run::begin(), fastrand::Rng::with_seed(plan.seed));
    for (guest, client) in accounts.guests(plan.conversations as usize).await?.into_iter().zip(0..) {
        let socket = Socket::open(endpoint, &guest).await?;
        let witness = Witness { client, user: guest.user };
        let outbox = Outbox::of(witness, run.clone(), text(&mut random, plan.payload_bytes));
        let direct = |device: i64| Arc::new(Conversation::direct(guest.user, device));
        let conversations = guests.iter().map(|device| direct(device.user)).collect();
        writers.push(Writer { guest, socket, outbox, conversations });
    }
    write(&mut writers, &window, 1).await?;
    let devices = guests.into_iter().map(|guest| Away { guest, device: Device::default() });
    let visiting = stream::iter(devices).map(|device| device.visit(endpoint)).buffered(AT_ONCE);
    let devices = visiting.try_collect().await?;
    note(format_args!("  {} devices are away, {} messages come", plan.devices, plan.messages));
    write(&mut writers, &window, plan.messages).await?;
    Ok((writers, devices))
}

/// All of them at the same time.
async fn write(writers: &mut [Writer], window: &Window, each: u32) -> anyhow::Result<()> {
    let everybody = writers.len().max(1);
    let writing = stream::iter(writers).map(|writer| writer.write(window, each));
    writing.buffer_unordered(everybody).try_collect().await
}

/// Each conversation with what its device has of it. A device that did not catch up is told by itself.
fn histories(writers: Vec<Writer>, back: Vec<Back>) -> impl Iterator<Item = History> {
    let level = back.into_iter().filter(|back| back.level.is_some()).map(|back| back.away);
    let seen = level.flat_map(|away| {
        let user = away.guest.user;
        let seen = move |(conversation, entries)| Event::Seen { user, conversation, entries };
        away.device.entries().map(seen)
    });
    let mut seen = by_conversation(seen);
    writers.into_iter().flat_map(move |writer| {
        let Writer { guest, outbox, .. } = writer;
        let mut histories = Vec::new();
        for (conversation, mut events) in by_conversation(outbox.events) {
            events.extend(seen.remove(&conversation).unwrap_or_default());
            histories.push(History { conversation, reader: guest.clone(), events });
        }
        histories
    })
}
