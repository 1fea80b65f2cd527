//! A run: faults for so many steps, then none; then everything must settle.

use std::collections::VecDeque;

use crate::{options::Options, report::Report, world::World};

/// Virtual time in which everything settles: above the age of the window, a pass over the routes, and the retries of clients.
const SETTLE_US: u64 = 20_000_000;
/// Virtual time in which everybody has come again and knows everything.
const RECONNECTED_US: u64 = 10_000_000;

/// Runs it. The same options are the same run, event by event.
pub fn run(options: &Options) -> Report {
    play(World::new(options, None)).0
}

/// Runs it and keeps the last events in words.
pub fn replay(options: &Options, kept: usize) -> (Report, VecDeque<String>) {
    play(World::new(options, Some(kept)))
}

fn play(mut world: World) -> (Report, VecDeque<String>) {
    world.begin();
    let steps = world.options.steps;
    while world.steps < steps && world.step() {}
    world.heal();
    let until = world.scheduler.now_us() + SETTLE_US;
    while world.scheduler.now_us() < until && world.step() {}
    // Without a new connection: what a live one was not pushed is missed for good.
    world.check_pushed();
    // Cursors that come with one device's sync are told to another one when it comes again.
    for _ in 0..2 {
        world.reconnect_all();
        let until = world.scheduler.now_us() + RECONNECTED_US;
        while world.scheduler.now_us() < until && world.step() {}
    }
    world.check_settled();
    world.report()
}
