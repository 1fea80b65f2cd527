//! What idle users are in: groups that they share, so that a few commands give each of thousands its conversations.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::load::{
    account::{Accounts, Guest},
    seat::Run,
};

/// Groups of each user, unless it is said otherwise.
pub(crate) const OF_EACH: u32 = 20;
/// Members of a group: as one command brings in, and too few for a large one, as most conversations are not.
const MEMBERS_MAX: usize = 200;
/// Commands at the same time.
const AT_ONCE: usize = 16;

/// Makes the groups of all of them, so many of each.
pub(super) async fn make_groups(accounts: &Accounts, guests: &[Guest], of_each: u32) -> anyhow::Result<()> {
    let run = Run::begin();
    let making = stream::iter(groups(guests, of_each).enumerate()).map(|(number, (owner, members))| {
        let key = format!("make-{run}-{number}");
        async move { make(accounts, &key, owner, members).await }
    });
    making.buffer_unordered(AT_ONCE).try_collect().await
}

/// Owners and members. Neighbours have the same groups, each with another owner; those that are made at the same time have
/// other members.
fn groups(guests: &[Guest], of_each: u32) -> impl Iterator<Item = (&Guest, &[Guest])> {
    let circles = move |number: u32| {
        guests.chunks(MEMBERS_MAX).map(move |members| (&members[number as usize % members.len()], members))
    };
    (0..of_each).flat_map(circles)
}

async fn make(accounts: &Accounts, key: &str, owner: &Guest, members: &[Guest]) -> anyhow::Result<()> {
    let others = members.iter().map(|guest| guest.user).filter(|user| *user != owner.user);
    let body = json!({"title": "idle", "member_ids": others.map(|user| user.to_string()).collect::<Vec<_>>()});
    accounts.command(owner, "/v1/groups", key, &body).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn each_user_is_in_twenty_groups_of_which_none_is_large() {
        let guests: Vec<Guest> = (0..1_005).map(|user| Guest { user, ..Guest::default() }).collect();
        let mut of_user = HashMap::<i64, u32>::new();
        let mut made = HashSet::new();
        for (owner, members) in groups(&guests, OF_EACH) {
            assert!(members.len() <= MEMBERS_MAX && members.iter().any(|guest| guest.user == owner.user));
            made.insert((owner.user, members[0].user));
            members.iter().for_each(|guest| *of_user.entry(guest.user).or_default() += 1);
        }
        assert!(of_user.len() == guests.len() && of_user.values().all(|groups| *groups == OF_EACH), "{of_user:?}");
        // Five circles of 200 have an owner for each group, the last one of 5 users has owners of several.
        assert_eq!(made.len(), 5 * OF_EACH as usize + 5);
    }
}
