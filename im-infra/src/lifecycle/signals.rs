//! SIGTERM and Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};

use super::Lifecycle;

/// The first SIGTERM or SIGINT asks everything to finish.
///
/// # Errors
/// If the process may not listen for signals.
pub fn stop_on_signals(life: &Lifecycle) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let life_to_stop = life.clone();
    life.spawn("signals", async move {
        let stopping = life_to_stop.stopping();
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
            () = stopping.cancelled() => {}
        }
        life_to_stop.stop();
        Ok::<(), std::io::Error>(())
    });
    Ok(())
}
