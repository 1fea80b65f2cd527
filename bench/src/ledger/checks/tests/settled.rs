//! What must be so once everything has settled: answers, counts on all devices, who is online.

use super::*;

/// A fault, its end and the end of waiting, in seconds; a command sent in between that is never answered.
fn unanswered(sent_s: u64, healed_s: u64, ended_s: u64) -> Vec<Violation> {
    planted(|events| {
        let (conversation, command) = (DIRECT.to_owned(), "no answer".to_owned());
        let at_us = |s: u64| 2 * FAR_US + s * 1_000_000;
        events.push(Event::Struck { at_us: at_us(0), fault: "a fault".into(), in_flight: 1 });
        events.push(Event::Sent { at_us: at_us(sent_s), client: 1, user: 1, conversation, command });
        events.push(Event::Healed { at_us: at_us(healed_s) });
        events.push(Event::Ended { at_us: at_us(ended_s) });
    })
}

#[test]
fn a_command_that_stays_without_an_outcome_after_healing_is_found() {
    // Sent before the end of the faults, and long after it.
    for sent_s in [5, 30] {
        let violations = unanswered(sent_s, 10, 90);
        found(&violations, |one| matches!(one, Violation::Unanswered(what) if what.contains("no answer")));
    }
}

#[test]
fn a_command_whose_time_is_not_over_is_unknown() {
    for (sent_s, ended_s) in [(5, 49), (30, 59)] {
        assert_eq!(unanswered(sent_s, 10, ended_s), []);
    }
}

#[test]
fn a_command_that_was_parked_under_faults_is_found() {
    let parked = |healed: bool| {
        planted(|events| {
            let (conversation, command) = (DIRECT.to_owned(), "parked".to_owned());
            let (at_us, code) = (2 * FAR_US, "parked".to_owned());
            events.push(Event::Rejected { at_us, user: 1, conversation, command, code });
            events.extend(healed.then_some(Event::Healed { at_us }));
        })
    };
    found(&parked(true), |one| matches!(one, Violation::Unanswered(what) if what.contains("parked")));
    assert_eq!(parked(false), []);
}

#[test]
fn a_count_that_one_device_of_a_user_is_told_otherwise_is_found() {
    let violations = planted(|events| {
        for event in events.iter_mut() {
            if let Event::Unread { user: 1, device: 1, unread, read_seq, .. } = event {
                // Right by itself, but not what the other device was told.
                (*unread, *read_seq) = (3, *read_seq - 1);
            }
        }
    });
    found(&violations, |one| matches!(one, Violation::WrongUnread(what) if what.contains("on device 1")));
}

#[test]
fn a_user_who_is_shown_wrongly_is_found() {
    for connected in [true, false] {
        let presence = |online| planted(|events| events.push(Event::Presence { user: 1, connected, online }));
        assert_eq!(presence(connected), []);
        found(&presence(!connected), |one| matches!(one, Violation::WrongPresence(what) if what.contains("user 1")));
    }
}
