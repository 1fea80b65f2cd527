//! What goes wrong from time to time.

use crate::{
    event::Event,
    faults::{Faults, PAUSE},
    world::World,
};

impl World {
    /// One thing goes wrong, and the next is planned.
    pub(crate) fn fault(&mut self, within: (u64, u64)) {
        if !self.faults.is_chaos {
            return;
        }
        self.faults_made += 1;
        self.scheduler.within(within, Event::Fault);
        let gateway = self.scheduler.random.usize(0..self.gateways.len());
        let logic = self.scheduler.random.usize(0..self.logics.len());
        let until_us = self.scheduler.now_us() + self.scheduler.random.u64(PAUSE.0..PAUSE.1);
        match self.scheduler.random.u32(0..14) {
            0 | 1 => self.kill_gateway(gateway),
            2 | 3 => self.kill_logic(logic),
            4 => self.kill_task(),
            5 => self.pause_logic(logic, until_us),
            6 => self.pause_gateway(gateway, until_us),
            7 | 8 => {
                let client = self.scheduler.random.usize(0..self.clients.len());
                if let Some(link) = self.clients[client].link {
                    self.cut(link);
                }
            }
            9 | 10 => self.routes.lose_all(),
            11 => {
                self.routes.set_down(true);
                self.scheduler.at(until_us, Event::RoutesUp);
            }
            12 => self.scheduler.at(until_us, Event::Rebalance),
            // It stands still for so long that the log has let go of what it did not read.
            _ => {
                self.pause_gateway(gateway, until_us);
                self.gateways[gateway].has_fallen_behind = true;
            }
        }
    }

    /// What waits for its end keeps its order, so a pause is never cut short.
    fn pause_gateway(&mut self, at: usize, until_us: u64) {
        let paused = &mut self.gateways[at].paused_until_us;
        *paused = until_us.max(*paused);
    }

    /// From now on everything works; whoever stands still goes on in its time.
    pub(crate) fn heal(&mut self) {
        self.faults = Faults::NONE;
        self.routes.set_down(false);
        // What was handled and whose commit was lost is read again.
        self.owners.iter_mut().for_each(|owner| *owner = None);
        self.scheduler.within((1, 1_000), Event::Rebalance);
    }
}
