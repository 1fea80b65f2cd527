//! The digest by which a device and the server see that they know the same. docs/protocol.md defines it with vectors.

use proto::conversation::{Conversation, DigestResponse};

/// 64-bit FNV-1a of the id, then each number mixed in with the finaliser of SplitMix64.
pub fn mix64(conversation_id: &str, last_seq: i64, my_rev: i64) -> u64 {
    let id = conversation_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let seq = finish(id.wrapping_add(last_seq.cast_unsigned()));
    finish(seq.wrapping_add(my_rev.cast_unsigned()))
}

const fn finish(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Takes a conversation into a digest: those that the user is in count.
pub fn take_in(digest: &mut DigestResponse, conversation: &Conversation) {
    if conversation.left_seq == 0 {
        digest.count += 1;
        let mixed = mix64(&conversation.conversation_id, conversation.last_seq, conversation.my_rev);
        digest.sum = digest.sum.wrapping_add(mixed);
    }
}

/// What moves with everything of a conversation that is a member's own: the cursor, the peer's cursor in a direct
/// conversation, and the interval. Each part only grows, so the sum moves whenever one does.
pub const fn my_rev(read_seq: i64, peer_read_seq: i64, visible_from: i64) -> i64 {
    read_seq + peer_read_seq + visible_from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_documentation_hold() {
        assert_eq!(mix64("", 0, 0), finish(finish(0xcbf2_9ce4_8422_2325)));
        let sums = [("d:1:2", 1, 1), ("d:1:2", 2, 1), ("d:1:2", 1, 2), ("d:1:3", 1, 1)]
            .map(|(id, seq, rev)| mix64(id, seq, rev));
        let unique: std::collections::HashSet<_> = sums.iter().collect();
        assert_eq!(unique.len(), sums.len());
    }
}
