//! Who writes is a member.

use super::*;

#[test]
fn what_somebody_writes_behind_the_own_removal_is_found() {
    // The entry 6 removes user 2, who wrote every second one.
    let removed = |writes: bool| {
        planted(|events| {
            let log = log(events);
            log[5].left = vec![2];
            for entry in log.iter_mut().filter(|entry| entry.seq > 6 && !writes) {
                entry.sender = 1;
            }
        })
    };
    let is_unfenced =
        |one: &Violation| matches!(one, Violation::Unfenced(what) if what.contains("of user 2, no member"));
    assert_eq!(removed(true).into_iter().filter(is_unfenced).count(), 2);
    assert_eq!(removed(false).into_iter().filter(is_unfenced).count(), 0);
}

#[test]
fn a_member_who_is_refused_as_if_it_were_none_is_found() {
    // The first message was acknowledged at 11; the removal at 6, if there is one, was sent at 60.
    let refused = |sent_us: u64, told_us: u64, is_removed: bool| {
        let violations = planted(|events| {
            if is_removed {
                log(events)[5].left = vec![2];
            }
            let (conversation, command) = (DIRECT.to_owned(), "refused".to_owned());
            events.push(Event::Sent { at_us: FAR_US + sent_us, client: 2, user: 2, conversation, command });
            let (conversation, command, code) = (DIRECT.to_owned(), "refused".to_owned(), "not_a_member".to_owned());
            events.push(Event::Rejected { at_us: FAR_US + told_us, user: 2, conversation, command, code });
        });
        violations.iter().any(|one| matches!(one, Violation::Unfenced(what) if what.contains("refused of user 2")))
    };
    assert!(refused(12, 59, true) && refused(12, 1_000, false));
    assert!(!refused(11, 59, true), "it may have been decided before the place was there");
    assert!(!refused(12, 60, true), "it may have been decided behind the removal");
}
