//! GoChat's binary as a process.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(30);

/// A process whose CPU or memory is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

/// A process that was started here; killed when dropped.
pub(super) struct Running {
    service: &'static str,
    child: Child,
    /// Where it says it is ready.
    pub(super) address: String,
    /// Its output must go on being read, or the pipe fills and it waits.
    _output: JoinSet<()>,
}

impl Running {
    /// Starts `gochat SERVICE` and waits until it is ready.
    pub(super) async fn start(
        gochat: &Path,
        service: &'static str,
        folder: &Path,
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let mut child = command(gochat, folder, settings).arg(service).spawn().context("cannot start gochat")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output to read")?).lines();
        let (mut address, mut seen) = (String::new(), Vec::new());
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, found)) = line.split_once(" is ready at ") {
                    found.trim_start_matches("http://").clone_into(&mut address);
                }
                if line.contains("Ctrl-C") {
                    return anyhow::Ok(true);
                }
                seen.push(line);
            }
            Ok(false)
        };
        let in_time = timeout(START_MAX, ready).await;
        match in_time {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => bail!("gochat {service} ended at its start: {}", seen.join(" / ")),
            Ok(Err(error)) => return Err(error),
            Err(_) => bail!("gochat {service} was not ready within {} s", START_MAX.as_secs()),
        }
        let mut output = JoinSet::new();
        output.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { service, child, address, _output: output })
    }

    pub(super) fn process(&self) -> anyhow::Result<Process> {
        let pid = self.child.id().with_context(|| format!("gochat {} has ended", self.service))?;
        Ok(Process { name: self.service.to_owned(), pid })
    }

    /// SIGTERM, and the time to drain.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.process()?.pid).ok().and_then(Pid::from_raw).context("no such process")?;
        kill_process(pid, Signal::TERM)
            .with_context(|| format!("gochat {} could not be told to stop", self.service))?;
        let ended = timeout(STOP_MAX, self.child.wait()).await;
        let status = ended.with_context(|| format!("gochat {} did not stop and is killed", self.service))??;
        ensure!(status.success(), "gochat {} ended with {status}", self.service);
        Ok(())
    }
}

/// The binary with settings that a load needs: free ports, and no limits meant for people.
pub(super) fn command(gochat: &Path, folder: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(gochat);
    command
        .env("GOCHAT__PROCESS__DATA_DIR", folder)
        .env("GOCHAT__TELEMETRY__LOG__LEVEL", "warn")
        // With a line that says that it is ready, whatever the level.
        .env("GOCHAT__TELEMETRY__LOG__FORMAT", "pretty")
        .env("GOCHAT__ADMIN__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__RPC__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__GATEWAY__HTTP__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__GATEWAY__WS__CONNECTIONS_MAX", "100000")
        .env("GOCHAT__GATEWAY__HTTP__CONNECTIONS_MAX", "200000")
        .env("GOCHAT__GATEWAY__WS__DRAIN_MS", "200")
        .env("GOCHAT__GATEWAY__RATE__ANONYMOUS_PER_MINUTE", "1000000")
        .env("GOCHAT__GATEWAY__RATE__COMMANDS_PER_SECOND", "100000")
        .env("GOCHAT__GATEWAY__RATE__COMMANDS_BURST", "100000")
        .envs(settings.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Ctrl-C is for this program: it stops the others in order.
        .process_group(0)
        .kill_on_drop(true);
    command
}
