//! The ledger itself: it finds what is planted, and nothing in a history that is right.

mod beginning;
mod bounded;
mod due;
mod fence;
mod follow_ups;
mod order;
mod settled;

use proptest::prelude::*;

use super::{super::entry::Entry, *};

const DIRECT: &str = "d:1:2";
const FAR_US: u64 = 100_000_000;

/// A right history: two users, three connections, `count` messages in turn, all acknowledged and pushed to all.
fn right(count: i64) -> Vec<Event> {
    let mut events = vec![
        Event::Connected { at_us: 0, client: 1, user: 1 },
        Event::Connected { at_us: 0, client: 2, user: 2 },
        Event::Connected { at_us: 0, client: 3, user: 1 },
    ];
    let mut log = Vec::new();
    for seq in 1..=count {
        let (user, command, conversation) = (1 + seq % 2, format!("c{seq}"), DIRECT.to_owned());
        let at_us = FAR_US + seq.cast_unsigned() * 10;
        let client = if user == 1 { 1 } else { 2 };
        events.push(Event::Sent { at_us, client, user, conversation: conversation.clone(), command: command.clone() });
        let message_id = 1_000 + seq;
        events.push(Event::Stored {
            at_us: at_us + 1,
            client,
            user,
            conversation: conversation.clone(),
            command: command.clone(),
            seq,
            message_id,
        });
        for (client, user) in [(1, 1), (2, 2), (3, 1)] {
            let command = command.clone();
            events.push(Event::Pushed {
                at_us: at_us + 2,
                client,
                user,
                conversation: conversation.clone(),
                seq,
                message_id,
                command,
            });
        }
        let members = if seq == 1 { vec![1, 2] } else { Vec::new() };
        log.push(Entry {
            seq,
            message_id,
            sender: user,
            command,
            msg_no: seq,
            members,
            left: Vec::new(),
            countable: true,
        });
    }
    for user in [1, 2] {
        let entries = log.iter().map(|entry| (entry.seq, entry.message_id)).collect();
        events.push(Event::Seen { user, conversation: DIRECT.into(), entries });
        for device in [0, 1] {
            events.push(Event::Unread { user, device, conversation: DIRECT.into(), unread: 2, read_seq: count - 2 });
        }
    }
    events.push(Event::Log { conversation: DIRECT.into(), entries: log });
    events
}

fn log(events: &mut [Event]) -> &mut Vec<Entry> {
    events
        .iter_mut()
        .find_map(|event| if let Event::Log { entries, .. } = event { Some(entries) } else { None })
        .unwrap()
}

/// Plants something and answers what the ledger says of it.
fn planted(plant: impl FnOnce(&mut Vec<Event>)) -> Vec<Violation> {
    let mut events = right(10);
    plant(&mut events);
    check(&events).violations
}

fn found(violations: &[Violation], kind: fn(&Violation) -> bool) {
    assert!(violations.iter().any(kind), "{violations:?}");
}

#[test]
fn a_right_history_has_no_violations_and_is_counted() {
    let report = check(&right(10));
    assert_eq!(report.violations, []);
    assert_eq!((report.sent, report.acknowledged, report.unknown, report.entries, report.pushes), (10, 10, 0, 10, 30));
    assert_eq!(report.pushes_due, 30);
}

#[test]
fn a_planted_loss_is_found() {
    let violations = planted(|events| drop(log(events).remove(4)));
    found(&violations, |one| matches!(one, Violation::Lost(what) if what.contains("c5")));
}

#[test]
fn a_planted_double_is_found() {
    let violations = planted(|events| {
        let again = Entry { seq: 11, message_id: 5_000, msg_no: 11, ..log(events)[4].clone() };
        log(events).push(again);
    });
    found(&violations, |one| matches!(one, Violation::Doubled(what) if what.contains("c5")));
}

#[test]
fn a_planted_swap_is_found() {
    let violations = planted(|events| {
        let log = log(events);
        log.swap(3, 5);
        let (a, b) = (log[3].seq, log[5].seq);
        (log[3].seq, log[5].seq) = (b, a);
    });
    found(&violations, |one| matches!(one, Violation::Reordered(what) if what.contains("c6")));
    // And a swap that the acks agree with breaks the order of sending.
    let violations = planted(|events| {
        for event in events.iter_mut() {
            if let Event::Stored { command, seq, .. } = event {
                *seq = match &**command {
                    "c4" => 6,
                    "c6" => 4,
                    _ => *seq,
                };
            }
        }
        let log = log(events);
        for entry in log.iter_mut() {
            entry.seq = match &*entry.command {
                "c4" => 6,
                "c6" => 4,
                _ => entry.seq,
            };
        }
        log.sort_by_key(|entry| entry.seq);
    });
    found(&violations, |one| matches!(one, Violation::Reordered(what) if what.contains("was sent before")));
}

#[test]
fn a_planted_hole_is_found() {
    let violations =
        planted(|events| log(events).iter_mut().filter(|entry| entry.seq > 5).for_each(|entry| entry.seq += 1));
    found(&violations, |one| matches!(one, Violation::Reordered(what) if what.contains("should be")));
}

#[test]
fn a_planted_phantom_is_found_in_the_log_and_on_the_wire() {
    let violations = planted(|events| {
        let invented = Entry { seq: 11, message_id: 7, command: "nobody sent this".into(), ..log(events)[4].clone() };
        log(events).push(invented);
    });
    found(&violations, |one| matches!(one, Violation::Phantom(what) if what.contains("nobody sent this")));
    let violations = planted(|events| {
        let (conversation, command) = (DIRECT.to_owned(), "x".to_owned());
        events.push(Event::Pushed { at_us: 1, client: 2, user: 2, conversation, seq: 99, message_id: 1, command });
    });
    found(&violations, |one| matches!(one, Violation::Phantom(what) if what.contains("99")));
    let rejected = |events: &mut Vec<Event>| {
        let (conversation, command, code) = (DIRECT.to_owned(), "c3".to_owned(), "not_a_member".to_owned());
        events.push(Event::Rejected { at_us: 1, user: 2, conversation, command, code });
    };
    found(&planted(rejected), |one| matches!(one, Violation::Phantom(what) if what.contains("rejected")));
}

#[test]
fn a_planted_misdelivery_is_found_on_the_wire_and_in_history() {
    let violations = planted(|events| {
        events.push(Event::Connected { at_us: 0, client: 9, user: 3 });
        let (conversation, command) = (DIRECT.to_owned(), "c2".to_owned());
        events.push(Event::Pushed {
            at_us: FAR_US,
            client: 9,
            user: 3,
            conversation,
            seq: 2,
            message_id: 1_002,
            command,
        });
    });
    found(&violations, |one| matches!(one, Violation::Misdelivered(what) if what.contains("user 3")));
    // User 2, who wrote the 9th, leaves by it: it is the last it may see.
    let removal = |events: &mut Vec<Event>, last: usize| {
        log(events)[8].left = vec![2];
        events.retain(|event| !matches!(event, Event::Pushed { user: 2, seq, .. } if *seq > 9));
        events.retain(|event| !matches!(event, Event::Unread { user: 2, .. }));
        for event in events.iter_mut() {
            if let Event::Seen { user: 2, entries, .. } = event {
                entries.truncate(last);
            }
        }
    };
    assert_eq!(planted(|events| removal(events, 9)), []);
    found(
        &planted(|events| removal(events, 10)),
        |one| matches!(one, Violation::Misdelivered(what) if what.contains("user 2")),
    );
}

#[test]
fn a_planted_wrong_unread_count_is_found() {
    let violations = planted(|events| {
        for event in events.iter_mut() {
            if let Event::Unread { user: 2, unread, .. } = event {
                *unread += 1;
            }
        }
    });
    found(&violations, |one| matches!(one, Violation::WrongUnread(what) if what.contains("user 2")));
    let violations = planted(|events| log(events)[6].msg_no = 8);
    found(
        &violations,
        |one| matches!(one, Violation::WrongUnread(what) if what.contains("message 7, and is numbered 8")),
    );
}

#[test]
fn a_command_with_two_outcomes_is_found() {
    let rejected = |code: &str| {
        let (conversation, command, code) = (DIRECT.to_owned(), "refused".to_owned(), code.to_owned());
        Event::Rejected { at_us: FAR_US, user: 1, conversation, command, code }
    };
    let told = |events: &mut Vec<Event>, codes: &[&str]| {
        let (conversation, command) = (DIRECT.to_owned(), "refused".to_owned());
        events.push(Event::Sent { at_us: FAR_US, client: 1, user: 1, conversation, command });
        events.extend(codes.iter().map(|code| rejected(code)));
    };
    assert_eq!(planted(|events| told(events, &["not_a_member", "not_a_member", "parked"])), []);
    let violations = planted(|events| told(events, &["not_a_member", "conflict"]));
    found(&violations, |one| matches!(one, Violation::Doubled(what) if what.contains("rejected with conflict")));
    let violations = planted(|events| {
        told(events, &["not_a_member"]);
        let (conversation, command) = (DIRECT.to_owned(), "refused".to_owned());
        events.push(Event::Stored { at_us: FAR_US, client: 1, user: 1, conversation, command, seq: 44, message_id: 1 });
    });
    found(&violations, |one| matches!(one, Violation::Doubled(what) if what.contains("and acknowledged")));
}

#[test]
fn a_user_who_sees_another_log_is_found() {
    let violations = planted(|events| {
        for event in events.iter_mut() {
            if let Event::Seen { user: 2, entries, .. } = event {
                entries.remove(3);
            }
        }
    });
    found(&violations, |one| matches!(one, Violation::Diverged(_)));
}

#[test]
fn a_command_without_an_outcome_is_unknown_not_failed() {
    let mut events = right(4);
    for (command, stored) in [("never told", true), ("never came", false)] {
        let (conversation, command) = (DIRECT.to_owned(), command.to_owned());
        events.push(Event::Sent { at_us: FAR_US * 2, client: 1, user: 1, conversation, command: command.clone() });
        if stored {
            let last = log(&mut events).last().unwrap().clone();
            let entry = Entry { seq: 5, message_id: 77, msg_no: 5, sender: 1, command, members: Vec::new(), ..last };
            log(&mut events).push(entry);
            for event in &mut events {
                match event {
                    Event::Seen { entries, .. } => entries.push((5, 77)),
                    Event::Unread { unread, .. } => *unread += 1,
                    _ => {}
                }
            }
        }
    }
    let report = check(&events);
    assert_eq!((report.violations, report.unknown), (vec![], 2));
}

proptest! {
    /// Whatever single entry of the log is dropped, it is noticed.
    #[test]
    fn no_loss_goes_unnoticed(count in 2_i64..30, which in 0_usize..30) {
        let mut events = right(count);
        let at = which % log(&mut events).len();
        log(&mut events).remove(at);
        prop_assert!(!check(&events).violations.is_empty());
    }

    #[test]
    fn a_history_survives_being_saved(count in 1_i64..10) {
        for event in right(count) {
            let line = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        }
    }
}
