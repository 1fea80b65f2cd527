//! Limits of what waits and of what is taken.

use super::*;

/// Connection 3 read nothing while the 3rd to the 7th entry were stored; they came behind that.
fn deaf(room: u64) -> Vec<Violation> {
    let to_us = FAR_US + 75;
    planted(|events| {
        events.push(Event::Deaf { from_us: FAR_US + 25, to_us, client: 3, room });
        for event in events {
            if let Event::Pushed { at_us, client: 3, seq: 3..=7, .. } = event {
                *at_us = to_us + 1;
            }
        }
    })
}

#[test]
fn more_than_there_is_room_for_is_found_behind_a_client_that_read_nothing() {
    assert_eq!(deaf(5), []);
    found(&deaf(4), |one| matches!(one, Violation::Unbounded(what) if what.contains("5 messages waited, 4 may")));
}

#[test]
fn a_process_that_takes_more_than_it_may_is_found() {
    let took = |megabytes: u64| {
        let process = "gateway-0".to_owned();
        planted(|events| {
            events.push(Event::Memory { at_us: FAR_US, process, bytes: megabytes << 20, bytes_max: 64 << 20 });
        })
    };
    assert_eq!(took(64), []);
    found(&took(65), |one| matches!(one, Violation::Unbounded(what) if what.contains("gateway-0 took 65 MB")));
}
