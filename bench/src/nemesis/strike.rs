//! Does a fault and undoes it.

use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{
    fault::{Fault, Server, Victim},
    recorder::Recorder,
    strace::{Injection, inject},
    world::World,
};

/// How long a COMMIT is waited for.
const COMMIT_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

impl World {
    /// Waits until the fault has passed; what its victim needs to find itself again is not waited for. The recorder is told at
    /// the moment when it has taken effect.
    pub(super) async fn strike(&mut self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        match fault {
            Fault::Kill { victim: Victim::Ours(..), .. }
            | Fault::Terminate { victim: Victim::Ours(..), .. }
            | Fault::Pause { victim: Victim::Ours(..), .. } => self.strike_ours(fault, recorder).await?,
            Fault::Kill { .. } | Fault::Terminate { .. } | Fault::Pause { .. } => {
                self.strike_server(fault, recorder).await?;
            }
            Fault::Flush | Fault::Snapshot | Fault::Restore { .. } => self.strike_redis(fault, recorder).await?,
            Fault::Cut { .. } | Fault::Slow { .. } => self.strike_way(fault, recorder).await?,
            Fault::LoseCommits { count } => self.lose_commits(count, fault, recorder).await?,
            Fault::Crash { .. } => Box::pin(self.crash(fault, recorder)).await?,
            Fault::SlowSync { .. } | Fault::FailingSync { .. } => self.strike_disk(fault, recorder).await?,
            Fault::WrongClock { .. } => self.strike_clock(fault, recorder).await?,
            Fault::Deafen { first, .. } => self.deafen(first, fault, recorder).await,
        }
        self.supervise().await
    }

    async fn strike_ours(&mut self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let away = Duration::from_millis(fault.lasts_ms());
        match fault {
            Fault::Kill { victim: Victim::Ours(service, index), .. } => {
                let node = self.node(service, index)?;
                node.signal(Signal::KILL)?;
                recorder.struck(fault);
                node.kill().await?;
                sleep(away).await;
                node.start_again().await
            }
            Fault::Terminate { victim: Victim::Ours(service, index), .. } => {
                let node = self.node(service, index)?;
                node.signal(Signal::TERM)?;
                recorder.struck(fault);
                node.ends().await?;
                sleep(away).await;
                node.start_again().await
            }
            Fault::Pause { victim: Victim::Ours(service, index), .. } => {
                let node = self.node(service, index)?;
                node.signal(Signal::STOP)?;
                recorder.struck(fault);
                sleep(away).await;
                node.signal(Signal::CONT)
            }
            _ => Ok(()),
        }
    }

    async fn strike_server(&self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let (servers, away) = (self.servers()?, Duration::from_millis(fault.lasts_ms()));
        match fault {
            Fault::Kill { victim: Victim::Server(server), .. } => {
                servers.signal(server, "KILL").await?;
                recorder.struck(fault);
                sleep(away).await;
                servers.up(server).await
            }
            Fault::Terminate { victim: Victim::Server(server), .. } => {
                recorder.struck(fault);
                servers.stop(server).await?;
                sleep(away).await;
                servers.up(server).await
            }
            Fault::Pause { victim: Victim::Server(server), .. } => {
                servers.signal(server, "STOP").await?;
                recorder.struck(fault);
                sleep(away).await;
                servers.signal(server, "CONT").await
            }
            _ => Ok(()),
        }
    }

    async fn strike_redis(&self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let servers = self.servers()?;
        match fault {
            Fault::Flush => {
                servers.flush_redis().await?;
                recorder.struck(fault);
                Ok(())
            }
            Fault::Restore { away_ms } => {
                servers.signal(Server::Redis, "KILL").await?;
                recorder.struck(fault);
                servers.restore_redis().await?;
                sleep(Duration::from_millis(away_ms)).await;
                servers.up(Server::Redis).await?;
                servers.check_restored().await
            }
            _ => servers.copy_redis().await,
        }
    }

    async fn strike_way(&self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let (Fault::Cut { server, .. } | Fault::Slow { server, .. }) = fault else { return Ok(()) };
        let proxy = self.servers()?.proxy(server)?;
        match fault {
            Fault::Slow { delay_ms, .. } => proxy.slow(Duration::from_millis(delay_ms)),
            Fault::Cut { way, .. } => proxy.cut(way),
            _ => {}
        }
        recorder.struck(fault);
        sleep(Duration::from_millis(fault.lasts_ms())).await;
        proxy.heal();
        Ok(())
    }

    /// It has taken effect with the first call; without any nothing is told of it.
    async fn strike_disk(&mut self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let (victim, injection) = match fault {
            Fault::SlowSync { victim, delay_ms, .. } => (victim, Injection::Late(Duration::from_millis(delay_ms))),
            Fault::FailingSync { victim, error, .. } => (victim, Injection::Fails(error)),
            _ => return Ok(()),
        };
        let pid = match victim {
            Victim::Ours(service, index) => self.node(service, index)?.pid()?,
            Victim::Server(server) => self.servers()?.pid(server)?,
        };
        let lasts = Duration::from_millis(fault.lasts_ms());
        self.injected += inject(pid, injection, lasts, || recorder.struck(fault)).await?;
        if let (Victim::Server(server), Injection::Fails(_)) = (victim, injection) {
            // Most end of it by themselves, and none is to go on half dead.
            self.servers()?.stop(server).await?;
            self.servers()?.up(server).await?;
        }
        Ok(())
    }

    async fn strike_clock(&mut self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let Fault::WrongClock { victim: Victim::Ours(service, index), shift_ms, away_ms } = fault else {
            bail!("only our own clocks can be wrong: {fault}");
        };
        self.node(service, index)?.move_clock(shift_ms)?;
        recorder.struck(fault);
        sleep(Duration::from_millis(away_ms)).await;
        self.node(service, index)?.move_clock(0)
    }

    /// What the clients then find was kept for them, or their gateway has given them up.
    async fn deafen(&self, first: usize, fault: Fault, recorder: &Recorder) {
        self.hearing.deafen(first);
        recorder.struck(fault);
        sleep(Duration::from_millis(fault.lasts_ms())).await;
        self.hearing.heal();
    }

    async fn lose_commits(&self, count: u64, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let proxy = self.servers()?.proxy(Server::Mariadb)?;
        let wanted = proxy.lost_commits() + count;
        proxy.lose_commits(count);
        recorder.struck(fault);
        let deadline = Instant::now() + COMMIT_MAX;
        while proxy.lost_commits() < wanted && Instant::now() < deadline {
            sleep(POLL).await;
        }
        proxy.heal();
        Ok(())
    }
}
