//! Whether what was written can all still be there.

use std::mem;

/// Marks an instance if the era of its routes is there still (empty: it has none), and drops marks that ran out.
pub(super) const MARK: &str = "
    if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then
        return 0
    end
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
    redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
    return 1";

/// What was written since the last mark.
///
/// A flush in the middle of a pass over all routes takes those away that were written before it, and a mark after such
/// a pass would say that they are there. So every write names the era it fell in, a word that a flush takes away too: a
/// mark needs all of it in one era, and that era still there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing.
    #[default]
    Nothing,
    /// All of it in this era.
    In(String),
    /// In several eras, or a connection failed and nobody knows what became of it.
    Unsure,
}

impl Written {
    /// More was written, in the era that was found before it; none: it ended before it could be read.
    pub(super) fn add(&mut self, era: Option<String>) {
        *self = match (mem::take(self), era) {
            (Self::Nothing, Some(era)) => Self::In(era),
            (Self::In(before), Some(era)) if before == era => Self::In(era),
            _ => Self::Unsure,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(eras: &[Option<&str>]) -> Written {
        let mut written = Written::default();
        for era in eras {
            written.add(era.map(str::to_owned));
        }
        written
    }

    #[test]
    fn r12_what_was_written_before_and_after_a_flush_is_not_one() {
        assert_eq!(after(&[]), Written::Nothing);
        assert_eq!(after(&[Some("a"), Some("a")]), Written::In("a".into()));
        assert_eq!(after(&[Some("a"), Some("b")]), Written::Unsure);
        assert_eq!(after(&[Some("a"), Some("b"), Some("b")]), Written::Unsure);
        assert_eq!(after(&[None, Some("a")]), Written::Unsure);
    }
}
