//! Signals to processes that this program has started.

use std::io;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

/// Answers whether there was somebody to get it.
pub(super) fn send(child: &Child, signal: Signal) -> io::Result<bool> {
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) else {
        return Ok(false);
    };
    kill_process(pid, signal)?;
    Ok(true)
}
