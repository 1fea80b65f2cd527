//! Order within a session and between sessions.

use super::*;

/// Two commands of user 1 at the end of a right history, with what is told of them.
struct Two {
    /// When and by which connection each was sent, and acknowledged.
    first: (u64, u64, u64),
    second: (u64, u64, u64),
    /// Who sends the second one.
    second_user: i64,
    /// Whether the second one has the lower place.
    swapped: bool,
}

fn two(events: &mut Vec<Event>, two: &Two) {
    let last = log(events)[9].clone();
    let (low, high) = if two.swapped { (12, 11) } else { (11, 12) };
    let sends = [("first", 1, two.first, low), ("second", two.second_user, two.second, high)];
    for (command, user, (sent_us, client, ack_us), seq) in sends {
        let (conversation, command) = (DIRECT.to_owned(), command.to_owned());
        let message_id = 1_000 + seq;
        events.push(Event::Sent {
            at_us: sent_us,
            client,
            user,
            conversation: conversation.clone(),
            command: command.clone(),
        });
        events.push(Event::Stored {
            at_us: ack_us,
            client,
            user,
            conversation,
            command: command.clone(),
            seq,
            message_id,
        });
        let entry = Entry { seq, message_id, sender: user, command, msg_no: seq, ..last.clone() };
        log(events).push(entry);
    }
    log(events).sort_by_key(|entry| entry.seq);
}

fn reordered(plan: &Two, device: Option<u64>) -> usize {
    let violations = planted(|events| {
        two(events, plan);
        let clients = [plan.first.1, plan.second.1];
        events.extend(device.into_iter().flat_map(|device| clients.map(|client| Event::Device { client, device })));
    });
    violations.iter().filter(|one| matches!(one, Violation::Reordered(_))).count()
}

#[test]
fn what_one_connection_sends_in_order_is_stored_in_order() {
    let plan = |swapped| Two {
        first: (2 * FAR_US, 1, 2 * FAR_US + 9),
        second: (2 * FAR_US + 1, 1, 2 * FAR_US + 10),
        second_user: 1,
        swapped,
    };
    assert_eq!(reordered(&plan(false), None), 0);
    assert_eq!(reordered(&plan(true), None), 1);
}

#[test]
fn what_one_device_sends_over_two_connections_is_stored_in_order() {
    let plan = |swapped| Two {
        first: (2 * FAR_US, 4, 2 * FAR_US + 9),
        second: (2 * FAR_US + 1, 5, 2 * FAR_US + 10),
        second_user: 1,
        swapped,
    };
    assert_eq!(reordered(&plan(true), None), 0, "two devices are in no order");
    assert_eq!(reordered(&plan(false), Some(1)), 0);
    assert_eq!(reordered(&plan(true), Some(1)), 1);
}

#[test]
fn what_is_sent_after_an_ack_is_stored_behind_it_whoever_sends_it() {
    let plan = |second_sent_us, swapped| Two {
        first: (2 * FAR_US, 1, 2 * FAR_US + 9),
        second: (second_sent_us, 2, 2 * FAR_US + 30),
        second_user: 2,
        swapped,
    };
    assert_eq!(reordered(&plan(2 * FAR_US + 10, false), None), 0);
    assert_eq!(reordered(&plan(2 * FAR_US + 10, true), None), 1);
    // At the same time as the other: either order is right.
    assert_eq!(reordered(&plan(2 * FAR_US + 9, true), None), 0);
}

#[test]
fn what_is_sent_after_a_push_is_stored_behind_it_whoever_sends_it() {
    let after = |pushed_us: u64, swapped: bool| {
        let plan = Two {
            first: (2 * FAR_US, 1, 2 * FAR_US + 50),
            second: (2 * FAR_US + 10, 2, 2 * FAR_US + 60),
            second_user: 2,
            swapped,
        };
        let violations = planted(|events| {
            two(events, &plan);
            let (conversation, command, seq) = (DIRECT.to_owned(), "first".to_owned(), if swapped { 12 } else { 11 });
            let message_id = 1_000 + seq;
            events.push(Event::Pushed { at_us: pushed_us, client: 2, user: 2, conversation, seq, message_id, command });
        });
        violations.iter().filter(|one| matches!(one, Violation::Reordered(_))).count()
    };
    assert_eq!(after(2 * FAR_US + 9, false), 0);
    assert_eq!(after(2 * FAR_US + 9, true), 1);
    assert_eq!(after(2 * FAR_US + 10, true), 0, "it was sent before anybody was told of the other");
}
