//! One conversation's part of a batch: its commands decided in order, and what the store's answers make of them.

use std::collections::HashSet;

use im_infra::planted::{self, Bug};
use proto::{
    Error, common,
    message::Entry,
    mq,
    repo::{self, AppendGroup, AppendOutcome, Decision, append_outcome::Outcome, decision::Verdict},
};

use super::{Audience, Command, Reach, State};

/// Decides one conversation's commands in order, each upon the effect of those before it; answers the last state, too.
/// `verdict` decides the command of that place upon a state.
///
/// # Errors
/// Whatever `verdict` answers in place of a verdict.
pub fn fold_commands<'a, E>(
    conversation_id: &str,
    state: Option<&repo::State>,
    commands: impl Iterator<Item = &'a Command>,
    mut verdict: impl FnMut(usize, &State) -> Result<Verdict, E>,
) -> Result<(AppendGroup, State), E> {
    let mut state = state.map(State::of).unwrap_or_default();
    let state_version = state.version;
    let mut seen = HashSet::new();
    let mut decisions = Vec::with_capacity(commands.size_hint().0);
    for (at, command) in commands.enumerate() {
        let verdict = verdict(at, &state)?;
        // A repetition inside the batch gets the first one's outcome, and has no effect on what follows.
        let is_first = seen.insert((command.sender, &command.id));
        if let (true, Verdict::Accepted(accepted)) = (is_first, &verdict) {
            state.apply(&accepted.changes);
        }
        decisions.push(Decision {
            sender_id: command.sender,
            command_id: command.id.to_string(),
            payload_hash: command.payload_hash.clone(),
            verdict: Some(verdict),
        });
    }
    Ok((AppendGroup { conversation_id: conversation_id.to_owned(), state_version, decisions, row: None }, state))
}

/// What the store's answer makes of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It is an entry now, or was before, and is pushed to these.
    Stored(Entry, Reach),
    /// It was refused, for good.
    Refused(common::Error),
    /// It can never be stored.
    Failed(Error),
    /// The state had moved: it is decided again.
    Again,
}

/// Takes an answer of the store; in the order of the decisions, as the audience moves along.
pub fn settle(decision: &Decision, outcome: AppendOutcome, audience: &mut Audience) -> Settled {
    if planted::is(Bug::StoredOutcomeIgnored)
        && let Some(Verdict::Rejected(error)) = &decision.verdict
    {
        return Settled::Refused(error.clone());
    }
    match outcome.outcome {
        Some(Outcome::Entry(entry)) => {
            if let Some(Verdict::Accepted(accepted)) = &decision.verdict {
                audience.apply(entry.seq, &accepted.changes);
            }
            let reach = audience.reach(entry.seq);
            Settled::Stored(entry, reach)
        }
        Some(Outcome::Rejected(error)) => Settled::Refused(error),
        Some(Outcome::Conflict(_)) => Settled::Refused(Error::new(proto::ErrorCode::Conflict).into()),
        Some(Outcome::Failed(error)) => Settled::Failed(error.into()),
        Some(Outcome::DecideAgain(_)) | None => Settled::Again,
    }
}

/// What the sender is told of an entry.
pub const fn stored(entry: &Entry) -> mq::Stored {
    mq::Stored {
        seq: entry.seq,
        message_id: entry.message_id,
        created_at_ms: entry.created_at_ms,
        msg_no: entry.msg_no,
    }
}

/// What the store's answers say of what is known of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What is remembered of it may be outdated.
    pub forget: bool,
    /// A command was stored before: its entry may lie behind changes that the state read before the append does not have, so
    /// the conversation is read as it is now, for whom the entry reaches.
    pub read_again: bool,
}

/// Whether a conversation's state moved with an append, or before it.
pub fn moved(group: &AppendGroup, outcomes: &[AppendOutcome]) -> Moved {
    let read_again = outcomes.iter().any(|outcome| outcome.repeated_command);
    let open = outcomes.iter().any(|one| !matches!(one.outcome, Some(Outcome::Entry(_) | Outcome::Rejected(_))));
    Moved { forget: read_again || open || group.decisions.iter().any(changes_state), read_again }
}

fn changes_state(decision: &Decision) -> bool {
    matches!(&decision.verdict, Some(Verdict::Accepted(accepted)) if !accepted.changes.is_empty())
}

#[cfg(test)]
mod tests {
    use im_infra::ids::ConversationId;
    use proto::repo::{Accepted, Conflict, DecideAgain, PutMember, StateChange, state_change::Change};

    use super::{super::Kind, *};

    fn join(user: i64, id: &str) -> Command {
        let conversation = ConversationId::group(1, "g");
        Command { sender: user, conversation, id: id.parse().unwrap(), payload_hash: "h".into(), kind: Kind::Join }
    }

    fn let_in(user_id: i64) -> Verdict {
        let put = Change::PutMember(PutMember { user_id, role: 1 });
        Verdict::Accepted(Accepted { changes: vec![StateChange { change: Some(put) }], ..Accepted::default() })
    }

    #[test]
    fn a_repetition_inside_a_batch_has_no_effect_on_what_follows() {
        let commands = [join(5, "a"), join(5, "a"), join(6, "b")];
        let read = repo::State { state_version: 7, ..repo::State::default() };
        let mut counts = Vec::new();
        let (group, state) = fold_commands::<()>("g:1", Some(&read), commands.iter(), |at, state| {
            counts.push(state.member_count);
            Ok(let_in(commands[at].sender))
        })
        .unwrap();
        assert_eq!((group.state_version, group.decisions.len(), counts), (7, 3, vec![0, 1, 1]));
        assert_eq!(state.member_count, 2);
        assert_eq!(fold_commands("g:1", None, commands.iter(), |_, _| Err("no id")).unwrap_err(), "no id");
    }

    #[test]
    fn r03_only_the_stores_answer_leaves() {
        let decision = Decision { verdict: Some(let_in(5)), ..Decision::default() };
        let mut audience = Audience::default();
        let answer = |outcome| AppendOutcome { outcome: Some(outcome), repeated_command: false };
        let entry = Entry { seq: 3, ..Entry::default() };
        let settled = settle(&decision, answer(Outcome::Entry(entry.clone())), &mut audience);
        assert_eq!(settled, Settled::Stored(entry, Reach::Users(vec![5])));
        // Accepted by the rules, refused before: that stands.
        let refused: common::Error = Error::new(proto::ErrorCode::GroupFull).into();
        let settled = settle(&decision, answer(Outcome::Rejected(refused.clone())), &mut audience);
        assert_eq!(settled, Settled::Refused(refused));
        let settled = settle(&decision, answer(Outcome::DecideAgain(DecideAgain {})), &mut audience);
        assert_eq!(settled, Settled::Again);
    }

    #[test]
    fn a_state_is_forgotten_when_it_may_have_moved_and_read_again_for_who_is_reached() {
        let said = Decision { verdict: Some(Verdict::Accepted(Accepted::default())), ..Decision::default() };
        let came = Decision { verdict: Some(let_in(5)), ..Decision::default() };
        let entry = AppendOutcome { outcome: Some(Outcome::Entry(Entry::default())), repeated_command: false };
        let again = AppendOutcome { repeated_command: true, ..entry.clone() };
        let conflict = AppendOutcome { outcome: Some(Outcome::Conflict(Conflict {})), repeated_command: false };
        let cases = [
            (&said, &entry, false, false),
            (&came, &entry, true, false),
            (&said, &again, true, true),
            (&said, &conflict, true, false),
        ];
        for (decision, outcome, forget, read_again) in cases {
            let group = AppendGroup { decisions: vec![decision.clone()], ..AppendGroup::default() };
            assert_eq!(moved(&group, std::slice::from_ref(outcome)), Moved { forget, read_again });
        }
    }
}
