//! What a commit changes of what the cache keeps.
//!
//! A command that was stored before has changed things before, and whoever stored it may have ended without telling. So its
//! repetition tells again, as far as it can know: that things are to be read again.

use std::collections::BTreeSet;

use im_infra::ids::UserId;
use proto::repo::{AppendGroup, Decision, decision::Verdict, state_change};

use super::super::conversations::to_head;
use crate::{
    cache::{CacheAside, Change, CursorKey, EntryKey, HeadKey, ReadTo, UserKey},
    domain::Plan,
};

pub(super) fn changes(aside: &CacheAside, groups: &[AppendGroup], plans: &[(&str, Plan)]) -> Vec<Change> {
    let both = groups.iter().zip(plans);
    both.flat_map(|(group, (_, plan))| repeated(aside, group, plan).into_iter().chain(planned(aside, group, plan)))
        .collect()
}

fn planned(aside: &CacheAside, group: &AppendGroup, plan: &Plan) -> Vec<Change> {
    let conversation_id = &group.conversation_id;
    let mut changes = Vec::with_capacity(plan.entries.len() + plan.cursors.len() + 1);
    for (entry, ..) in &plan.entries {
        let key = EntryKey { conversation_id: conversation_id.clone(), seq: entry.seq };
        changes.push(aside.always(&key, entry));
    }
    if let Some((newest, ..)) = plan.entries.last() {
        let head = to_head(conversation_id, plan.row.clone(), Some(newest.clone()));
        changes.push(aside.newer(&HeadKey(conversation_id.clone()), &head));
    }
    for cursor in &plan.cursors {
        let key = CursorKey { conversation_id: conversation_id.clone(), user_id: cursor.user_id };
        changes.push(aside.newer(&key, &ReadTo { read_seq: cursor.read_seq, read_msg_no: cursor.read_msg_no }));
    }
    changes.extend(plan.display_names.iter().map(|(user_id, _)| aside.unknown(&UserKey(*user_id))));
    changes
}

fn repeated(aside: &CacheAside, group: &AppendGroup, plan: &Plan) -> Vec<Change> {
    let both = group.decisions.iter().zip(&plan.outcomes);
    let decisions: Vec<&Decision> =
        both.filter(|(_, outcome)| outcome.repeated_command).map(|(decision, _)| decision).collect();
    let (mut moved, mut renamed) = (BTreeSet::new(), BTreeSet::new());
    for decision in &decisions {
        moved.insert(decision.sender_id);
        touched(decision, &mut moved, &mut renamed);
    }
    let conversation_id = &group.conversation_id;
    let mut changes = Vec::new();
    if !decisions.is_empty() && plan.entries.is_empty() {
        changes.push(aside.unknown(&HeadKey(conversation_id.clone())));
    }
    let cursor = |user_id| CursorKey { conversation_id: conversation_id.clone(), user_id };
    changes.extend(moved.into_iter().map(|user_id| aside.unknown(&cursor(user_id))));
    changes.extend(renamed.into_iter().map(|user_id| aside.unknown(&UserKey(user_id))));
    changes
}

/// The users whose cursor or name an accepted command changes beside its sender's.
fn touched(decision: &Decision, moved: &mut BTreeSet<UserId>, renamed: &mut BTreeSet<UserId>) {
    let Some(Verdict::Accepted(accepted)) = &decision.verdict else { return };
    for change in accepted.changes.iter().filter_map(|change| change.change.as_ref()) {
        match change {
            state_change::Change::PutMember(put) => {
                moved.insert(put.user_id);
            }
            state_change::Change::SetDisplayName(set) => {
                renamed.insert(set.user_id);
            }
            state_change::Change::Create(_)
            | state_change::Change::EndMember(_)
            | state_change::Change::SetFanOut(_) => {}
        }
    }
}
