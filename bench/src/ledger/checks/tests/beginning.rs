//! A history that was cut short: nothing is held against what is not there, and what is there is still checked.

use super::*;

/// A right history up to before what is read in the end.
fn cut(plant: impl FnOnce(&mut Vec<Event>)) -> Vec<Violation> {
    let mut events = right(10);
    events.retain(|event| !matches!(event, Event::Log { .. } | Event::Seen { .. } | Event::Unread { .. }));
    plant(&mut events);
    assert!(!check(&events).violations.is_empty(), "as a whole history it lacks its logs");
    check_beginning(&events).violations
}

#[test]
fn a_right_beginning_has_no_violations_wherever_it_ends() {
    let events = right(10);
    for end in 0..=events.len() {
        assert_eq!(check_beginning(&events[..end]).violations, [], "the first {end}");
    }
}

#[test]
fn a_place_that_is_promised_twice_is_found_without_a_log() {
    let violations = cut(|events| {
        for event in events.iter_mut() {
            if let Event::Stored { command, seq, .. } = event
                && command == "c7"
            {
                *seq = 6;
            }
        }
    });
    found(&violations, |one| matches!(one, Violation::Doubled(what) if what.contains("promised")));
}

#[test]
fn a_command_that_is_acknowledged_at_two_places_is_found_without_a_log() {
    let violations = cut(|events| {
        let again = events.iter().find(|event| matches!(event, Event::Stored { command, .. } if command == "c3"));
        let mut again = again.unwrap().clone();
        if let Event::Stored { seq, .. } = &mut again {
            *seq = 44;
        }
        events.push(again);
    });
    found(&violations, |one| matches!(one, Violation::Doubled(what) if what.contains("at 3 and at 44")));
}

#[test]
fn a_push_with_another_content_is_found_without_a_log() {
    let violations = cut(|events| {
        for event in events.iter_mut() {
            if let Event::Pushed { client: 3, seq: 5, message_id, .. } = event {
                *message_id = 77;
            }
        }
    });
    found(&violations, |one| matches!(one, Violation::Diverged(what) if what.contains("pushed as 77")));
}
