//! Who is connected is shown as online, who is not is not.

use super::{super::view::View, Report, Violation};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for (user, (connected, online)) in view.presence.iter().filter(|(_, (connected, online))| connected != online) {
        let what = format!("user {user}: connected {connected}, shown as online {online}");
        report.violations.push(Violation::WrongPresence(what));
    }
}
