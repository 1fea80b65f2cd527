//! Targets of the other workloads. A row without a figure is void: it says what is asked, and that nothing shows it yet.

use super::row::{Asked, Row, Unit};

fn unmeasured(name: &str, unit: Unit, asked: Asked) -> Row {
    Row::told(name, unit, None).asked(asked)
}

/// Messages to groups whose members are all connected.
pub(super) fn group() -> Vec<Row> {
    vec![
        unmeasured("group of 1,000 online: CPU a delivery", Unit::Micros, Asked::at_most(12.0).aim(9.0)),
        unmeasured("group of 1,000 online: last member p50", Unit::Millis, Asked::at_most(15.0).aim(10.0)),
        unmeasured("group of 5,000 online: CPU a recipient / bare loop", Unit::Ratio, Asked::at_most(1.6).aim(1.2)),
        unmeasured("the same, bursts of 16 / coalesced loop", Unit::Ratio, Asked::at_most(2.0).aim(1.4)),
    ]
}

/// All connections cut at once.
pub(super) fn reconnect() -> Vec<Row> {
    vec![
        unmeasured("10,000 connections live again / bare handshakes", Unit::Ratio, Asked::at_most(3.0).aim(2.0)),
        unmeasured("p99 of other connections meanwhile / before", Unit::Ratio, Asked::at_most(1.5)),
    ]
}

/// Connections that are opened and closed, by what each adds.
pub(super) fn idle_slope() -> Vec<Row> {
    vec![
        unmeasured("CPU a login without its password hash", Unit::Micros, Asked::at_most(400.0).aim(200.0)),
        unmeasured("memory kept after 15,000 connections closed", Unit::Percent, Asked::at_most(15.0).aim(5.0)),
    ]
}

/// The floors' CPU a message, together, of what a message costs.
pub(super) fn efficiency() -> Vec<Row> {
    vec![unmeasured("CPU a message of the floors / of all servers", Unit::Ratio, Asked::at_least(0.25).aim(0.45))]
}
