//! Who is in large conversations: what the gateways' indexes are made of. Past every cache, because what they miss here
//! nobody tells them again.

use std::collections::{BTreeSet, HashMap, HashSet};

use im_infra::ids::UserId;
use proto::{
    Error, ErrorCode,
    common::FanOutMode,
    conversation::{Arrival, Arrived, DigestResponse, LargePlace, PlaceOf},
    repo::{HeadsRequest, ListOfResponse, ListsOfRequest, Membership, StateQuery, StatesRequest},
};

use super::{PAGE, Reads};
use crate::domain::{digest, view};

/// Users asked for at once.
const USERS_MAX: usize = 1_000;

impl Reads {
    /// The places of users in large conversations, those that ended too: a repeated entry must not bring them back. Of who has
    /// none the digest, if it is wanted, of the same memberships: a conversation that grows large afterwards brings its members
    /// along. Who has more conversations than go into an answer with those of others is to be asked for alone.
    pub(crate) async fn arrive(&self, arrivals: &[Arrival]) -> Result<Vec<Arrived>, Error> {
        if arrivals.len() > USERS_MAX {
            return Err(Error::invalid("arrivals", format_args!("at most {USERS_MAX}")));
        }
        if let [only] = arrivals {
            return Ok(vec![self.arrive_alone(only).await?]);
        }
        // A user may come with several devices.
        let users: BTreeSet<UserId> = arrivals.iter().map(|arrival| arrival.user_id).collect();
        let asked = ListsOfRequest { user_ids: users.iter().copied().collect() };
        let lists = self.repo.conversations().lists_of(asked).await?.into_inner().lists;
        if lists.len() != users.len() {
            return Err(Error::new(ErrorCode::Internal).with("part", "lists of users"));
        }
        let lists: HashMap<UserId, ListOfResponse> = users.into_iter().zip(lists).collect();
        let (mut arrived, mut pages) = (Vec::with_capacity(arrivals.len()), Vec::new());
        for (at, arrival) in arrivals.iter().enumerate() {
            let list = lists.get(&arrival.user_id).filter(|list| !list.more);
            arrived.push(Arrived { alone: list.is_none(), ..begun(arrival) });
            pages.extend(list.map(|list| (at, list)));
        }
        self.take_up(&mut arrived, &pages).await?;
        Ok(arrived)
    }

    /// The same of one, page by page.
    async fn arrive_alone(&self, arrival: &Arrival) -> Result<Arrived, Error> {
        let mut arrived = [begun(arrival)];
        let mut after = String::new();
        loop {
            let page = self.page(arrival.user_id, &after, PAGE).await?;
            self.take_up(&mut arrived, &[(0, &page)]).await?;
            if !page.more {
                let [arrived] = arrived;
                return Ok(arrived);
            }
            after = page.memberships.into_iter().last().map_or(after, |last| last.conversation_id);
        }
    }

    /// Takes up a page of some of those who arrive.
    async fn take_up(&self, arrived: &mut [Arrived], pages: &[(usize, &ListOfResponse)]) -> Result<(), Error> {
        let ids = pages.iter().flat_map(|(_, page)| &page.memberships).map(|membership| &membership.conversation_id);
        // Only groups grow large.
        let groups: BTreeSet<&String> = ids.filter(|id| id.starts_with("g:")).collect();
        let large = self.large_among(groups.into_iter().cloned().collect()).await?;
        for (at, page) in pages {
            let there = page.memberships.iter().filter(|membership| large.contains(&membership.conversation_id));
            arrived[*at].places.extend(there.filter_map(place));
            if !arrived[*at].places.is_empty() {
                arrived[*at].digest = None;
            }
        }
        let wanted = pages.iter().filter(|(at, _)| arrived[*at].digest.is_some());
        let wanted: Vec<(usize, &Membership)> =
            wanted.flat_map(|(at, page)| page.memberships.iter().map(|membership| (*at, membership))).collect();
        let ids: BTreeSet<&String> = wanted.iter().map(|(_, membership)| &membership.conversation_id).collect();
        let heads = self.heads(ids.into_iter().cloned().collect(), false).await?;
        for (at, membership) in wanted {
            if let (Some(digest), Some(head)) = (&mut arrived[at].digest, heads.get(&membership.conversation_id)) {
                digest::take_in(digest, &view::conversation(head.clone(), membership));
            }
        }
        Ok(())
    }

    async fn large_among(&self, conversation_ids: Vec<String>) -> Result<HashSet<String>, Error> {
        if conversation_ids.is_empty() {
            return Ok(HashSet::new());
        }
        let heads = HeadsRequest { conversation_ids, last_entry: false, fresh: true };
        let heads = self.repo.conversations().heads(heads).await?.into_inner().heads;
        let large = heads.into_iter().filter(|head| head.fan_out() == FanOutMode::Large);
        Ok(large.map(|head| head.conversation_id).collect())
    }

    /// The places of some users in one conversation.
    pub(crate) async fn places_in(&self, conversation_id: String, users: Vec<UserId>) -> Result<Vec<PlaceOf>, Error> {
        if users.len() > USERS_MAX {
            return Err(Error::invalid("user_ids", format_args!("at most {USERS_MAX}")));
        }
        let query = StateQuery { conversation_id, user_ids: users, all: false };
        let states =
            self.repo.conversations().states(StatesRequest { queries: vec![query] }).await?.into_inner().states;
        let members = states.into_iter().flat_map(|state| state.members);
        let place = |member: proto::repo::Member| PlaceOf {
            user_id: member.user_id,
            visible_from: member.visible_from,
            left_seq: member.left_seq,
        };
        Ok(members.map(place).collect())
    }
}

/// With what is wanted and nothing in it.
fn begun(arrival: &Arrival) -> Arrived {
    Arrived { digest: arrival.digest.then(DigestResponse::default), ..Arrived::default() }
}

fn place(membership: &Membership) -> Option<LargePlace> {
    let (member, conversation_id) = (membership.member?, membership.conversation_id.clone());
    Some(LargePlace { conversation_id, visible_from: member.visible_from, left_seq: member.left_seq })
}
