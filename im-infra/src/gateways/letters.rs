//! Records of `im.downstream` being filled: one per gateway and batch, split where it would grow too big.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::{
    message::Entry,
    mq::{Delivery, Downstream},
};

use super::Gateway;
use crate::{ids::UserId, mq::NewRecord};

/// Bytes after which a record is closed and another begun.
const RECORD_BYTES: usize = 256 << 10;
/// Bytes of a user id in a list of them, at most.
const USER_BYTES: usize = 9;
/// Recipients of one delivery.
const RECIPIENTS_MAX: usize = RECORD_BYTES / USER_BYTES / 2;

/// Records by gateway.
#[derive(Default)]
pub struct Letters {
    open: BTreeMap<Gateway, (Downstream, usize)>,
    full: Vec<(u32, Downstream)>,
}

impl Letters {
    /// The record for a gateway, with room for so many more bytes.
    pub fn to(&mut self, gateway: &Gateway, bytes: usize) -> &mut Downstream {
        if let Some((_, size)) = self.open.get(gateway)
            && size + bytes > RECORD_BYTES
            && let Some((letter, _)) = self.open.remove(gateway)
        {
            self.full.push((gateway.slot, letter));
        }
        let fresh = || (Downstream { instance: gateway.instance.clone(), ..Downstream::default() }, 0);
        let (letter, size) = self.open.entry(gateway.clone()).or_insert_with(fresh);
        *size += bytes;
        letter
    }

    /// Adds an entry for these users, to the delivery before it where that has the same audience.
    pub fn deliver(&mut self, gateway: &Gateway, entry: &Entry, recipients: &[UserId], trace_parent: &str) {
        for some in recipients.chunks(RECIPIENTS_MAX) {
            let letter = self.to(gateway, entry.encoded_len() + some.len() * USER_BYTES);
            if let Some(last) = letter.deliveries.last_mut()
                && last.conversation_id == entry.conversation_id
                && last.recipients == some
                && last.trace_parent == trace_parent
            {
                last.entries.push(entry.clone());
                continue;
            }
            letter.deliveries.push(Delivery {
                conversation_id: entry.conversation_id.clone(),
                entries: vec![entry.clone()],
                recipients: some.to_vec(),
                trace_parent: trace_parent.to_owned(),
            });
        }
    }

    /// Bytes of all of them, roughly.
    pub fn bytes(&self) -> usize {
        self.full.len() * RECORD_BYTES + self.open.values().map(|(_, size)| size).sum::<usize>()
    }

    pub(super) fn into_records(self) -> Vec<NewRecord> {
        let open = self.open.into_iter().map(|(gateway, (letter, _))| (gateway.slot, letter));
        let all = self.full.into_iter().chain(open);
        all.map(|(slot, letter)| NewRecord::to_partition(slot, letter.encode_to_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use proto::mq::Outcome;

    use super::*;

    fn gateway() -> Gateway {
        Gateway { instance: "a".into(), slot: 3 }
    }

    fn entry(seq: i64) -> Entry {
        Entry { conversation_id: "d:1:2".into(), seq, ..Entry::default() }
    }

    fn records(letters: Letters) -> Vec<Downstream> {
        let records = letters.into_records();
        assert!(records.iter().all(|record| record.partition == Some(3)));
        records.into_iter().map(|record| Downstream::decode(record.payload).unwrap()).collect()
    }

    #[test]
    fn a_gateway_gets_one_record_unless_it_grows_too_big() {
        let mut letters = Letters::default();
        letters.deliver(&gateway(), &entry(1), &[1, 2], "");
        letters.deliver(&gateway(), &entry(2), &[1, 2], "");
        letters.deliver(&gateway(), &entry(3), &[1], "");
        letters.to(&gateway(), RECORD_BYTES).outcomes.push(Outcome::default());
        let records = records(letters);
        let shape: Vec<_> = records.iter().map(|letter| (letter.deliveries.len(), letter.outcomes.len())).collect();
        assert_eq!(shape, [(2, 0), (0, 1)]);
        assert_eq!(records[0].deliveries[0].entries.len(), 2);
    }

    #[test]
    fn an_audience_too_large_for_a_record_is_split() {
        let users: Vec<UserId> = (1..=100_000).collect();
        let mut letters = Letters::default();
        letters.deliver(&gateway(), &entry(1), &users, "");
        let records = records(letters);
        assert!(records.iter().all(|letter| letter.encoded_len() <= RECORD_BYTES));
        let told: usize = records.iter().flat_map(|letter| &letter.deliveries).map(|one| one.recipients.len()).sum();
        assert_eq!(told, users.len());
    }
}
