//! What a member of a conversation may see: `visible_from <= seq < left_seq`, whoever pushes, repeats or pages it.
//!
//! ```
//! use im_infra::interval::Interval;
//!
//! let member = Interval { visible_from: 5, left_seq: 0 };
//! assert!(member.sees(5) && !member.sees(4));
//! let removed = Interval { left_seq: 10, ..member };
//! assert!(removed.sees(9), "the removal itself");
//! assert!(!removed.sees(10));
//! ```

/// A member's interval of a conversation's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// The first entry the member may see.
    pub visible_from: i64,
    /// The first entry the member may not see any more; 0: present.
    pub left_seq: i64,
}

impl Interval {
    /// Of who came with the entry at `seq`.
    pub const fn from(seq: i64) -> Self {
        Self { visible_from: seq, left_seq: 0 }
    }

    /// Whether the member is still there.
    pub const fn is_present(self) -> bool {
        self.left_seq == 0
    }

    /// Whether the member may see the entry at `seq`.
    pub const fn sees(self, seq: i64) -> bool {
        self.visible_from <= seq && (self.is_present() || seq < self.left_seq)
    }

    /// The same, ended by the entry at `seq`: the last one seen.
    #[must_use]
    pub const fn until(self, seq: i64) -> Self {
        Self { left_seq: seq + 1, ..self }
    }

    /// The seq of the entry that made it what it is: of two intervals of one member the one that changed later holds.
    pub const fn changed_at(self) -> i64 {
        if self.left_seq > self.visible_from { self.left_seq - 1 } else { self.visible_from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r05_the_later_change_is_told_from_the_interval_itself() {
        let joined = Interval::from(5);
        let removed = joined.until(9);
        let again = Interval::from(12);
        assert_eq!([joined, removed, again].map(Interval::changed_at), [5, 9, 12]);
        assert!(removed.sees(9) && !removed.sees(10) && again.sees(12) && !again.sees(9));
        assert!(!removed.is_present() && again.is_present());
    }
}
