//! What a device keeps of its user's conversations, and how it catches up: docs/protocol.md, "Sync" and "Digest".

use std::collections::BTreeMap;

use anyhow::bail;
use proto::{
    client::{Digest, Fetch, Sync, client_frame::Frame as Out, server_frame::Frame as In},
    conversation::{Known, SyncItem},
};

use super::client::Socket;

/// Entries of one answer to a fetch.
const FETCHED_MAX: i64 = 200;

/// A device's state.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    kept: BTreeMap<String, Kept>,
}

/// What it has of a conversation.
#[derive(Clone, Debug, Default)]
struct Kept {
    seq: i64,
    read_seq: i64,
    my_rev: i64,
    /// Place and id.
    entries: Vec<(i64, i64)>,
}

/// Entries that a sync named and did not bring.
struct Gap {
    conversation: String,
    from_seq: i64,
    to_seq: i64,
}

/// What catching up took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    pub(super) pages: u64,
    pub(super) fetches: u64,
    pub(super) entries: u64,
}

impl Device {
    /// What it says at hello.
    pub(super) fn digest(&self) -> Digest {
        let sums = self.kept.iter().map(|(id, kept)| mix64(id, kept.seq, kept.my_rev));
        let count = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        Digest { count, sum: sums.fold(0, u64::wrapping_add) }
    }

    /// What it has of each conversation, ascending.
    pub(super) fn entries(mut self) -> impl Iterator<Item = (String, Vec<(i64, i64)>)> {
        self.kept.values_mut().for_each(|kept| kept.entries.sort_unstable());
        self.kept.into_iter().map(|(id, kept)| (id, kept.entries))
    }

    /// Asks for what it lacks until it has all there is.
    pub(super) async fn sync(&mut self, socket: &mut Socket) -> anyhow::Result<Effort> {
        let mut effort = Effort::default();
        let known = self.kept.iter().map(|(id, kept)| Known {
            conversation_id: id.clone(),
            seq: kept.seq,
            read_seq: kept.read_seq,
            my_rev: kept.my_rev,
        });
        socket.send(Out::Sync(Sync { known: known.collect(), ..Sync::default() })).await?;
        let mut gaps = Vec::new();
        loop {
            match socket.next().await? {
                In::SyncPage(page) => {
                    effort.pages += 1;
                    for item in page.items {
                        effort.entries += item.entries.len() as u64;
                        gaps.extend(self.take(item));
                    }
                    for id in page.gone {
                        self.kept.remove(&id);
                    }
                    if page.done {
                        break;
                    }
                }
                In::Error(frame) => bail!("a sync was refused: {:?}", frame.error),
                _ => {}
            }
        }
        for gap in gaps {
            self.fetch(socket, gap, &mut effort).await?;
        }
        Ok(effort)
    }

    fn take(&mut self, item: SyncItem) -> Option<Gap> {
        let state = item.conversation?;
        if state.left_seq != 0 {
            self.kept.remove(&state.conversation_id);
            return None;
        }
        let kept = self.kept.entry(state.conversation_id.clone()).or_default();
        (kept.seq, kept.read_seq, kept.my_rev) = (state.last_seq, state.read_seq, state.my_rev);
        kept.entries.extend(item.entries.iter().map(|entry| (entry.seq, entry.message_id)));
        let (conversation, from_seq, to_seq) = (state.conversation_id, item.gap_from, item.gap_to);
        (from_seq > 0).then_some(Gap { conversation, from_seq, to_seq })
    }

    /// The log has no hole, so the range itself says when it is whole.
    async fn fetch(&mut self, socket: &mut Socket, gap: Gap, effort: &mut Effort) -> anyhow::Result<()> {
        let Gap { conversation, mut from_seq, to_seq } = gap;
        let kept = self.kept.entry(conversation.clone()).or_default();
        while from_seq <= to_seq {
            let last = to_seq.min(from_seq + FETCHED_MAX - 1);
            let conversation_id = conversation.clone();
            socket.send(Out::Fetch(Fetch { conversation_id, from_seq, to_seq: last, ..Fetch::default() })).await?;
            effort.fetches += 1;
            while from_seq <= last {
                match socket.next().await? {
                    In::Entries(part) if part.conversation_id == conversation => {
                        let Some(newest) = part.entries.last().map(|entry| entry.seq) else {
                            bail!("{conversation} has nothing from {from_seq} to {last}, where a sync named a gap");
                        };
                        effort.entries += part.entries.len() as u64;
                        kept.entries.extend(part.entries.iter().map(|entry| (entry.seq, entry.message_id)));
                        from_seq = newest + 1;
                    }
                    In::Error(frame) => bail!("a fetch was refused: {:?}", frame.error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// A conversation's part of the digest. All operations are modulo 2^64.
fn mix64(conversation_id: &str, last_seq: i64, my_rev: i64) -> u64 {
    let (offset, prime) = (0xcbf2_9ce4_8422_2325_u64, 0x100_0000_01b3_u64);
    let id = conversation_id.bytes().fold(offset, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(prime));
    finish(finish(id.wrapping_add(last_seq.cast_unsigned())).wrapping_add(my_rev.cast_unsigned()))
}

const fn finish(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proto::{conversation::Conversation, message::Entry};

    use super::*;

    const GROUP: &str = "g:0123456789abcdef0123456789abcdef";

    #[test]
    fn the_vectors_of_the_documentation_hold() {
        let vectors = [
            ("", 0, 0, 2_448_385_507_222_971_125),
            ("d:1:2", 1, 1, 13_787_511_961_107_857_729),
            ("d:1:2", 1, 2, 9_083_737_263_364_717_550),
            ("d:1:3", 1, 1, 15_818_002_957_550_997_281),
        ];
        for (id, last_seq, my_rev, expected) in vectors {
            assert_eq!(mix64(id, last_seq, my_rev), expected, "{id} {last_seq} {my_rev}");
        }
        let kept = |seq, my_rev| Kept { seq, my_rev, ..Kept::default() };
        let three = [("d:1:2", kept(1, 1)), (GROUP, kept(1_000, 1_700)), ("u:7", kept(3, 1))];
        let device = Device { kept: three.map(|(id, kept)| (id.to_owned(), kept)).into() };
        assert_eq!(device.digest(), Digest { count: 3, sum: 12_542_982_708_332_164_632 });
    }

    #[test]
    fn an_item_is_kept_and_its_gap_is_to_be_fetched() {
        let mut device = Device::default();
        let state = |left_seq| Conversation {
            conversation_id: GROUP.into(),
            last_seq: 9,
            my_rev: 4,
            left_seq,
            ..Conversation::default()
        };
        let entries = vec![Entry { seq: 9, message_id: 90, ..Entry::default() }];
        let item = SyncItem { conversation: Some(state(0)), entries, gap_from: 1, gap_to: 8 };
        let gap = device.take(item).unwrap();
        assert_eq!((gap.from_seq, gap.to_seq, device.kept[GROUP].seq), (1, 8, 9));
        assert_eq!(device.clone().entries().collect::<Vec<_>>(), [(GROUP.to_owned(), vec![(9, 90)])]);
        let left = SyncItem { conversation: Some(state(10)), ..SyncItem::default() };
        assert!(device.take(left).is_none() && device.kept.is_empty());
    }
}
