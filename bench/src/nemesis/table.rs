//! The scenarios, by name.

use im_infra::failpoint::Point;

use super::{
    fault::{Server, Service},
    scenario::{Evidence, Kind, Scenario},
};

impl Scenario {
    /// All of them.
    pub fn all() -> &'static [Self] {
        ALL
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }
}

const ALL: &[Scenario] = &[
    Scenario::of("kill-standalone", "standalone gets SIGKILL", &[Kind::Kill(Service::Standalone)]),
    Scenario::of("terminate-standalone", "standalone gets SIGTERM", &[Kind::Terminate(Service::Standalone)]),
    Scenario::of("pause-standalone", "standalone stands still", &[Kind::Pause(Service::Standalone)]),
    Scenario::of("kill-gateway", "a gateway gets SIGKILL", &[Kind::Kill(Service::Gateway)]),
    Scenario::of("kill-logic", "a logic gets SIGKILL", &[Kind::Kill(Service::Logic)]),
    Scenario::of("kill-repo", "a repo gets SIGKILL", &[Kind::Kill(Service::Repo)]),
    Scenario::of("kill-task", "a task gets SIGKILL", &[Kind::Kill(Service::Task)]),
    Scenario::of("terminate-gateway", "a gateway gets SIGTERM", &[Kind::Terminate(Service::Gateway)]),
    Scenario::of("terminate-logic", "a logic gets SIGTERM", &[Kind::Terminate(Service::Logic)]),
    Scenario::of("terminate-repo", "a repo gets SIGTERM", &[Kind::Terminate(Service::Repo)]),
    Scenario::of("terminate-task", "a task gets SIGTERM", &[Kind::Terminate(Service::Task)]),
    Scenario::of("pause-gateway", "a gateway stands still past its lease", &[Kind::Pause(Service::Gateway)]),
    Scenario::of("pause-logic", "a logic stands still past its session", &[Kind::Pause(Service::Logic)])
        .needing(Evidence::Fenced),
    Scenario::of("pause-repo", "a repo stands still", &[Kind::Pause(Service::Repo)]),
    Scenario::of("pause-task", "a task stands still past its session", &[Kind::Pause(Service::Task)]),
    Scenario::of("kafka-kill", "the broker gets SIGKILL", &[Kind::KillServer(Server::Kafka)]),
    Scenario::of("kafka-restart", "the broker is stopped and started", &[Kind::RestartServer(Server::Kafka)]),
    Scenario::of("kafka-pause", "the broker stands still", &[Kind::PauseServer(Server::Kafka)]),
    Scenario::of("etcd-kill", "etcd gets SIGKILL", &[Kind::KillServer(Server::Etcd)]),
    Scenario::of("etcd-pause", "etcd stands still for two lease times", &[Kind::PauseServer(Server::Etcd)]),
    Scenario::of("redis-kill", "Redis gets SIGKILL", &[Kind::KillServer(Server::Redis)]),
    Scenario::of("redis-pause", "Redis stands still", &[Kind::PauseServer(Server::Redis)]),
    Scenario::of("redis-flush", "Redis forgets everything", &[Kind::Flush]),
    Scenario::of("redis-old-snapshot", "Redis comes back with what it held before", &[Kind::OldSnapshot]),
    Scenario::of("mariadb-kill", "MariaDB gets SIGKILL", &[Kind::KillServer(Server::Mariadb)]),
    Scenario::of("mariadb-restart", "MariaDB is stopped and started", &[Kind::RestartServer(Server::Mariadb)]),
    Scenario::of("mariadb-pause", "MariaDB stands still", &[Kind::PauseServer(Server::Mariadb)]),
    Scenario::of("cut-kafka", "the way to the broker is cut, wholly or one way", &[Kind::Cut(Server::Kafka)]),
    Scenario::of("cut-etcd", "the way to etcd is cut, wholly or one way", &[Kind::Cut(Server::Etcd)]),
    Scenario::of("cut-redis", "the way to Redis is cut, wholly or one way", &[Kind::Cut(Server::Redis)]),
    Scenario::of("cut-mariadb", "the way to MariaDB is cut, wholly or one way", &[Kind::Cut(Server::Mariadb)]),
    Scenario::of("slow-kafka", "the broker is far away", &[Kind::Slow(Server::Kafka)]),
    Scenario::of("slow-etcd", "etcd is far away", &[Kind::Slow(Server::Etcd)]),
    Scenario::of("slow-redis", "Redis is far away", &[Kind::Slow(Server::Redis)]),
    Scenario::of("slow-mariadb", "MariaDB is far away", &[Kind::Slow(Server::Mariadb)]),
    Scenario::of("commit-unanswered", "database connections end between COMMIT and its answer", &[Kind::LoseCommits])
        .needing(Evidence::LostCommit),
    Scenario::of("deaf-clients", "some clients read nothing for a while", &[Kind::Deafen]).needing(Evidence::TooSlow),
    Scenario::crash("crash-repo-after-commit", Point::RepoAfterCommit, &[Kind::Crash(Point::RepoAfterCommit)]),
    Scenario::crash("crash-logic-after-append", Point::LogicAfterAppend, &[Kind::Crash(Point::LogicAfterAppend)]),
    Scenario::crash(
        "crash-logic-between-records",
        Point::LogicBetweenRecords,
        &[Kind::Crash(Point::LogicBetweenRecords)],
    ),
    Scenario::crash("crash-worker-before-commit", Point::WorkerBeforeCommit, &[Kind::Crash(Point::WorkerBeforeCommit)]),
    Scenario::crash("crash-task-before-produce", Point::TaskBeforeProduce, &[Kind::Crash(Point::TaskBeforeProduce)]),
    Scenario::crash("crash-rebalance", Point::Rebalance, &[Kind::Crash(Point::Rebalance)]),
    Scenario::crash(
        "crash-gateway-before-answer",
        Point::GatewayBeforeAnswer,
        &[Kind::Crash(Point::GatewayBeforeAnswer)],
    ),
    Scenario::sync("slow-sync-standalone", "standalone's disk is slow", &[Kind::SlowSync(Service::Standalone)]),
    Scenario::sync("slow-sync-mariadb", "MariaDB's disk is slow", &[Kind::SlowServerSync(Server::Mariadb)]),
    Scenario::sync("slow-sync-kafka", "the broker's disk is slow", &[Kind::SlowServerSync(Server::Kafka)]),
    Scenario::sync("failing-sync-standalone", "standalone's disk fails", &[Kind::FailingSync(Service::Standalone)]),
    Scenario::sync("failing-sync-mariadb", "MariaDB's disk fails", &[Kind::FailingServerSync(Server::Mariadb)]),
    Scenario::sync("failing-sync-kafka", "the broker's disk fails", &[Kind::FailingServerSync(Server::Kafka)]),
    Scenario::of("clock-ahead-standalone", "standalone lives an hour ahead", &[Kind::ClockAhead(Service::Standalone)]),
    Scenario::of("clock-ahead-gateway", "a gateway lives an hour ahead", &[Kind::ClockAhead(Service::Gateway)]),
    Scenario::of("clock-ahead-logic", "a logic lives an hour ahead", &[Kind::ClockAhead(Service::Logic)]),
    Scenario::of("clock-ahead-repo", "a repo lives an hour ahead", &[Kind::ClockAhead(Service::Repo)]),
    Scenario::of("clock-ahead-task", "a task lives an hour ahead", &[Kind::ClockAhead(Service::Task)]),
    Scenario::of("clock-behind-standalone", "standalone lives an hour ago", &[Kind::ClockBehind(Service::Standalone)]),
    Scenario::of("clock-behind-gateway", "a gateway lives an hour ago", &[Kind::ClockBehind(Service::Gateway)]),
    Scenario::of("clock-behind-logic", "a logic lives an hour ago", &[Kind::ClockBehind(Service::Logic)]),
    Scenario::of("clock-behind-repo", "a repo lives an hour ago", &[Kind::ClockBehind(Service::Repo)]),
    Scenario::of("clock-behind-task", "a task lives an hour ago", &[Kind::ClockBehind(Service::Task)]),
    Scenario::of("kill-each", "every kind of process gets SIGKILL in turn", EACH),
    Scenario::of("each-twice", "every process is killed, a logic loses its session, broker and Redis fail", TWICE)
        .needing(Evidence::Fenced),
    Scenario::of("everything", "all but crashes, disks and clocks, at random", EVERYTHING),
];

const EACH: &[Kind] =
    &[Kind::Kill(Service::Gateway), Kind::Kill(Service::Logic), Kind::Kill(Service::Repo), Kind::Kill(Service::Task)];

/// What the guarantee is proved against first. A logic that stands still may have nothing to commit when it goes on, so it does
/// more than once.
const TWICE: &[Kind] = &[
    Kind::Kill(Service::Gateway),
    Kind::Kill(Service::Gateway),
    Kind::Kill(Service::Logic),
    Kind::Kill(Service::Logic),
    Kind::Kill(Service::Repo),
    Kind::Kill(Service::Repo),
    Kind::Kill(Service::Task),
    Kind::Kill(Service::Task),
    Kind::Pause(Service::Logic),
    Kind::Pause(Service::Logic),
    Kind::Pause(Service::Logic),
    Kind::Flush,
    Kind::PauseServer(Server::Kafka),
];

const EVERYTHING: &[Kind] = &[
    Kind::Kill(Service::Standalone),
    Kind::Terminate(Service::Standalone),
    Kind::Pause(Service::Standalone),
    Kind::Kill(Service::Gateway),
    Kind::Kill(Service::Logic),
    Kind::Kill(Service::Repo),
    Kind::Kill(Service::Task),
    Kind::Terminate(Service::Gateway),
    Kind::Terminate(Service::Logic),
    Kind::Terminate(Service::Repo),
    Kind::Terminate(Service::Task),
    Kind::Pause(Service::Gateway),
    Kind::Pause(Service::Logic),
    Kind::Pause(Service::Repo),
    Kind::Pause(Service::Task),
    Kind::KillServer(Server::Kafka),
    Kind::RestartServer(Server::Kafka),
    Kind::PauseServer(Server::Kafka),
    Kind::KillServer(Server::Etcd),
    Kind::PauseServer(Server::Etcd),
    Kind::KillServer(Server::Redis),
    Kind::PauseServer(Server::Redis),
    Kind::Flush,
    Kind::OldSnapshot,
    Kind::KillServer(Server::Mariadb),
    Kind::RestartServer(Server::Mariadb),
    Kind::PauseServer(Server::Mariadb),
    Kind::Cut(Server::Kafka),
    Kind::Cut(Server::Etcd),
    Kind::Cut(Server::Redis),
    Kind::Cut(Server::Mariadb),
    Kind::Slow(Server::Kafka),
    Kind::Slow(Server::Etcd),
    Kind::Slow(Server::Redis),
    Kind::Slow(Server::Mariadb),
    Kind::LoseCommits,
    Kind::Deafen,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::nemesis::fault::Subject;

    #[test]
    fn names_are_unique_and_everything_is_really_everything() {
        let names: HashSet<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
        // What needs a binary or a tool of its own is apart.
        let stock = ALL.iter().filter(|scenario| !scenario.needs_failpoints() && !scenario.needs_strace());
        for kind in stock.flat_map(|scenario| scenario.kinds) {
            assert!(EVERYTHING.contains(kind), "{kind:?}");
        }
    }

    #[test]
    fn every_scenario_fits_something_and_only_what_is_done_to_clients_fits_both() {
        for scenario in ALL.iter().filter(|scenario| scenario.needs != Evidence::Crashed) {
            let fits = [Subject::Standalone, Subject::Processes].map(|subject| scenario.fits(subject));
            let both = scenario.kinds.contains(&Kind::Deafen);
            assert_eq!(fits.iter().filter(|fits| **fits).count(), if both { 2 } else { 1 }, "{}", scenario.name);
        }
    }

    #[test]
    fn every_service_has_a_scenario_for_each_way_its_clock_can_be_wrong() {
        for service in [Service::Standalone, Service::Gateway, Service::Logic, Service::Repo, Service::Task] {
            for way in ["ahead", "behind"] {
                let scenario = Scenario::named(&format!("clock-{way}-{}", service.name())).unwrap();
                assert!(scenario.needs_failpoints() && !scenario.needs_strace());
                assert_eq!(scenario.fits(Subject::Standalone), service == Service::Standalone);
            }
        }
    }

    #[test]
    fn what_strace_does_counts_by_what_it_did() {
        let by_strace = ALL.iter().filter(|scenario| scenario.needs_strace());
        assert_eq!(by_strace.clone().count(), 6);
        assert!(by_strace.clone().all(|scenario| scenario.needs == Evidence::Injected && !scenario.needs_failpoints()));
    }

    #[test]
    fn every_failpoint_has_its_scenario() {
        for point in Point::ALL {
            let scenario = Scenario::named(&format!("crash-{}", point.name())).unwrap();
            assert!(scenario.needs_failpoints() && scenario.fits(Subject::Processes));
            assert_eq!(scenario.fits(Subject::Standalone), *point != Point::Rebalance);
            assert_eq!(scenario.kinds, [Kind::Crash(*point)]);
        }
        assert_eq!(ALL.iter().filter(|scenario| scenario.needs == Evidence::Crashed).count(), Point::ALL.len());
    }
}
