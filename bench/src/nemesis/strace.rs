//! A slow or failing disk: strace makes the calls of a running process late, or lets them fail without doing anything.
//!
//! What it says of each call shows how often that really happened. While it is at work, every system call of the process takes
//! longer.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{fault::DiskError, signal::send};

/// The calls that are to bring to the disk what was written.
const CALLS: &str = "fsync,fdatasync";
/// How long strace may take until it holds all threads of a process, and until it has let go of them.
const ATTACH_MAX: Duration = Duration::from_secs(10);

/// What becomes of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Injection {
    /// They begin so much later.
    Late(Duration),
    /// They fail.
    Fails(DiskError),
}

impl Injection {
    /// As strace is asked for it.
    fn argument(self) -> String {
        match self {
            Self::Late(by) => format!("inject={CALLS}:delay_enter={}", by.as_micros()),
            Self::Fails(error) => format!("inject={CALLS}:error={}", error.name()),
        }
    }
}

/// Whether strace is there and may trace processes that are not its own.
///
/// # Errors
/// Why not and what to do, in a line.
pub async fn can_trace() -> Result<(), String> {
    // One that does nothing until its input ends.
    let waiting = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn();
    let waiting = waiting.map_err(|error| format!("no process can be started: {error}"))?;
    let pid = waiting.id().ok_or("a process ended at once")?;
    let traced = Tracer::start(pid, Injection::Late(Duration::ZERO)).await;
    traced.map(drop).map_err(|error| format!("{error:#}"))
}

/// Does it to a process for so long, and answers to how many calls. `first` is called at the first one.
///
/// # Errors
/// If strace cannot trace the process.
pub(super) async fn inject(
    pid: u32,
    injection: Injection,
    lasts: Duration,
    first: impl FnOnce(),
) -> anyhow::Result<u64> {
    let deadline = Instant::now() + lasts;
    let mut tracer = Tracer::start(pid, injection).await?;
    let (mut calls, mut first) = (0, Some(first));
    let mut count = |line: &str| {
        if is_injected(line) {
            calls += 1;
            if let Some(first) = first.take() {
                first();
            }
        }
    };
    while let Ok(line) = timeout_at(deadline, tracer.lines.next_line()).await {
        // Without a line the process has ended, and strace with it.
        let Some(line) = line? else { break };
        count(&line);
    }
    sleep_until(deadline).await;
    tracer.let_go(count).await?;
    Ok(calls)
}

/// A strace that holds a process.
struct Tracer {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Tracer {
    async fn start(pid: u32, injection: Injection) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.to_string(), "-e", "signal=none", "-e", &format!("trace={CALLS}")]);
        command.args(["-e", &injection.argument()]).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C is for this program: it stops the others in order.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().context("strace is not there, install it (apt-get install strace)")?;
        let mut lines = BufReader::new(child.stderr.take().context("no output to read")?).lines();
        let mut said = String::new();
        let holds = async {
            while let Some(line) = lines.next_line().await? {
                if is_attached(&line) {
                    return anyhow::Ok(true);
                }
                said = line;
            }
            Ok(false)
        };
        if !timeout(ATTACH_MAX, holds).await.context("strace does not begin")?? {
            bail!("strace may not trace other processes ({said}): it needs root or CAP_SYS_PTRACE, and ptrace allowed");
        }
        Ok(Self { child, lines })
    }

    /// What the process has not been told yet, it is told.
    async fn let_go(mut self, mut said: impl FnMut(&str)) -> anyhow::Result<()> {
        // One that has ended with the process, or ends at this moment, needs no signal.
        let _ = send(&self.child, Signal::TERM);
        let ends = async {
            while let Some(line) = self.lines.next_line().await? {
                said(&line);
            }
            self.child.wait().await
        };
        timeout(ATTACH_MAX, ends).await.context("strace does not let go")??;
        Ok(())
    }
}

/// Whether a line says that the process is held.
fn is_attached(line: &str) -> bool {
    line.starts_with("strace: Process ") && line.contains(" attached")
}

/// Whether a line tells the end of a call that was late, or failed by our will.
fn is_injected(line: &str) -> bool {
    line.ends_with("(DELAYED)") || line.ends_with("(INJECTED)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_once_and_only_if_something_was_done_to_it() {
        let said = [
            ("strace: Process 6322 attached with 3 threads", false),
            ("[pid  6395] fdatasync(3 <unfinished ...>", false),
            ("[pid  6395] <... fdatasync resumed>)    = 0 (DELAYED)", true),
            ("[pid  6394] fdatasync(3)                = -1 EIO (Input/output error) (INJECTED)", true),
            ("fsync(56)                               = 0 (DELAYED)", true),
            ("[pid  6394] fdatasync(3)                = 0", false),
            ("[pid  6394] fdatasync(3)                = -1 EIO (Input/output error)", false),
            ("strace: Process 6322 detached", false),
            ("+++ killed by SIGABRT +++", false),
        ];
        for (line, counts) in said {
            assert_eq!(is_injected(line), counts, "{line}");
        }
        assert!(is_attached(said[0].0) && said[1..].iter().all(|(line, _)| !is_attached(line)));
        assert!(!is_attached("strace: attach: ptrace(PTRACE_SEIZE, 99): Operation not permitted"));
    }

    #[test]
    fn strace_is_asked_in_its_words() {
        let late = Injection::Late(Duration::from_millis(250));
        assert_eq!(late.argument(), "inject=fsync,fdatasync:delay_enter=250000");
        assert_eq!(Injection::Fails(DiskError::Full).argument(), "inject=fsync,fdatasync:error=ENOSPC");
    }
}
