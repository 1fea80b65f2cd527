//! The names of keys, and how a route is written.

use crate::{ids::UserId, session_store::Route};

/// The keys of a namespace.
pub(super) struct Keys {
    namespace: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// The braces make the user id alone decide where a cluster keeps it.
    pub(super) fn routes(&self, user_id: UserId) -> String {
        format!("{}:routes:{{{user_id}}}", self.namespace)
    }

    pub(super) fn complete(&self) -> String {
        format!("{}:complete", self.namespace)
    }

    pub(super) fn gateways(&self) -> String {
        format!("{}:gateways", self.namespace)
    }

    pub(super) fn era(&self) -> String {
        format!("{}:era", self.namespace)
    }
}

/// A gateway as it is written.
pub(super) fn gateway(instance: &str, slot: u32) -> String {
    format!("{instance}/{slot}")
}

/// A gateway as it was written; nothing if it is not one.
pub(super) fn parse_gateway(written: &str) -> Option<(String, u32)> {
    let (instance, slot) = written.rsplit_once('/')?;
    Some((instance.to_owned(), slot.parse().ok()?))
}

pub(super) fn field(route: &Route) -> String {
    format!("{}/{}", route.instance, route.connection_id)
}

pub(super) fn value(route: &Route, expires_at_ms: i64) -> String {
    format!("{},{},{expires_at_ms}", route.slot, route.device_id)
}

/// Until when a written route counts; nothing if it is not one.
pub(super) fn expires_at_ms(value: &str) -> Option<i64> {
    value.rsplit_once(',')?.1.parse().ok()
}

/// A route as it was written, and until when it counts; nothing if it is not one.
pub(super) fn parse(user_id: UserId, field: &str, value: &str) -> Option<(Route, i64)> {
    let (instance, connection_id) = field.rsplit_once('/')?;
    let (rest, expires_at_ms) = value.rsplit_once(',')?;
    // Whatever a device is called, the first comma ends the slot and the last one begins the time.
    let (slot, device_id) = rest.split_once(',')?;
    let route = Route {
        user_id,
        connection_id: connection_id.parse().ok()?,
        instance: instance.to_owned(),
        slot: slot.parse().ok()?,
        device_id: device_id.to_owned(),
    };
    Some((route, expires_at_ms.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_as_it_was_written() {
        for device_id in ["", "phone", "a,b,7", "a/b"] {
            let route = Route {
                user_id: 7,
                connection_id: u64::MAX,
                instance: "a1".into(),
                slot: 3,
                device_id: device_id.into(),
            };
            let written = (field(&route), value(&route, 1_000));
            assert_eq!(expires_at_ms(&written.1), Some(1_000));
            assert_eq!(parse(7, &written.0, &written.1), Some((route, 1_000)));
        }
    }

    #[test]
    fn a_gateway_is_read_as_it_was_written_and_what_is_not_one_is_left_out() {
        assert_eq!(parse_gateway(&gateway("a/1", 7)), Some(("a/1".to_owned(), 7)));
        for written in ["a1", "a1/", "a1/x", "a1/-1"] {
            assert_eq!(parse_gateway(written), None, "{written}");
        }
    }

    #[test]
    fn what_is_not_a_route_is_left_out() {
        for (field, value) in
            [("a1", "3,phone,1"), ("a1/x", "3,phone,1"), ("a1/1", "phone,1"), ("a1/1", "3,phone,soon")]
        {
            assert_eq!(parse(7, field, value), None, "{field} {value}");
        }
    }
}
