//! One run: users talk, faults come, everything heals, the ledger judges.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    fault::Subject,
    outcome::{Facts, Outcome},
    recorder::Recorder,
    scenario::Scenario,
    scene::{Scene, USERS_MIN},
    schedule::{Step, schedule},
    settle::{read_logs, settle},
    strace::can_trace,
    world::{Means, World},
};
use crate::ledger::{Event, Header, check};

/// How long registering and making the groups may take.
const SET_MAX: Duration = Duration::from_secs(120);
/// How long a fault waits for a command to be in flight.
const WORK_MAX: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_micros(500);
/// Load after everything has healed, at least.
const CALM: Duration = Duration::from_secs(4);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which faults.
    pub scenario: &'static Scenario,
    /// To what.
    pub subject: Subject,
    /// Decides the schedule.
    pub seed: u64,
    /// How long users talk.
    pub load: Duration,
    /// How many of them.
    pub users: usize,
    /// Messages a second, of all of them together.
    pub rate: u32,
    /// Where the history goes; the logs of the processes go beside it, into a folder that ends in `.logs`.
    pub history: PathBuf,
}

/// Where the logs of a run are.
pub fn logs_of(history: &Path) -> PathBuf {
    history.with_extension("logs")
}

/// Does it. A stop ends the faults and the load, and what there is by then is judged; one that comes before anybody talks leaves
/// nothing to judge. What needs strace is void without it.
///
/// # Errors
/// If the system could not be started, did not come back after a fault, or ended in a way that no process of ours may end. What
/// was seen until then is in the history, without its end.
pub async fn run(order: &Order, means: &Means, stop: &CancellationToken) -> anyhow::Result<Outcome> {
    let nothing = |why: &str| Ok(Outcome::nothing(order.scenario, order.subject, order.seed, why));
    if order.scenario.needs_strace()
        && let Err(why) = can_trace().await
    {
        return nothing(&why);
    }
    ensure!(order.users >= USERS_MIN, "fewer than {USERS_MIN} users make no large group");
    let logs = logs_of(&order.history);
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let load_ms = u64::try_from(order.load.as_millis())?;
    let steps = schedule(order.scenario, order.subject, order.seed, load_ms);
    let details = serde_json::json!({
        "subject": order.subject, "load_ms": load_ms, "users": order.users, "rate": order.rate, "steps": steps,
    });
    let header = Header::of(order.scenario.name, order.seed, details);
    let recorder = Recorder::create(&order.history, &header)
        .with_context(|| format!("cannot write {}", order.history.display()))?;
    let mut world = World::prepare(order.scenario, order.subject, means, &logs).await?;
    let done = Box::pin(drive(order, &steps, &mut world, &recorder, stop)).await;
    let ended = world.end().await;
    let Some(facts) = done? else { return nothing("it was interrupted") };
    ended?;
    let events = recorder.finish().with_context(|| format!("cannot write {}", order.history.display()))?;
    // Others may be talking meanwhile.
    Ok(spawn_blocking(move || Outcome::of(&facts, &events, &check(&events))).await?)
}

/// From the start of the system to the end of our processes; none if a stop came before anybody talked.
async fn drive(
    order: &Order,
    steps: &[Step],
    world: &mut World,
    recorder: &Arc<Recorder>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Facts>> {
    let scene = tokio::select! {
        begun = Box::pin(begin(order, world, recorder)) => begun?,
        () = stop.cancelled() => return Ok(None),
    };
    let nemesis = async {
        let done = Box::pin(hurt(world, steps, recorder, order.load, stop)).await;
        recorder.stopping.cancel();
        done
    };
    let (done, ()) = tokio::join!(nemesis, Box::pin(scene.play()));
    let faulty = done?;
    world.weigh(recorder);
    Box::pin(settle(&scene, order.subject)).await?;
    world.count_fenced().await;
    let facts = Facts {
        scenario: order.scenario,
        subject: order.subject,
        seed: order.seed,
        rate: order.rate,
        faulty_ms: u64::try_from(faulty.as_millis())?,
        lost_commits: world.lost_commits(),
        fenced: world.fenced(),
        restarts: world.restarts,
        crashes: world.crashes,
        injected: world.injected,
        too_slow: world.hearing.too_slow(),
        interrupted: stop.is_cancelled(),
    };
    let database_url = world.end_services().await?;
    Box::pin(read_logs(&scene, database_url)).await?;
    Ok(Some(facts))
}

/// The system, and its users.
async fn begin(order: &Order, world: &mut World, recorder: &Arc<Recorder>) -> anyhow::Result<Scene> {
    Box::pin(world.start()).await?;
    let set = Scene::set(recorder.clone(), world.hearing.clone(), world.addresses(), order.users, order.rate);
    timeout(SET_MAX, Box::pin(set)).await.context("the users could not be made in time")?
}

/// Does the schedule, heals, and lets the users talk to the end of their time; answers for how long faults were at work.
async fn hurt(
    world: &mut World,
    steps: &[Step],
    recorder: &Recorder,
    load: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<Duration> {
    let (started, mut faulty) = (Instant::now(), Duration::ZERO);
    for step in steps {
        let due = Duration::from_millis(step.at_ms);
        let waited = timeout(due.saturating_sub(started.elapsed()), stop.cancelled()).await;
        if waited.is_ok() {
            break;
        }
        world.count_fenced().await;
        world.weigh(recorder);
        if step.fault.hurts() {
            meets_work(recorder).await;
        }
        let struck = Instant::now();
        world.strike(step.fault, recorder).await.with_context(|| step.fault.to_string())?;
        faulty += struck.elapsed();
    }
    let healing = Instant::now();
    world.heal().await?;
    faulty += healing.elapsed();
    recorder.note(Event::Healed { at_us: recorder.now_us() });
    let rest = load.saturating_sub(started.elapsed()).max(CALM);
    let _ = timeout(rest, stop.cancelled()).await;
    Ok(faulty)
}

/// A fault that meets nothing shows nothing.
async fn meets_work(recorder: &Recorder) {
    let deadline = Instant::now() + WORK_MAX;
    while recorder.in_flight() == 0 && Instant::now() < deadline {
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use im_infra::testing::eventually;

    use super::*;
    use crate::nemesis::outcome::Verdict;

    #[tokio::test]
    async fn a_stop_is_heard_while_the_system_starts_and_nothing_of_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (gochat, told) = (folder.path().join("gochat"), folder.path().join("pid"));
        // One that never gets ready.
        let text = format!("#!/bin/sh\necho $$ >'{0}.new'\nmv '{0}.new' '{0}'\nexec sleep 600\n", told.display());
        // Written by another process: one that is being started by this one must not have the file open.
        let mut written = Command::new("sh");
        written.args(["-c", "printf %s \"$1\" >\"$2\" && chmod +x \"$2\"", "sh", &text]).arg(&gochat);
        assert!(written.status().unwrap().success());
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let means = Means { gochat, infra: PathBuf::new(), folder: data.clone(), settings: Vec::new() };
        let scenario = Scenario::named("kill-standalone").unwrap();
        let (subject, load, history) = (Subject::Standalone, Duration::from_secs(30), folder.path().join("history.gz"));
        let order = Order { scenario, subject, seed: 1, load, users: USERS_MIN, rate: 10, history };
        let stop = CancellationToken::new();
        let stopping = async {
            let pid = eventually("the process runs", || async { fs::read_to_string(&told).ok() }).await;
            stop.cancel();
            pid
        };
        let (outcome, pid) = tokio::join!(Box::pin(run(&order, &means, &stop)), stopping);
        let outcome = outcome.unwrap();
        assert_eq!((outcome.verdict(), outcome.void.as_deref()), (Verdict::Void, Some("it was interrupted")));
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
        let line = format!("/proc/{}/cmdline", pid.trim());
        // That of a process that nobody has asked for its end yet is empty.
        let is_gone = || async { fs::read(&line).unwrap_or_default().is_empty().then_some(()) };
        eventually("the process is gone", is_gone).await;
    }
}
