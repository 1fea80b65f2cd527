//! Plans one conversation's part of an append, under its lock: R3 of the design, without a database.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use im_infra::{
    ids::UserId,
    planted::{self, Bug},
};
use proto::{
    common,
    message::Entry,
    repo::{
        Accepted, AppendGroup, AppendOutcome, Conflict, DecideAgain, Decision, Row, append_outcome::Outcome,
        decision::Verdict, state_change::Change,
    },
};

/// A conversation under its lock.
#[derive(Clone, Debug, Default)]
pub struct Locked {
    /// Its row.
    pub row: Row,
    /// The stored outcomes of the commands at hand.
    pub known: HashMap<(UserId, String), Known>,
}

/// The stored outcome of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Of the command as it came.
    pub payload_hash: Bytes,
    /// The entry it became, or why it was rejected.
    pub outcome: Result<Entry, common::Error>,
}

/// What happens to a member's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberWrite {
    /// Replaces the row: role and `visible_from`.
    pub put: Option<(i32, i64)>,
    /// Ends the interval.
    pub left_seq: Option<i64>,
}

/// A read cursor moves at least here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewCursor {
    /// Whose.
    pub user_id: UserId,
    /// Read up to this entry.
    pub read_seq: i64,
    /// Which is this countable one.
    pub read_msg_no: i64,
}

/// What to write for one conversation, and what to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The row afterwards.
    pub row: Row,
    /// One per decision, in order.
    pub outcomes: Vec<AppendOutcome>,
    /// New entries, with the hash of their command.
    pub entries: Vec<(Entry, Bytes, bool)>,
    /// New rejections: sender, command, hash, why.
    pub rejections: Vec<(UserId, String, Bytes, common::Error)>,
    /// Changes of members, the last word per user.
    pub members: BTreeMap<UserId, MemberWrite>,
    /// Cursors that move.
    pub cursors: Vec<NewCursor>,
    /// New display names.
    pub display_names: Vec<(UserId, String)>,
}

impl Plan {
    /// Whether anything has to be written.
    pub fn writes(&self) -> bool {
        !self.entries.is_empty() || !self.rejections.is_empty()
    }
}

/// The row that a group rests upon, if that row is all that has to be known: its decisions add entries and nothing else, were
/// made upon this very state, and no command of the conversation is known to have been refused.
pub fn expected(group: &AppendGroup) -> Option<&Row> {
    let row = group.row.as_ref()?;
    let adds =
        |decision: &Decision| matches!(&decision.verdict, Some(Verdict::Accepted(_))) && !changes_state(decision);
    let is_plain = row.last_seq > 0 && row.state_version == group.state_version && !row.has_rejections;
    (is_plain && !group.decisions.is_empty() && group.decisions.iter().all(adds)).then_some(row)
}

/// Plans a group of decisions. For each, in this order: the stored outcome of that command if there is one; else, if the
/// decisions were made upon another state, "decide again"; else it is stored, rejections included.
pub fn plan(locked: Locked, group: &AppendGroup, now_ms: i64) -> Plan {
    let Locked { row, mut known } = locked;
    let mut fresh = row.state_version == group.state_version || planted::is(Bug::StateVersionIgnored);
    if planted::is(Bug::NoDedup) {
        known.clear();
    }
    let mut here = HashSet::new();
    let mut plan = Plan { row, ..Plan::default() };
    for decision in &group.decisions {
        let command = (decision.sender_id, decision.command_id.clone());
        if let Some(stored) = known.get(&command) {
            plan.outcomes.push(repeated(stored, decision));
            // What was decided behind it rests on changes that this plan does not make.
            fresh &= here.contains(&command) || !changes_state(decision);
            continue;
        }
        if !fresh {
            plan.outcomes.push(outcome(Outcome::DecideAgain(DecideAgain {})));
            continue;
        }
        let stored = plan.store(&group.conversation_id, decision, now_ms);
        plan.outcomes.push(outcome(match stored.clone() {
            Ok(entry) => Outcome::Entry(entry),
            Err(error) => Outcome::Rejected(error),
        }));
        here.insert(command.clone());
        known.insert(command, Known { payload_hash: decision.payload_hash.clone(), outcome: stored });
    }
    plan
}

fn changes_state(decision: &Decision) -> bool {
    matches!(&decision.verdict, Some(Verdict::Accepted(accepted)) if !accepted.changes.is_empty())
}

fn outcome(outcome: Outcome) -> AppendOutcome {
    AppendOutcome { outcome: Some(outcome), repeated_command: false }
}

fn repeated(stored: &Known, decision: &Decision) -> AppendOutcome {
    if stored.payload_hash != decision.payload_hash {
        return outcome(Outcome::Conflict(Conflict {}));
    }
    let stored = match stored.outcome.clone() {
        Ok(entry) => Outcome::Entry(entry),
        Err(error) => Outcome::Rejected(error),
    };
    AppendOutcome { outcome: Some(stored), repeated_command: true }
}

impl Plan {
    fn store(&mut self, conversation_id: &str, decision: &Decision, now_ms: i64) -> Result<Entry, common::Error> {
        match &decision.verdict {
            Some(Verdict::Accepted(accepted)) => Ok(self.accept(conversation_id, decision, accepted, now_ms)),
            Some(Verdict::Rejected(error)) => Err(self.reject(decision, error.clone())),
            // A verdict of a newer version: nothing can be said for the command but that.
            None => Err(self.reject(decision, proto::Error::new(proto::ErrorCode::Unsupported).into())),
        }
    }

    fn reject(&mut self, decision: &Decision, error: common::Error) -> common::Error {
        let row = (decision.sender_id, decision.command_id.clone(), decision.payload_hash.clone(), error.clone());
        self.rejections.push(row);
        self.row.has_rejections = true;
        error
    }

    fn accept(&mut self, conversation_id: &str, decision: &Decision, accepted: &Accepted, now_ms: i64) -> Entry {
        let msg_no_before = self.row.last_msg_no;
        self.row.last_seq += 1;
        if planted::is(Bug::SeqFromClock) {
            self.row.last_seq = self.row.last_seq.max(now_ms);
        }
        self.row.last_msg_no += i64::from(accepted.countable);
        self.row.last_created_at_ms = self.row.last_created_at_ms.max(now_ms);
        let entry = Entry {
            conversation_id: conversation_id.to_owned(),
            seq: self.row.last_seq,
            message_id: accepted.message_id,
            sender_id: decision.sender_id,
            command_id: decision.command_id.clone(),
            created_at_ms: self.row.last_created_at_ms,
            msg_no: self.row.last_msg_no,
            body: accepted.body.clone(),
        };
        let mut state_changed = false;
        for change in accepted.changes.iter().filter_map(|change| change.change.as_ref()) {
            state_changed |= self.change(change, entry.seq, msg_no_before);
        }
        self.row.state_version += i64::from(state_changed);
        if accepted.countable {
            self.cursors.push(NewCursor {
                user_id: decision.sender_id,
                read_seq: entry.seq,
                read_msg_no: entry.msg_no,
            });
        }
        self.entries.push((entry.clone(), decision.payload_hash.clone(), accepted.countable));
        entry
    }

    /// Whether the change moves `state_version`.
    fn change(&mut self, change: &Change, seq: i64, msg_no_before: i64) -> bool {
        match change {
            Change::Create(create) => {
                self.row.kind = create.kind;
                self.row.title.clone_from(&create.title);
                self.row.open = create.open;
                self.row.fan_out = common::FanOutMode::Small.into();
            }
            Change::PutMember(put) => {
                self.members.insert(put.user_id, MemberWrite { put: Some((put.role, seq)), left_seq: None });
                self.row.member_count += 1;
                // Who joins has read what was before; the entry that brings them in is news.
                self.cursors.push(NewCursor { user_id: put.user_id, read_seq: seq - 1, read_msg_no: msg_no_before });
            }
            Change::EndMember(end) => {
                self.members.entry(end.user_id).or_default().left_seq = Some(seq + 1);
                self.row.member_count -= 1;
            }
            Change::SetFanOut(mode) => self.row.fan_out = *mode,
            Change::SetDisplayName(set) => {
                self.display_names.push((set.user_id, set.display_name.clone()));
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proto::repo::{CreateConversation, EndMember, PutMember, StateChange};

    use super::*;

    fn change(change: Change) -> StateChange {
        StateChange { change: Some(change) }
    }

    fn send(sender_id: i64, command_id: &str) -> Decision {
        let accepted = Accepted { message_id: 1, body: None, countable: true, changes: Vec::new() };
        decision(sender_id, command_id, Verdict::Accepted(accepted))
    }

    fn decision(sender_id: i64, command_id: &str, verdict: Verdict) -> Decision {
        let payload_hash = Bytes::from_static(b"h");
        Decision { sender_id, command_id: command_id.into(), payload_hash, verdict: Some(verdict) }
    }

    fn group(state_version: i64, decisions: Vec<Decision>) -> AppendGroup {
        AppendGroup { conversation_id: "d:1:2".into(), state_version, decisions, row: None }
    }

    fn locked(plan: &Plan) -> Locked {
        let entries = plan.entries.iter().map(|(entry, hash, _)| {
            (
                (entry.sender_id, entry.command_id.clone()),
                Known { payload_hash: hash.clone(), outcome: Ok(entry.clone()) },
            )
        });
        let rejections = plan.rejections.iter().map(|(sender, command, hash, error)| {
            ((*sender, command.clone()), Known { payload_hash: hash.clone(), outcome: Err(error.clone()) })
        });
        Locked { row: plan.row.clone(), known: entries.chain(rejections).collect() }
    }

    #[test]
    fn seqs_are_dense_and_times_never_step_back() {
        let row = Row { last_seq: 4, last_msg_no: 2, last_created_at_ms: 100, ..Row::default() };
        let plan = plan(Locked { row, ..Locked::default() }, &group(0, vec![send(1, "a"), send(2, "b")]), 50);
        let seen: Vec<_> =
            plan.entries.iter().map(|(entry, ..)| (entry.seq, entry.msg_no, entry.created_at_ms)).collect();
        assert_eq!(seen, [(5, 3, 100), (6, 4, 100)]);
    }

    #[test]
    fn r03_a_stored_outcome_wins_over_a_stale_state() {
        let first = plan(Locked::default(), &group(0, vec![send(1, "a")]), 1);
        let mut moved = locked(&first);
        moved.row.state_version = 9;
        let again = plan(moved, &group(0, vec![send(1, "a"), send(1, "b")]), 2);
        assert!(matches!(
            again.outcomes[0],
            AppendOutcome { outcome: Some(Outcome::Entry(_)), repeated_command: true }
        ));
        assert!(matches!(again.outcomes[1].outcome, Some(Outcome::DecideAgain(_))));
        assert!(!again.writes());
    }

    #[test]
    fn r03_a_rejection_is_stored_and_answered_again() {
        let rejected = proto::Error::new(proto::ErrorCode::NotAMember).into();
        let first = plan(Locked::default(), &group(0, vec![decision(3, "x", Verdict::Rejected(rejected))]), 1);
        assert_eq!((first.rejections.len(), first.row.last_seq), (1, 0));
        // Accepted by a zombie with a stale cache: the stored rejection stands.
        let again = plan(locked(&first), &group(0, vec![send(3, "x")]), 2);
        assert!(matches!(
            again.outcomes[0],
            AppendOutcome { outcome: Some(Outcome::Rejected(_)), repeated_command: true }
        ));
    }

    #[test]
    fn r03_the_same_id_with_another_payload_is_a_conflict_even_inside_a_batch() {
        let mut other = send(1, "a");
        other.payload_hash = Bytes::from_static(b"other");
        let plan = plan(Locked::default(), &group(0, vec![send(1, "a"), other, send(1, "a")]), 1);
        assert!(matches!(plan.outcomes[1].outcome, Some(Outcome::Conflict(_))));
        assert!(plan.outcomes[2].repeated_command);
        assert_eq!(plan.entries.len(), 1);
    }

    #[test]
    fn r03_what_was_decided_upon_changes_that_a_stored_outcome_does_not_make_is_decided_again() {
        let join = |command: &str| {
            let changes = vec![change(Change::PutMember(PutMember { user_id: 5, role: 1 }))];
            decision(5, command, Verdict::Accepted(Accepted { changes, ..Accepted::default() }))
        };
        let full = proto::Error::new(proto::ErrorCode::GroupFull).into();
        let first = plan(Locked::default(), &group(0, vec![decision(5, "j", Verdict::Rejected(full))]), 1);
        // A seat is free by now, so the rules let 5 in and take what 5 says; but the command was rejected for good.
        let again = plan(locked(&first), &group(0, vec![send(1, "m"), join("j"), send(5, "hi")]), 2);
        assert!(matches!(again.outcomes[0].outcome, Some(Outcome::Entry(_))), "what was decided before it stands");
        assert!(matches!(again.outcomes[1].outcome, Some(Outcome::Rejected(_))));
        assert!(matches!(again.outcomes[2].outcome, Some(Outcome::DecideAgain(_))), "5 is no member");
        // Inside one batch the first one makes the change, and what follows rests on it.
        let twice = plan(Locked::default(), &group(0, vec![join("a"), join("a"), send(5, "hi")]), 3);
        assert!(twice.outcomes[1].repeated_command && matches!(twice.outcomes[2].outcome, Some(Outcome::Entry(_))));
    }

    #[test]
    fn r05_who_is_removed_sees_the_removal_and_who_joins_has_read_what_was_before() {
        let join = Accepted {
            changes: vec![
                change(Change::Create(CreateConversation { kind: 2, title: "t".into(), open: false })),
                change(Change::PutMember(PutMember { user_id: 7, role: 1 })),
            ],
            ..Accepted::default()
        };
        let end =
            Accepted { changes: vec![change(Change::EndMember(EndMember { user_id: 7 }))], ..Accepted::default() };
        let row = Row { last_seq: 10, last_msg_no: 8, ..Row::default() };
        let decisions = vec![
            decision(1, "j", Verdict::Accepted(join)),
            send(1, "m"),
            decision(1, "r", Verdict::Accepted(end)),
            send(1, "n"),
        ];
        let plan = plan(Locked { row, ..Locked::default() }, &group(0, decisions), 1);
        assert_eq!(plan.members[&7], MemberWrite { put: Some((1, 11)), left_seq: Some(14) });
        assert_eq!((plan.row.member_count, plan.row.state_version), (0, 2));
        assert_eq!(plan.cursors[0], NewCursor { user_id: 7, read_seq: 10, read_msg_no: 8 });
    }
}
