//! One of our processes, and how to start it again.

use std::{
    fs, mem,
    os::unix::{fs::FileExt as _, process::ExitStatusExt as _},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use im_infra::clock::shift;
use rustix::process::Signal;
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};

use super::{fault::Service, place::Place, signal::send};
use crate::ready::Ready;

const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(40);
/// A gateway that finds its slot taken ends with it, for its supervisor to start it anew.
const FENCED: i32 = 1;

/// With what our processes are started.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) gochat: PathBuf,
    /// Their data.
    pub(super) folder: PathBuf,
    /// Where their logs are kept.
    pub(super) logs: PathBuf,
    pub(super) settings: Vec<(String, String)>,
}

/// One of our processes; killed when dropped.
pub(super) struct Node {
    pub(super) service: Service,
    start: Start,
    pub(super) name: String,
    child: Child,
    /// Where clients find it; it keeps it over restarts.
    pub(super) address: String,
    _place: Option<Place>,
    /// Where operators ask.
    pub(super) admin: String,
    /// By how much its wall clock is wrong.
    clock: PathBuf,
    /// Commits of this process that were refused because it had lost the partition meanwhile, as far as it was asked.
    pub(super) fenced: u64,
    /// Those of the processes before it.
    fenced_before: u64,
    /// Its output must go on being read, or the pipe fills and it waits.
    _output: JoinSet<()>,
}

impl Node {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(service: Service, index: usize, start: &Start) -> anyhow::Result<Self> {
        let (name, mut start) = (format!("{}-{index}", service.name()), start.clone());
        let clock = start.folder.join(format!("{name}.clock"));
        fs::write(&clock, shift::written(0)).with_context(|| format!("cannot write {}", clock.display()))?;
        start.settings.push((shift::VARIABLE.to_owned(), clock.display().to_string()));
        let mut place = None;
        if matches!(service, Service::Gateway | Service::Standalone) {
            let address = place.insert(Place::free().context("no free port")?).address()?;
            start.settings.push(("GOCHAT__GATEWAY__HTTP__LISTEN".into(), address.to_string()));
        }
        let Running { child, address, admin, output } = ready(service, &name, &start).await?;
        ensure!(place.is_none() || !address.is_empty(), "{name} did not say where it listens");
        let (fenced, fenced_before) = (0, 0);
        Ok(Self {
            service,
            start,
            name,
            child,
            address,
            _place: place,
            admin,
            clock,
            fenced,
            fenced_before,
            _output: output,
        })
    }

    /// Its number in the system.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("{} has ended by itself", self.name))
    }

    /// From now on its wall clock is ahead by so much, or behind.
    pub(super) fn move_clock(&self, shift_ms: i64) -> anyhow::Result<()> {
        // Its bytes are replaced: an empty file in between would be a clock that is right.
        let written = fs::OpenOptions::new().write(true).open(&self.clock);
        let written = written.and_then(|file| file.write_all_at(&shift::written(shift_ms), 0));
        written.with_context(|| format!("cannot write {}", self.clock.display()))
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let sent = send(&self.child, signal).with_context(|| format!("cannot signal {}", self.name))?;
        ensure!(sent, "{} has ended by itself", self.name);
        Ok(())
    }

    /// SIGKILL, until it is gone.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// After SIGTERM: it must end in time, and well.
    pub(super) async fn ends(&mut self) -> anyhow::Result<()> {
        let ended = timeout(STOP_MAX, self.child.wait()).await;
        let status = ended.with_context(|| format!("{} did not stop in {} s", self.name, STOP_MAX.as_secs()))??;
        ensure!(status.success(), "{} ended with {status} after SIGTERM", self.name);
        Ok(())
    }

    /// With the same settings at the same address, once it has ended.
    pub(super) async fn start_again(&mut self) -> anyhow::Result<()> {
        let running = ready(self.service, &self.name, &self.start).await?;
        self.take(running);
        Ok(())
    }

    fn take(&mut self, running: Running) {
        let Running { child, address, admin, output } = running;
        (self.child, self.address, self.admin, self._output) = (child, address, admin, output);
        self.fenced_before += mem::take(&mut self.fenced);
    }

    /// Of all the processes it has been.
    pub(super) fn fenced_in_all(&self) -> u64 {
        self.fenced_before + self.fenced
    }

    /// Once it has ended: with this in `FAILPOINTS`, that once; answers whether it lives. One that died there before it was ready
    /// does not.
    pub(super) async fn start_armed(&mut self, failpoints: String) -> anyhow::Result<bool> {
        let mut armed = self.start.clone();
        armed.settings.push(("FAILPOINTS".to_owned(), failpoints));
        match run(self.service, &self.name, &armed).await? {
            Ok(running) => {
                self.take(running);
                Ok(true)
            }
            Err(status) => {
                ensure!(died(status), "{} ended at its start with {status}", self.name);
                Ok(false)
            }
        }
    }

    /// Whether it dies at its failpoint in so much time.
    ///
    /// # Errors
    /// If it ends in another way.
    pub(super) async fn dies(&mut self, within: Duration) -> anyhow::Result<bool> {
        let Ok(ended) = timeout(within, self.child.wait()).await else { return Ok(false) };
        let status = ended?;
        ensure!(died(status), "{} ended by itself with {status}", self.name);
        Ok(true)
    }

    /// Starts it again if it has ended by itself, as a supervisor would; answers whether.
    ///
    /// # Errors
    /// If it ended in a way that no process of ours may end.
    pub(super) async fn supervise(&mut self) -> anyhow::Result<bool> {
        let Some(status) = self.child.try_wait()? else { return Ok(false) };
        if !allowed(status) {
            bail!("{} ended by itself with {status}", self.name);
        }
        self.start_again().await?;
        Ok(true)
    }
}

/// As processes do at a failpoint.
fn died(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::ABORT.as_raw())
}

fn allowed(status: ExitStatus) -> bool {
    status.code() == Some(FENCED)
}

struct Running {
    child: Child,
    address: String,
    admin: String,
    output: JoinSet<()>,
}

async fn ready(service: Service, name: &str, start: &Start) -> anyhow::Result<Running> {
    let started = run(service, name, start).await?;
    started.map_err(|status| anyhow!("{name} ended at its start with {status}, see {}", start.logs.display()))
}

/// Until it is ready, or has ended before.
async fn run(service: Service, name: &str, start: &Start) -> anyhow::Result<Result<Running, ExitStatus>> {
    let mut child = command(start).arg(service.name()).spawn().context("cannot start gochat")?;
    let path = start.logs.join(format!("{name}.log"));
    let log = OpenOptions::new().create(true).append(true).open(&path).await;
    let mut log = log.with_context(|| format!("cannot write {}", path.display()))?;
    let mut lines = BufReader::new(child.stdout.take().context("no output to read")?).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await? {
            log.write_all(format!("{line}\n").as_bytes()).await?;
            if let Some(ready) = Ready::of_line(&line) {
                return anyhow::Ok(Some(ready));
            }
        }
        Ok(None)
    };
    let in_time = timeout(START_MAX, ready).await;
    let Ready { address, operators: admin } = match in_time {
        Ok(Ok(Some(ready))) => ready,
        Ok(Ok(None)) => return Ok(Err(child.wait().await?)),
        Ok(Err(error)) => return Err(error),
        Err(_) => bail!("{name} was not ready within {} s, see {}", START_MAX.as_secs(), path.display()),
    };
    let mut output = JoinSet::new();
    output.spawn(keep(lines, log));
    Ok(Ok(Running { child, address, admin, output }))
}

/// Writes down what it says. A log that cannot be written any more is not worth a run.
async fn keep(mut lines: Lines<BufReader<ChildStdout>>, mut log: File) {
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = log.write_all(format!("{line}\n").as_bytes()).await;
    }
    let _ = log.flush().await;
}

/// The binary with free ports, and without the limits that are meant for people.
fn command(start: &Start) -> Command {
    let mut command = Command::new(&start.gochat);
    command
        .env("GOCHAT__PROCESS__DATA_DIR", &start.folder)
        .env("GOCHAT__TELEMETRY__LOG__LEVEL", "info,sqlx=warn")
        .env("GOCHAT__ADMIN__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__RPC__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__GATEWAY__RATE__ANONYMOUS_PER_MINUTE", "1000000")
        .env("GOCHAT__GATEWAY__RATE__COMMANDS_PER_SECOND", "100000")
        .env("GOCHAT__GATEWAY__RATE__COMMANDS_BURST", "100000")
        .env("GOCHAT__GATEWAY__WS__DRAIN_MS", "200")
        .envs(start.settings.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Ctrl-C is for this program: it stops the others in order.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Prepares the database.
pub(super) async fn migrate(start: &Start) -> anyhow::Result<()> {
    let mut migrate = command(start);
    migrate.args(["migrate", "up"]).stdout(Stdio::null());
    ensure!(migrate.status().await.context("cannot start gochat")?.success(), "the new database could not be migrated");
    Ok(())
}
