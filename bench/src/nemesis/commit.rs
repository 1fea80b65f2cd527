//! Finds the COMMIT in what a client of MySQL or MariaDB sends.
//!
//! Each packet is a length of three bytes, a number, and the payload; that of a query in text begins with 3
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html>).

const HEADER_BYTES: usize = 4;
const COM_QUERY: u8 = 3;
/// With what may stand around the word.
const PAYLOAD_BYTES_MAX: usize = 16;

/// Follows one direction of a connection, however it is cut into chunks.
#[derive(Default)]
pub(super) struct CommitWatch {
    header: Vec<u8>,
    /// Of a payload that is short enough to be one.
    payload: Vec<u8>,
    /// Of the payload, yet to come.
    left: usize,
    is_short: bool,
}

impl CommitWatch {
    /// Whether a COMMIT ends in these bytes.
    pub(super) fn sees_commit(&mut self, mut bytes: &[u8]) -> bool {
        let mut seen = false;
        while !bytes.is_empty() {
            if self.left == 0 {
                let (taken, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.header.len()));
                self.header.extend_from_slice(taken);
                bytes = rest;
                if let [low, middle, high, _] = self.header[..] {
                    self.left = usize::from(low) | (usize::from(middle) << 8) | (usize::from(high) << 16);
                    self.is_short = self.left <= PAYLOAD_BYTES_MAX;
                    self.header.clear();
                    self.payload.clear();
                }
                continue;
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(self.left));
            self.left -= taken.len();
            bytes = rest;
            if self.is_short {
                self.payload.extend_from_slice(taken);
                seen |= self.left == 0 && is_commit(&self.payload);
            }
        }
        seen
    }
}

fn is_commit(payload: &[u8]) -> bool {
    let Some((&COM_QUERY, text)) = payload.split_first() else { return false };
    let is_filling = |byte: &u8| byte.is_ascii_whitespace() || *byte == b';';
    let begin = text.iter().position(|byte| !is_filling(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_filling(byte)).map_or(begin, |last| last + 1);
    text[begin..end].eq_ignore_ascii_case(b"commit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(payload.len()).unwrap().to_le_bytes()[..3].to_vec();
        packet.push(0);
        packet.extend_from_slice(payload);
        packet
    }

    #[test]
    fn a_commit_is_found_among_other_packets_however_they_are_cut() {
        let mut stream = packet(&[b'x'; 70_000]);
        stream.extend(packet(b""));
        stream.extend(packet(b"\x03BEGIN"));
        stream.extend(packet(b"\x03COMMIT"));
        let end = stream.len();
        stream.extend(packet(b"\x03SELECT"));
        for size in [1, 2, 3, 7, 1_000, 100_000] {
            let mut watch = CommitWatch::default();
            let mut seen = Vec::new();
            for (index, chunk) in stream.chunks(size).enumerate() {
                if watch.sees_commit(chunk) {
                    seen.push(((index + 1) * size).min(stream.len()));
                }
            }
            assert!(seen.len() == 1 && (end..end + size).contains(&seen[0]), "{size}: {seen:?}, {end}");
        }
    }

    #[test]
    fn only_a_query_that_is_a_commit_is_one() {
        for (payload, is_one) in [
            (&b"\x03COMMIT"[..], true),
            (b"\x03commit;", true),
            (b"\x03 Commit ", true),
            (b"\x16COMMIT", false),
            (b"\x03COMMITTED", false),
            (b"\x03ROLLBACK", false),
            (b"\x03", false),
            (b"", false),
        ] {
            assert_eq!(is_commit(payload), is_one, "{payload:?}");
        }
    }
}
