//! Logins without a password to hash, and what each costs the system.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::account::Accounts;
use crate::{
    measure::{CpuUse, Window, cpu_over},
    target::System,
};

/// Logins before those that count: the first ones open connections and fill caches.
const WARM_UP: usize = 100;
/// All must be done within this.
const LOGINS_MAX: Duration = Duration::from_secs(300);

/// What so many logins cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoginResult {
    /// Guests that were made, each with a session.
    pub(crate) logins: u64,
    /// By process, from the first login to the last.
    pub(crate) cpu: Vec<CpuUse>,
}

impl LoginResult {
    /// Microseconds of CPU of each login, by process.
    pub(crate) fn cpu_us_per_login(&self) -> impl Iterator<Item = (&str, f64)> {
        let logins = self.logins.max(1) as f64;
        self.cpu.iter().map(move |used| (used.process.as_str(), used.seconds * 1e6 / logins))
    }
}

/// Logs so many guests in, as fast as a bounded number at the same time goes, and reads the processes' times before and after.
pub(crate) async fn measure_logins(
    logins: u32,
    system: &System,
    stop: &CancellationToken,
) -> anyhow::Result<LoginResult> {
    let accounts = Accounts::of(&system.endpoint);
    accounts.guests(WARM_UP).await?;
    let done = stop.child_token();
    let logging_in = async {
        let made = accounts.guests(logins as usize).await;
        done.cancel();
        made
    };
    let now = Instant::now();
    let window = Window { started: now, from: now, to: now + LOGINS_MAX };
    let (cpu, made) = tokio::join!(cpu_over(window, &system.processes, &done), logging_in);
    Ok(LoginResult { logins: made?.len() as u64, cpu: cpu? })
}
