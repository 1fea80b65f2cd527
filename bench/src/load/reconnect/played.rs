//! The connections: made, cut, resumed, tried.

use std::{collections::BTreeMap, mem, time::Instant};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use im_bench::ledger::Event;
use tokio::{task::JoinSet, time::sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    ReconnectPlan, ReconnectResult,
    alive::{Alive, Back, Crowd, pair},
    others::{Others, all},
    plan::RESUME_MAX,
    result::Course,
};
use crate::{
    bar::Bar,
    load::{
        account::Accounts,
        limits::Connections,
        pair::{Cue, Seen},
        seat::Run,
        verdict::judge,
        workload::{Workload, before_load},
    },
    measure::{Length, Window, cpu_over},
    output::note,
    target::{Endpoint, System},
};

/// Pairs of those who came back that write to each other in the end: they are live, not only welcomed.
const TRIED: usize = 50;
/// How long they may take for it.
const TRY: Length = Length { seconds: 10, warm_up_seconds: 0 };

impl Workload for ReconnectPlan {
    type Found = ReconnectResult;

    fn check(&self) -> anyhow::Result<()> {
        self.fits()
    }

    fn connections(&self) -> Connections {
        self.sockets()
    }

    async fn measure(self, system: &System, stop: &CancellationToken) -> anyhow::Result<ReconnectResult> {
        let endpoint = &system.endpoint;
        let accounts = Accounts::of(endpoint);
        let (mut crowd, others) = before_load(Box::pin(prepare(&self, &accounts, (endpoint, stop))), stop).await?;
        let cut = CancellationToken::new();
        let kept = crowd.keep(&cut);
        let quiet = Window::starting_now(self.length);
        let window = Window { to: quiet.to + RESUME_MAX, ..quiet };
        let talking = others.talk(window);
        until(quiet.to, stop).await;
        let Crowd { everybody, made, run, .. } = crowd;
        note(format_args!("  {} connections are cut", everybody.len()));
        let cut_at = Instant::now();
        let done = stop.child_token();
        let resuming = async {
            cut.cancel();
            let broken = closed(kept).await;
            let back = resume(everybody, endpoint, (cut_at, window.to, self.in_flight), stop).await;
            done.cancel();
            (broken, back)
        };
        let cutting = Window { started: cut_at, from: cut_at, to: window.to };
        let (cpu, (broken, back)) = tokio::join!(cpu_over(cutting, &system.processes, &done), resuming);
        let mut result = ReconnectResult::of(self, &back);
        let mut tried = try_out(back, (&run, made), stop).await?;
        let mut seen = talking.end().await?;
        let live_at = cut_at + result.live_after();
        result.add_others(&seen, &Course { window, cut_at, live_at });
        result.tried = tried.len() as u64;
        seen.append(&mut tried);
        result.add_up(&seen, broken?);
        result.sum.interrupted = stop.is_cancelled();
        result.sum.cpu = cpu?;
        let histories = seen.iter_mut().map(|pair| mem::take(&mut pair.history));
        result.sum.ledger = judge(&accounts, histories).await?;
        Ok(result)
    }
}

async fn prepare(
    plan: &ReconnectPlan,
    accounts: &Accounts,
    (endpoint, stop): (&Endpoint, &CancellationToken),
) -> anyhow::Result<(Crowd, Others)> {
    note(format_args!("  {} connections", plan.connections));
    let crowd = Crowd::connect(accounts, endpoint, (plan.connections, plan.seed)).await?;
    Ok((crowd, Others::connect(plan, endpoint, stop).await?))
}

async fn until(time: Instant, stop: &CancellationToken) {
    tokio::select! {
        () = sleep_until(time.into()) => {}
        () = stop.cancelled() => {}
    }
}

/// Waits until all are closed; answers why some were before.
async fn closed(mut kept: JoinSet<Option<String>>) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    while let Some(why) = kept.join_next().await {
        broken.extend(why.context("a connection panicked")?);
    }
    Ok(broken)
}

/// Has everybody come back, by number; those who did until it took too long, or the stop.
async fn resume(
    everybody: Vec<Alive>,
    endpoint: &Endpoint,
    (cut_at, limit, in_flight): (Instant, Instant, u32),
    stop: &CancellationToken,
) -> BTreeMap<usize, Back> {
    let bar = Bar::of("back", everybody.len() as u64);
    let coming = stream::iter(everybody.into_iter().enumerate())
        .map(|(number, alive)| async move { (number, alive.resume(endpoint, cut_at).await) });
    let back = coming.buffer_unordered(in_flight as usize).inspect(|_| bar.advance(1));
    back.take_until(Box::pin(until(limit, stop))).collect().await
}

/// Some of those who came back write to each other.
async fn try_out(
    mut back: BTreeMap<usize, Back>,
    (run, made): (&Run, Vec<Vec<Event>>),
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Seen>> {
    let window = Window::starting_now(TRY);
    let mut playing = JoinSet::new();
    for (number, before) in made.into_iter().enumerate().take(TRIED) {
        let (writer, reader) = (back.remove(&(number * 2)), back.remove(&(number * 2 + 1)));
        if let Some(pair) = writer.zip(reader).and_then(|(writer, reader)| pair(writer, reader, run, before)) {
            let once = Cue::InFlight { unanswered: 1, messages_max: 1 };
            playing.spawn(pair.play(window, once, stop.clone()));
        }
    }
    all(playing).await
}
