//! A load that is under way, until it is done or fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Index;

/// What whoever loads holds. Dropped before it is done, as by a panic, it gives up what waited: the next broadcast of the
/// conversation begins another load, and `missed` is called, as clients must sync.
pub(crate) struct Attempt<'a, F: FnOnce()> {
    index: &'a Index,
    conversation_id: &'a str,
    /// None once it is done.
    missed: Option<F>,
}

impl<'a, F: FnOnce()> Attempt<'a, F> {
    pub(crate) fn begin(index: &'a Index, conversation_id: &'a str, missed: F) -> Self {
        Self { index, conversation_id, missed: Some(missed) }
    }

    /// Nothing waits any more, or the gateway stops.
    pub(crate) fn done(mut self) {
        self.missed = None;
    }
}

impl<F: FnOnce()> Drop for Attempt<'_, F> {
    fn drop(&mut self) {
        if let Some(missed) = self.missed.take() {
            self.index.give_up(self.conversation_id);
            // A second panic while the first is on its way would end the process.
            let _ = catch_unwind(AssertUnwindSafe(missed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proto::{message::Entry, mq::Broadcast};

    use super::{
        super::{Admitted, Next},
        *,
    };

    fn broadcast(seq: i64) -> Broadcast {
        let entry = Entry { conversation_id: "g:1".into(), seq, ..Entry::default() };
        Broadcast { conversation_id: "g:1".into(), entries: vec![entry], ..Broadcast::default() }
    }

    /// What waits, by its seqs.
    fn waiting(index: &Index) -> Vec<i64> {
        match index.next_waiting("g:1") {
            Next::FanOut(waiting) => waiting.iter().map(|one| one.entries[0].seq).collect(),
            next => panic!("{next:?}"),
        }
    }

    #[test]
    fn r15_a_load_that_panics_is_begun_again_and_clients_are_told() {
        let (index, missed) = (Index::new(2, 2), Cell::new(0));
        let count = || missed.set(missed.get() + 1);
        assert!(matches!(index.admit(broadcast(1)), Admitted::Load));
        assert!(matches!(index.admit(broadcast(2)), Admitted::Waits));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _attempt = Attempt::begin(&index, "g:1", count);
            panic!("while it loads");
        }));
        assert!(ended.is_err());
        assert_eq!(missed.get(), 1);
        assert!(matches!(index.admit(broadcast(3)), Admitted::Load), "nobody loads any more");
        assert_eq!(waiting(&index), [3], "clients sync what waited before");
        // So it is with one that was half through what waited.
        drop(Attempt::begin(&index, "g:1", count));
        assert_eq!(missed.get(), 2);
        assert!(matches!(index.admit(broadcast(4)), Admitted::Load));
    }

    #[test]
    fn r15_a_load_that_is_done_gives_up_nothing_that_came_later() {
        let (index, missed) = (Index::new(2, 2), Cell::new(0));
        assert!(matches!(index.admit(broadcast(1)), Admitted::Load));
        let attempt = Attempt::begin(&index, "g:1", || missed.set(1));
        assert_eq!(waiting(&index), [1]);
        assert!(matches!(index.next_waiting("g:1"), Next::Done));
        // Before its task has ended, another one is needed.
        index.doubt();
        assert!(matches!(index.admit(broadcast(2)), Admitted::Load));
        attempt.done();
        assert_eq!(missed.get(), 0);
        assert_eq!(waiting(&index), [2]);
    }
}
