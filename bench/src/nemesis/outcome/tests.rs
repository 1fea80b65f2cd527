use super::*;
use crate::ledger::Violation;

fn facts(scenario: &str) -> Facts {
    Facts {
        scenario: Scenario::named(scenario).unwrap(),
        subject: Subject::Processes,
        seed: 1,
        rate: 10,
        faulty_ms: 5_000,
        lost_commits: 0,
        fenced: 0,
        restarts: 0,
        crashes: 0,
        injected: 0,
        too_slow: 0,
        interrupted: false,
    }
}

/// Load for 25 s and two faults, which met so many commands.
fn events(in_flight: [u64; 2]) -> Vec<Event> {
    let sent = |at_us| Event::Sent { at_us, client: 1, user: 1, conversation: "d:1:2".into(), command: "c".into() };
    let mut events = vec![sent(0), sent(25_000_000)];
    events.extend(in_flight.map(|in_flight| Event::Struck { at_us: 1, fault: "a fault".into(), in_flight }));
    events
}

fn verdict(facts: &Facts, events: &[Event], acknowledged: usize, violations: Vec<Violation>) -> Verdict {
    let pushes_due = acknowledged;
    Outcome::of(facts, events, &Report { acknowledged, pushes_due, violations, ..Report::default() }).verdict()
}

#[test]
fn a_run_counts_with_its_load_and_faults_that_met_work() {
    assert_eq!(verdict(&facts("kill-repo"), &events([3, 0]), 100, vec![]), Verdict::Clean);
}

#[test]
fn without_load_hits_or_evidence_a_run_is_void() {
    let (kill, load) = (facts("kill-repo"), events([1, 1]));
    assert_eq!(verdict(&kill, &load, 99, vec![]), Verdict::Void, "acknowledged too little");
    assert_eq!(verdict(&kill, &load[1..], 100, vec![]), Verdict::Void, "loaded for no time");
    assert_eq!(verdict(&kill, &events([0, 0]), 100, vec![]), Verdict::Void, "nothing was hit");
    let interrupted = Facts { interrupted: true, ..facts("kill-repo") };
    assert_eq!(verdict(&interrupted, &load, 100, vec![]), Verdict::Void);
    for (scenario, evidence) in [("commit-unanswered", (1, 0)), ("pause-logic", (0, 1))] {
        assert_eq!(verdict(&facts(scenario), &load, 100, vec![]), Verdict::Void, "{scenario}");
        let (lost_commits, fenced) = evidence;
        let shown = Facts { lost_commits, fenced, ..facts(scenario) };
        assert_eq!(verdict(&shown, &load, 100, vec![]), Verdict::Clean, "{scenario}");
    }
    let crash = facts("crash-repo-after-commit");
    assert_eq!(verdict(&crash, &load, 100, vec![]), Verdict::Void, "it lived on");
    assert_eq!(verdict(&Facts { crashes: 1, ..crash }, &load, 100, vec![]), Verdict::Clean);
    let disk = facts("failing-sync-mariadb");
    assert_eq!(verdict(&disk, &load, 100, vec![]), Verdict::Void, "its disk went on");
    assert_eq!(verdict(&Facts { injected: 1, ..disk }, &load, 100, vec![]), Verdict::Clean);
    let deaf = facts("deaf-clients");
    assert_eq!(verdict(&deaf, &load, 100, vec![]), Verdict::Void, "everybody was waited for");
    assert_eq!(verdict(&Facts { too_slow: 1, ..deaf }, &load, 100, vec![]), Verdict::Clean);
}

#[test]
fn a_run_in_which_few_were_there_to_be_pushed_anything_is_void() {
    let judged = |pushes_due| {
        let report = Report { acknowledged: 100, pushes_due, ..Report::default() };
        Outcome::of(&facts("kill-repo"), &events([1, 1]), &report)
    };
    assert_eq!(judged(100).verdict(), Verdict::Clean);
    assert_eq!(judged(99).void.as_deref(), Some("99 pushes could be judged, 100 are needed"));
}

#[test]
fn what_cannot_be_done_here_is_void_and_says_why() {
    let scenario = Scenario::named("slow-sync-kafka").unwrap();
    let outcome = Outcome::nothing(scenario, Subject::Processes, 7, "no strace");
    assert_eq!(outcome.verdict(), Verdict::Void);
    assert!(outcome.to_string().ends_with("VOID: no strace"), "{outcome}");
}

#[test]
fn a_violation_counts_however_little_there_was() {
    let violations = vec![Violation::Lost("one".into())];
    assert_eq!(verdict(&facts("kill-repo"), &[], 0, violations), Verdict::Violated);
}
