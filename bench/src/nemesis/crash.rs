//! Lets a process die at a place that has a name.

use std::time::Duration;

use anyhow::bail;
use im_infra::failpoint::Point;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{
    fault::{Fault, Service, Victim},
    recorder::Recorder,
    schedule::EACH,
    world::World,
};

/// How long it may take until it comes there.
const CRASH_MAX: Duration = Duration::from_secs(10);
/// After another member has left a group, and after it has come back.
const REBALANCE_MAX: Duration = Duration::from_secs(4);
/// How often another one leaves and comes back.
const TURNS_MAX: usize = 3;

impl World {
    /// The process is stopped in order and started so that it dies there; once it has, its supervisor starts it as it was. One
    /// that never comes there is started as it was, too, and nothing is told of it.
    pub(super) async fn crash(&mut self, fault: Fault, recorder: &Recorder) -> anyhow::Result<()> {
        let Fault::Crash { victim: Victim::Ours(service, index), point, passes, away_ms } = fault else {
            bail!("only our own processes can crash: {fault}");
        };
        let node = self.node(service, index)?;
        node.signal(Signal::TERM)?;
        node.ends().await?;
        let lives = node.start_armed(point.dies_after(passes)).await?;
        let died = !lives || self.dies_at(point, (service, index)).await?;
        if died {
            recorder.struck(fault);
            self.crashes += 1;
            sleep(Duration::from_millis(away_ms)).await;
        } else {
            self.node(service, index)?.kill().await?;
        }
        self.node(service, index)?.start_again().await
    }

    async fn dies_at(&mut self, point: Point, (service, index): (Service, usize)) -> anyhow::Result<bool> {
        if point != Point::Rebalance {
            return self.node(service, index)?.dies(CRASH_MAX).await;
        }
        // The group moves when another member leaves, and when it comes back.
        let other = (index + 1) % EACH;
        for _ in 0..TURNS_MAX {
            let node = self.node(service, other)?;
            node.signal(Signal::TERM)?;
            node.ends().await?;
            let left = self.node(service, index)?.dies(REBALANCE_MAX).await?;
            self.node(service, other)?.start_again().await?;
            if left || self.node(service, index)?.dies(REBALANCE_MAX).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
