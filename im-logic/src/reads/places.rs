//! Who is in large conversations: what the gateways' indexes are made of. Past every cache, because what they miss here
//! nobody tells them again.

use std::collections::HashSet;

use im_infra::ids::UserId;
use proto::{
    Error,
    common::FanOutMode,
    conversation::{DigestResponse, LargeOfResponse, LargePlace, PlaceOf},
    repo::{HeadsRequest, StateQuery, StatesRequest},
};

use super::{Reads, sync::PAGE};

/// Users asked for at once.
const USERS_MAX: usize = 1_000;

impl Reads {
    /// A user's places in large conversations, those that ended too: a repeated entry must not bring them back. Without any the
    /// digest, if it is wanted, of the same memberships: a conversation that grows large afterwards brings its members along.
    pub(crate) async fn large_of(&self, user_id: UserId, digest: bool) -> Result<LargeOfResponse, Error> {
        let mut answer = LargeOfResponse { places: Vec::new(), digest: digest.then(DigestResponse::default) };
        let mut after = String::new();
        loop {
            let page = self.page(user_id, &after, PAGE).await?;
            after = page.memberships.last().map_or_else(String::new, |last| last.conversation_id.clone());
            let places_there: Vec<LargePlace> = page
                .memberships
                .iter()
                // Only groups grow large.
                .filter(|membership| membership.conversation_id.starts_with("g:"))
                .filter_map(|membership| {
                    let (member, conversation_id) = (membership.member?, membership.conversation_id.clone());
                    Some(LargePlace { conversation_id, visible_from: member.visible_from, left_seq: member.left_seq })
                })
                .collect();
            let ids = places_there.iter().map(|place| place.conversation_id.clone()).collect();
            let large = self.large_among(ids).await?;
            answer.places.extend(places_there.into_iter().filter(|place| large.contains(&place.conversation_id)));
            if !answer.places.is_empty() {
                answer.digest = None;
            }
            if let Some(digest) = &mut answer.digest {
                self.take_in(digest, page.memberships).await?;
            }
            if !page.more {
                return Ok(answer);
            }
        }
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
