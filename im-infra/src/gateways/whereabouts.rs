//! Which gateways hold whom.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Gateway;
use crate::{
    ids::UserId,
    planted::{self, Bug},
    session_store::Routes,
};

/// Where users are: the gateways of each, and the gateways of which that is not known.
#[derive(Debug, Default)]
pub struct Whereabouts {
    by_user: HashMap<UserId, HashSet<Gateway>>,
    live: BTreeSet<Gateway>,
    unknown: Vec<Gateway>,
}

impl Whereabouts {
    /// Of the gateways that announced themselves, and the routes of the users asked for.
    pub(super) fn of(announced: Vec<Gateway>, routes: Routes) -> Self {
        let mut by_user: HashMap<UserId, HashSet<Gateway>> = HashMap::new();
        for route in routes.routes {
            let gateway = Gateway { instance: route.instance, slot: route.slot };
            by_user.entry(route.user_id).or_default().insert(gateway);
        }
        // Either the registry's list or the session store's may be behind, so both count.
        let listed = routes.gateways.into_iter().map(|(instance, slot)| Gateway { instance, slot });
        let gateways_max = if planted::is(Bug::RegistryIgnored) { 1 } else { usize::MAX };
        let live: BTreeSet<Gateway> = announced.into_iter().chain(listed).take(gateways_max).collect();
        // A gateway that does not say "all my routes are there": absent means unknown.
        let unknown = live.iter().filter(|gateway| !routes.complete.contains(&gateway.instance)).cloned().collect();
        Self { by_user, live, unknown }
    }

    /// Nothing is known but the gateways.
    pub(super) fn unknown(announced: Vec<Gateway>) -> Self {
        Self { by_user: HashMap::new(), live: announced.iter().cloned().collect(), unknown: announced }
    }

    /// Every live gateway.
    pub fn live(&self) -> impl Iterator<Item = &Gateway> {
        self.live.iter()
    }

    /// These users by gateway; to a gateway of which nothing is known go all.
    pub fn split(&self, users: &[UserId]) -> BTreeMap<Gateway, Vec<UserId>> {
        let mut split: BTreeMap<Gateway, Vec<UserId>> = BTreeMap::new();
        for user in users {
            let known = self.by_user.get(user).into_iter().flatten();
            for gateway in known.filter(|gateway| !self.unknown.contains(gateway)) {
                split.entry(gateway.clone()).or_default().push(*user);
            }
        }
        for gateway in &self.unknown {
            split.insert(gateway.clone(), users.to_vec());
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_store::Route;

    fn gateway(name: &str) -> Gateway {
        Gateway { instance: name.to_owned(), slot: 0 }
    }

    fn route(user_id: UserId, instance: &str) -> Route {
        Route { user_id, connection_id: 1, instance: instance.into(), slot: 0, device_id: String::new() }
    }

    #[test]
    fn r12_absent_means_unknown_at_a_gateway_that_is_not_complete() {
        let routes =
            Routes { routes: vec![route(1, "a"), route(2, "b")], complete: vec!["a".into()], ..Routes::default() };
        let split = Whereabouts::of(vec![gateway("a"), gateway("b")], routes).split(&[1, 2, 3]);
        assert_eq!(split[&gateway("a")], [1]);
        assert_eq!(split[&gateway("b")], [1, 2, 3]);
    }

    #[test]
    fn r11_gateways_are_those_of_the_registry_the_session_store_and_the_routes() {
        let gateways = vec![("listed".into(), 0), ("done".into(), 0)];
        let found = Routes { routes: vec![route(1, "routed")], complete: vec!["done".into()], gateways };
        let whereabouts = Whereabouts::of(vec![gateway("announced"), gateway("done")], found);
        let live: Vec<&str> = whereabouts.live().map(|one| &*one.instance).collect();
        assert_eq!(live, ["announced", "done", "listed"]);
        let split = whereabouts.split(&[1, 2]);
        let all: Vec<&str> = split.keys().map(|one| &*one.instance).collect();
        assert_eq!(all, ["announced", "listed", "routed"]);
        assert_eq!((&split[&gateway("routed")], &split[&gateway("listed")]), (&vec![1], &vec![1, 2]));
    }

    #[test]
    fn without_routes_every_gateway_gets_all() {
        let split = Whereabouts::unknown(vec![gateway("a"), gateway("b")]).split(&[1, 2]);
        assert!(split.len() == 2 && split.values().all(|users| users == &[1, 2]));
    }
}
