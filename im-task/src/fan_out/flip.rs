//! The entry that makes a conversation large: each gateway is told which of the members it may hold, before that entry.

use im_infra::gateways::{Gateway, Letters};
use proto::{
    Error,
    mq::{MemberIndex, MemberInterval},
    repo::{Member, MembersRequest},
};

use super::{FanOut, pack};

/// Members of one page.
const PAGE: u32 = 1_000;

/// Adds the members to the gateways' letters: to each those whose routes lead there, to one of which nothing is known all. Places
/// that ended are told too: a repeated entry must not bring them back.
/// Whoever comes later loads the place at hello.
pub(super) async fn index(
    job: &FanOut,
    live: &[Gateway],
    conversation_id: &str,
    letters: &mut Letters,
) -> Result<(), Error> {
    for gateway in live {
        pack::index(letters, gateway, conversation_id, MemberIndex { more: true, ..MemberIndex::default() });
    }
    let mut after = 0;
    loop {
        let request = MembersRequest { conversation_id: conversation_id.to_owned(), after, limit: PAGE, gone: true };
        let page = job.repo.groups().members(request).await?.into_inner();
        after = page.members.last().map_or(after, |member| member.user_id);
        let users: Vec<i64> = page.members.iter().map(|member| member.user_id).collect();
        for (gateway, here) in job.gateways.find(&users).await.split(&users) {
            let members = page.members.iter().filter(|member| here.binary_search(&member.user_id).is_ok());
            let index = MemberIndex { members: members.map(interval).collect(), more: true };
            pack::index(letters, &gateway, conversation_id, index);
        }
        if !page.more {
            break;
        }
    }
    for gateway in live {
        pack::index(letters, gateway, conversation_id, MemberIndex::default());
    }
    Ok(())
}

fn interval(member: &Member) -> MemberInterval {
    MemberInterval { user_id: member.user_id, visible_from: member.visible_from, left_seq: member.left_seq }
}
