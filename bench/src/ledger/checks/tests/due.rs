//! Pushes that a live connection was owed: what was passed over is lost, the tail has time, a resync makes up for what was before it.

use super::*;

const SECOND_US: u64 = 1_000_000;

/// Connection 3 was not given what lies in these places, and whatever else is planted.
fn silent(lost: impl Fn(i64) -> bool, plant: impl FnOnce(&mut Vec<Event>)) -> Vec<Violation> {
    planted(|events| {
        events.retain(|event| !matches!(event, Event::Pushed { client: 3, seq, .. } if lost(*seq)));
        plant(events);
    })
}

fn is_missed(violations: &[Violation]) -> bool {
    violations.iter().any(|one| matches!(one, Violation::MissedPush(what) if what.contains("connection 3")))
}

fn struck() -> Event {
    Event::Struck { at_us: 1, fault: "a fault".into(), in_flight: 1 }
}

/// Connection 3 is welcomed later than the others.
fn welcomed(events: &mut [Event], welcomed_us: u64) {
    for event in events {
        if let Event::Connected { at_us, client: 3, .. } = event {
            *at_us = welcomed_us;
        }
    }
}

#[test]
fn a_push_that_never_came_to_a_live_connection_is_found_and_one_to_a_dying_connection_is_not() {
    assert!(is_missed(&silent(|seq| seq == 4, |_| {})));
    assert!(is_missed(&silent(|seq| seq >= 4, |_| {})), "nothing came behind it, but there was time");
    // The 4th was sent at 40 and acknowledged at 41.
    let dying = silent(|seq| seq >= 4, |events| events.push(Event::Disconnected { at_us: FAR_US + 45, client: 3 }));
    assert_eq!(dying, []);
}

#[test]
fn what_was_passed_over_is_missed_however_soon_the_connection_ends_and_whatever_was_struck() {
    let dying = |strikes: bool| {
        silent(
            |seq| seq == 4 || seq > 5,
            |events| {
                events.extend(strikes.then(struck));
                events.push(Event::Disconnected { at_us: FAR_US + 55, client: 3 });
            },
        )
    };
    assert!(is_missed(&dying(false)) && is_missed(&dying(true)));
}

#[test]
fn whatever_is_stored_after_the_welcome_is_owed_also_to_a_connection_that_lives_for_a_moment() {
    let lives = |from_us: u64, lost: i64| {
        silent(
            |seq| seq == lost,
            |events| {
                welcomed(events, from_us);
                events.push(struck());
                events.push(Event::Disconnected { at_us: FAR_US + SECOND_US, client: 3 });
            },
        )
    };
    assert!(is_missed(&lives(FAR_US + 35, 4)), "sent at 40");
    assert_eq!(lives(FAR_US + 45, 4), [], "it may have been stored before the welcome");
}

#[test]
fn a_command_that_was_first_sent_before_the_welcome_is_owed_if_it_is_stored_behind_one_that_was_not() {
    let again = |first_us: u64, from_us: u64| {
        silent(
            |seq| seq == 5,
            |events| {
                welcomed(events, from_us);
                let (conversation, command) = (DIRECT.to_owned(), "c5".to_owned());
                // Behind the one before it, as a client sends in order.
                let is_third = |event: &Event| matches!(event, Event::Sent { command, .. } if command == "c3");
                let behind = events.iter().position(is_third).unwrap() + 1;
                events.insert(behind, Event::Sent { at_us: first_us, client: 2, user: 2, conversation, command });
            },
        )
    };
    assert!(
        is_missed(&again(FAR_US + 32, FAR_US + 35)),
        "the 4th was sent after the welcome, and the 5th is behind it"
    );
    assert_eq!(again(FAR_US + 32, FAR_US + 45), []);
}

#[test]
fn the_tail_has_ten_seconds_before_the_end_of_a_connection_under_faults() {
    let ends = |strikes: bool, after_s: u64| {
        silent(
            |seq| seq >= 4,
            |events| {
                events.extend(strikes.then(struck));
                events.push(Event::Disconnected { at_us: FAR_US + after_s * SECOND_US, client: 3 });
            },
        )
    };
    assert_eq!(ends(true, 9), []);
    for (strikes, after_s) in [(true, 11), (false, 9)] {
        assert!(is_missed(&ends(strikes, after_s)), "{strikes} {after_s}");
    }
}

#[test]
fn a_resync_makes_up_for_the_tail_before_it_and_for_nothing_that_was_passed_over() {
    let resynced = |lost: fn(i64) -> bool, at_us: u64, client: u64| {
        silent(lost, |events| events.push(Event::Resynced { at_us, client }))
    };
    let tail: fn(i64) -> bool = |seq| seq >= 4;
    assert_eq!(resynced(tail, FAR_US + 39 * SECOND_US, 3), []);
    for (at_us, client) in [(FAR_US + 41 * SECOND_US, 3), (FAR_US, 3), (FAR_US + 39 * SECOND_US, 2)] {
        assert!(is_missed(&resynced(tail, at_us, client)), "{at_us} {client}");
    }
    // The 5th came at 52: the way was open again a moment before the connection was told, or had been open all the time.
    let hole: fn(i64) -> bool = |seq| seq == 4;
    assert_eq!(resynced(hole, FAR_US + SECOND_US, 3), []);
    assert!(is_missed(&resynced(hole, FAR_US + 3 * SECOND_US, 3)));
}

#[test]
fn a_resync_is_not_forgotten_for_a_later_one() {
    let violations = silent(
        |seq| seq >= 4,
        |events| {
            for at_us in [FAR_US + SECOND_US, FAR_US + 100 * SECOND_US] {
                events.push(Event::Resynced { at_us, client: 3 });
            }
        },
    );
    assert_eq!(violations, []);
}

#[test]
fn what_was_made_up_for_is_counted() {
    let mut events = right(10);
    events.retain(|event| !matches!(event, Event::Pushed { client: 3, seq, .. } if *seq >= 4));
    events.push(Event::Resynced { at_us: FAR_US + SECOND_US, client: 3 });
    let report = check(&events);
    assert_eq!((report.pushes_due, report.excused, report.violations.len()), (30, 7, 0));
}
