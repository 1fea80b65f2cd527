//! The server's own entries: from one before them by which somebody came, no messages, and once.

use super::*;

/// What is said of one more entry, of the server's own.
fn own(command: &str, countable: bool, seq: i64) -> impl Fn(&mut Vec<Event>) {
    move |events: &mut Vec<Event>| {
        let last = log(events)[9].clone();
        let own = Entry { seq, message_id: 7 + seq, sender: 0, command: command.into(), countable, ..last };
        log(events).push(own);
    }
}

fn phantoms(violations: &[Violation]) -> usize {
    violations.iter().filter(|one| matches!(one, Violation::Phantom(_))).count()
}

#[test]
fn one_that_follows_from_who_came_is_right() {
    assert_eq!(phantoms(&planted(own("~d:1:2:1:large", false, 11))), 0);
}

#[test]
fn one_without_a_cause_before_it_is_found() {
    let wrong = [
        ("~d:1:2:1:large", true),
        ("~d:1:2:11:large", false),
        ("~d:1:2:12:large", false),
        ("~d:1:2:0:large", false),
        ("~d:1:3:1:large", false),
        ("~d:1:2:1:huge", false),
        ("anything", false),
    ];
    for (command, countable) in wrong {
        assert_eq!(phantoms(&planted(own(command, countable, 11))), 1, "{command}");
    }
}

#[test]
fn one_whose_cause_brought_nobody_is_found() {
    let violations = planted(own("~d:1:2:4:large", false, 11));
    found(&violations, |one| matches!(one, Violation::Phantom(what) if what.contains("at 4 is no entry by which")));
}

#[test]
fn a_second_flip_is_found_also_with_another_cause() {
    let violations = planted(|events| {
        log(events)[4].members = vec![9];
        own("~d:1:2:1:large", false, 11)(events);
        own("~d:1:2:5:large", false, 12)(events);
    });
    found(&violations, |one| matches!(one, Violation::Doubled(what) if what.contains("large since 11")));
}
