//! Entries and members in the letters to the gateways.

use im_infra::gateways::{Gateway, Letters};
use prost::Message as _;
use proto::{
    message::Entry,
    mq::{Broadcast, MemberIndex},
};

/// Adds an entry for whoever a gateway holds of the conversation, to the broadcast before it where that is of the same.
pub fn broadcast(letters: &mut Letters, gateway: &Gateway, entry: &Entry, trace_parent: &str) {
    let letter = letters.to(gateway, entry.encoded_len());
    if let Some(last) = letter.broadcasts.last_mut()
        && last.conversation_id == entry.conversation_id
        && last.trace_parent == trace_parent
        && last.index.is_none()
    {
        last.entries.push(entry.clone());
        return;
    }
    letter.broadcasts.push(Broadcast {
        conversation_id: entry.conversation_id.clone(),
        entries: vec![entry.clone()],
        trace_parent: trace_parent.to_owned(),
        ..Broadcast::default()
    });
}

/// Adds members of a conversation that became large.
pub fn index(letters: &mut Letters, gateway: &Gateway, conversation_id: &str, index: MemberIndex) {
    let letter = letters.to(gateway, index.encoded_len());
    let conversation_id = conversation_id.to_owned();
    letter.broadcasts.push(Broadcast { conversation_id, index: Some(index), ..Broadcast::default() });
}

/// Says that entries of a conversation never come; empty: of any that is large.
pub fn missed(letters: &mut Letters, gateway: &Gateway, conversation_id: &str) {
    let conversation_id = conversation_id.to_owned();
    let missed = Broadcast { conversation_id, missed: true, ..Broadcast::default() };
    letters.to(gateway, missed.encoded_len()).broadcasts.push(missed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r14_a_gateway_gets_the_entries_of_a_conversation_once_in_order() {
        let gateway = Gateway { instance: "a".into(), slot: 0 };
        let entry = |id: &str, seq| Entry { conversation_id: id.into(), seq, ..Entry::default() };
        let mut letters = Letters::default();
        index(&mut letters, &gateway, "g:1", MemberIndex::default());
        for (id, seq, trace) in [("g:1", 1, ""), ("g:1", 2, ""), ("g:2", 1, ""), ("g:1", 3, ""), ("g:1", 4, "t")] {
            broadcast(&mut letters, &gateway, &entry(id, seq), trace);
        }
        let letter = letters.to(&gateway, 0).clone();
        let shape: Vec<_> = letter
            .broadcasts
            .iter()
            .map(|one| {
                (&*one.conversation_id, one.entries.iter().map(|entry| entry.seq).collect(), one.index.is_some())
            })
            .collect();
        assert_eq!(
            shape,
            [
                ("g:1", vec![], true),
                ("g:1", vec![1, 2], false),
                ("g:2", vec![1], false),
                ("g:1", vec![3], false),
                ("g:1", vec![4], false),
            ]
        );
    }
}
