//! When what is done to whom: a pure function of scenario, subject, seed and time.

use std::ops::Range;

use im_infra::failpoint::Point;
use serde::{Deserialize, Serialize};

use super::{
    fault::{DiskError, Fault, Server, Service, Subject, Victim, Way},
    hearing::DEAF_EVERY,
    scenario::{Kind, Scenario},
};

/// Load before the first fault.
const WARM_MS: u64 = 3_000;
/// Load after the last one, at least.
const CALM_MS: u64 = 4_000;
/// Between two faults, once the system has found itself again.
const GAP_MS: Range<u64> = 1_000..3_000;
/// Between the copy of Redis and the day it comes back.
const SNAPSHOT_AGE_MS: Range<u64> = 2_000..5_000;
/// By how much a clock is wrong.
const HOUR_MS: i64 = 3_600_000;
/// By how much each call to bring something to the disk is late.
const SYNC_DELAY_MS: Range<u64> = 200..800;
/// How many of each service there are.
pub(super) const EACH: usize = 2;

/// A fault and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// After the load began. One whose time comes while another is at work follows that one.
    pub at_ms: u64,
    /// What is done.
    pub fault: Fault,
}

/// The same for the same seed, whatever the machine.
pub fn schedule(scenario: &Scenario, subject: Subject, seed: u64, load_ms: u64) -> Vec<Step> {
    let kinds = scenario.kinds(subject);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut steps, mut at_ms) = (Vec::new(), WARM_MS);
    let mut turn: Vec<Kind> = Vec::new();
    loop {
        if turn.is_empty() {
            turn.clone_from(&kinds);
            random.shuffle(&mut turn);
        }
        let Some(kind) = turn.pop() else { return steps };
        let mut here = Vec::new();
        if kind == Kind::OldSnapshot {
            here.push(Step { at_ms, fault: Fault::Snapshot });
            at_ms += random.u64(SNAPSHOT_AGE_MS);
        }
        let fault = fault(kind, subject, &mut random);
        here.push(Step { at_ms, fault });
        at_ms += fault.lasts_ms();
        if at_ms + CALM_MS > load_ms {
            return steps;
        }
        steps.append(&mut here);
        at_ms += fault.recovers_ms() + random.u64(GAP_MS);
    }
}

fn fault(kind: Kind, subject: Subject, random: &mut fastrand::Rng) -> Fault {
    let away_ms = random.u64(away_ms(kind));
    let ours = |service: Service, random: &mut fastrand::Rng| {
        Victim::Ours(service, if service == Service::Standalone { 0 } else { random.usize(0..EACH) })
    };
    match kind {
        Kind::Kill(service) => Fault::Kill { victim: ours(service, random), away_ms },
        Kind::Terminate(service) => Fault::Terminate { victim: ours(service, random), away_ms },
        Kind::Pause(service) => Fault::Pause { victim: ours(service, random), away_ms },
        Kind::KillServer(server) => Fault::Kill { victim: Victim::Server(server), away_ms },
        Kind::RestartServer(server) => Fault::Terminate { victim: Victim::Server(server), away_ms },
        Kind::PauseServer(server) => Fault::Pause { victim: Victim::Server(server), away_ms },
        Kind::Flush => Fault::Flush,
        Kind::OldSnapshot => Fault::Restore { away_ms },
        Kind::Cut(server) => {
            let way = match random.u8(0..4) {
                0 => Way::ToServer,
                1 => Way::ToClient,
                _ => Way::Both,
            };
            Fault::Cut { server, way, away_ms }
        }
        Kind::Slow(server) => Fault::Slow { server, delay_ms: random.u64(5..100), away_ms },
        Kind::LoseCommits => Fault::LoseCommits { count: random.u64(1..4) },
        Kind::SlowSync(service) => slow_sync(ours(service, random), away_ms, random),
        Kind::SlowServerSync(server) => slow_sync(Victim::Server(server), away_ms, random),
        Kind::FailingSync(service) => failing_sync(ours(service, random), away_ms, random),
        Kind::FailingServerSync(server) => failing_sync(Victim::Server(server), away_ms, random),
        Kind::ClockAhead(service) => Fault::WrongClock { victim: ours(service, random), shift_ms: HOUR_MS, away_ms },
        Kind::ClockBehind(service) => Fault::WrongClock { victim: ours(service, random), shift_ms: -HOUR_MS, away_ms },
        Kind::Deafen => Fault::Deafen { first: random.usize(0..DEAF_EVERY), away_ms },
        Kind::Crash(point) => {
            let service = if subject == Subject::Standalone { Service::Standalone } else { service_of(point) };
            Fault::Crash { victim: ours(service, random), point, passes: random.u64(passes(point)), away_ms }
        }
    }
}

fn slow_sync(victim: Victim, away_ms: u64, random: &mut fastrand::Rng) -> Fault {
    Fault::SlowSync { victim, delay_ms: random.u64(SYNC_DELAY_MS), away_ms }
}

fn failing_sync(victim: Victim, away_ms: u64, random: &mut fastrand::Rng) -> Fault {
    let error = if random.bool() { DiskError::Io } else { DiskError::Full };
    Fault::FailingSync { victim, error, away_ms }
}

/// Whose processes come there.
const fn service_of(point: Point) -> Service {
    match point {
        Point::RepoAfterCommit => Service::Repo,
        Point::LogicAfterAppend | Point::LogicBetweenRecords | Point::WorkerBeforeCommit | Point::Rebalance => {
            Service::Logic
        }
        Point::TaskBeforeProduce => Service::Task,
        Point::GatewayBeforeAnswer => Service::Gateway,
    }
}

/// How often a process may pass there before it dies. A member joins with the first rebalance: that one it survives.
const fn passes(point: Point) -> Range<u64> {
    match point {
        Point::Rebalance => 1..4,
        Point::LogicBetweenRecords | Point::TaskBeforeProduce => 0..5,
        _ => 0..20,
    }
}

/// Short enough for several in a run; where a session or lease is to run out, longer than that (3 and 2 s, see the settings).
fn away_ms(kind: Kind) -> Range<u64> {
    match kind {
        Kind::Kill(_) | Kind::Terminate(_) => 50..2_500,
        Kind::Crash(_) => 50..1_000,
        Kind::Pause(Service::Logic | Service::Task) => 4_500..7_000,
        Kind::Pause(Service::Gateway) => 2_500..6_000,
        Kind::PauseServer(Server::Etcd) => 4_000..6_000,
        Kind::PauseServer(Server::Kafka) => 5_000..6_000,
        Kind::Pause(Service::Standalone | Service::Repo) | Kind::PauseServer(_) => 500..5_000,
        Kind::KillServer(_) | Kind::RestartServer(_) | Kind::OldSnapshot => 100..3_000,
        Kind::Cut(_) => 500..7_000,
        Kind::Slow(_) => 2_000..5_000,
        Kind::SlowSync(_) | Kind::SlowServerSync(_) => 3_000..6_000,
        // Several commits in a row have to fail.
        Kind::FailingSync(_) | Kind::FailingServerSync(_) => 1_500..4_000,
        // Longer than the leases and sessions of the settings.
        Kind::ClockAhead(_) | Kind::ClockBehind(_) => 4_000..9_000,
        // Where the way is narrow, three times as long as it takes to fill it at sixty messages a second. Shorter than a write may
        // take: what ends the connection is what waits for it.
        Kind::Deafen => 7_000..9_000,
        Kind::Flush | Kind::LoseCommits => 0..1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECTS: [Subject; 2] = [Subject::Standalone, Subject::Processes];

    #[test]
    fn the_same_seed_makes_the_same_schedule_and_another_one_another() {
        for subject in SUBJECTS {
            for scenario in Scenario::all().iter().filter(|scenario| scenario.fits(subject)) {
                let [one, same, other] = [1, 1, 2].map(|seed| schedule(scenario, subject, seed, 60_000));
                assert_eq!(one, same, "{}", scenario.name);
                assert_ne!(one, other, "{}", scenario.name);
            }
        }
    }

    #[test]
    fn every_schedule_of_a_short_run_does_something_in_order_and_leaves_time_to_heal() {
        for seed in 0..200 {
            for subject in SUBJECTS {
                for scenario in Scenario::all().iter().filter(|scenario| scenario.fits(subject)) {
                    let steps = schedule(scenario, subject, seed, 30_000);
                    assert!(steps.iter().any(|step| step.fault.hurts()), "{} {seed}", scenario.name);
                    let (mut free_ms, mut calm_ms) = (WARM_MS, WARM_MS);
                    for step in &steps {
                        assert!(calm_ms <= step.at_ms, "{} {seed}: {step:?}", scenario.name);
                        free_ms = step.at_ms + step.fault.lasts_ms();
                        calm_ms = free_ms + step.fault.recovers_ms();
                    }
                    assert!(free_ms + CALM_MS <= 30_000, "{} {seed}", scenario.name);
                }
            }
        }
    }

    #[test]
    fn a_broker_that_is_restarted_is_there_for_most_of_the_time_and_is_restarted_again() {
        let scenario = Scenario::named("kafka-restart").unwrap();
        for seed in 0..200 {
            let steps = schedule(scenario, Subject::Processes, seed, 30_000);
            let lost_ms: u64 = steps.iter().map(|step| step.fault.lasts_ms()).sum();
            assert!((2..=3).contains(&steps.len()) && lost_ms < 10_000, "{seed}: {steps:?}");
        }
    }

    #[test]
    fn each_user_is_deaf_at_times_and_others_meanwhile_never_longer_than_a_write_may_take() {
        let scenario = Scenario::named("deaf-clients").unwrap();
        for subject in SUBJECTS {
            let steps = schedule(scenario, subject, 3, 600_000);
            let mut firsts = [0; DEAF_EVERY];
            for step in &steps {
                let Fault::Deafen { first, away_ms } = step.fault else { panic!("{step:?}") };
                assert!(away_ms < 10_000, "{step:?}");
                firsts[first] += 1;
            }
            assert!(firsts.iter().all(|times| *times > 0), "{firsts:?}");
        }
    }

    #[test]
    fn everything_does_all_of_it_before_anything_again() {
        let scenario = Scenario::named("everything").unwrap();
        let kinds = scenario.kinds(Subject::Processes).len();
        let steps = schedule(scenario, Subject::Processes, 5, 3_600_000);
        let flushes: Vec<usize> = steps
            .iter()
            .filter(|step| step.fault.hurts())
            .enumerate()
            .filter_map(|(index, step)| (step.fault == Fault::Flush).then_some(index / kinds))
            .collect();
        assert!(flushes.len() > 3 && flushes.iter().copied().eq(0..flushes.len()), "{flushes:?}");
    }

    #[test]
    fn a_schedule_survives_being_saved() {
        let scenario = Scenario::named("everything").unwrap();
        let steps = schedule(scenario, Subject::Processes, 9, 600_000);
        let text = serde_json::to_string(&steps).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Step>>(&text).unwrap(), steps);
    }
}
