//! Bugs that are planted on purpose: the nemesis has to find each of them, or its ledger shows nothing when it is clean.
//!
//! They are in binaries that were built with the feature `planted-bugs`, and nowhere else: without it [`is`] is a constant, and
//! what stands behind it is not there. Such a binary has no bug until one is chosen, by `GOCHAT_PLANTED_BUG`.
//!
//! ```
//! use im_infra::planted::{self, Bug};
//!
//! assert_eq!("no-dedup".parse::<Bug>(), Ok(Bug::NoDedup));
//! assert!(!planted::is(Bug::NoDedup));
//! ```

#[cfg(feature = "planted-bugs")]
use std::sync::OnceLock;
use std::{future::Future, time::Duration};

crate::named! {
    /// A planted bug, by its name in `GOCHAT_PLANTED_BUG`.
    pub enum Bug;
    /// What is wrong, in a line.
    fn wrong;
    CommitBeforeEffect "commit-before-effect" "an offset is committed before its batch has had its effect";
    PanicSwallowed "panic-swallowed" "a handler's panic, once in 256 batches, is swallowed and the offset committed";
    ReplayAfterLastSent "replay-after-last-sent" "after a failure the next batch follows the last one that was tried, not the last one that was confirmed";
    NoDedup "no-dedup" "stored outcomes are not looked up";
    DedupWithoutPush "dedup-without-push" "an entry that was stored before is acknowledged, and not pushed again";
    StoredOutcomeIgnored "stored-outcome-ignored" "the sender is told what the rules say now, not what is stored";
    StateVersionIgnored "state-version-ignored" "what was decided upon an outdated state is stored";
    SeqFromClock "seq-from-clock" "an entry's place is the time, not the next one";
    SeqFromCache "seq-from-cache" "an entry's place follows the row that im-logic remembers, not the one under the lock";
    AckBeforeCommit "ack-before-commit" "an append is answered before it is committed";
    PushBeforeCommit "push-before-commit" "an append is answered and pushed, and then, once in 256, rolled back";
    PartitionKeyWrong "partition-key-wrong" "commands are produced by their own id, not by their conversation's";
    UnreadByCounting "unread-by-counting" "unread is the number of entries after the cursor, not of messages";
    RouteForEver "route-for-ever" "the routes of a gateway that was killed never run out";
    RouteNotRemoved "route-not-removed" "a route outlives its connection";
    QueueUnbounded "queue-unbounded" "whatever a slow client does not take waits for it";
    DropWithoutResync "drop-without-resync" "what a slow client has no room for is dropped, and its connection goes on";
    MembersNotAsked "members-not-asked" "who writes in a group need not be a member";
    DeliverToRemoved "deliver-to-removed" "entries are pushed to whoever was a member once";
    PageNotCut "page-not-cut" "history is read from before the member came";
    IndexNotLoaded "index-not-loaded" "a user's places in large conversations are not loaded at hello";
    RegistryIgnored "registry-ignored" "of all live gateways only one is addressed";
}

/// Those that this binary has.
pub const fn compiled_in() -> &'static [Bug] {
    if cfg!(feature = "planted-bugs") { Bug::ALL } else { &[] }
}

#[cfg(feature = "planted-bugs")]
static CHOSEN: OnceLock<Bug> = OnceLock::new();

/// From now on this process has the bug; the first one that is chosen stays.
#[cfg(feature = "planted-bugs")]
pub fn choose(bug: Bug) {
    CHOSEN.get_or_init(|| bug);
}

/// Whether this process has the bug.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    CHOSEN.get() == Some(&bug)
}

/// Whether this process has the bug: it has none.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
pub const fn is(_: Bug) -> bool {
    false
}

/// For bugs that do something too late: it is done a moment later, and nobody waits for it. Within a tokio runtime.
// Nobody is to see how it ends: that is the bug.
#[allow(clippy::disallowed_methods)]
pub fn later(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        work.await;
    });
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_at_least_sixteen_and_their_names_are_unique() {
        let names: HashSet<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        assert!(names.len() == Bug::ALL.len() && names.len() >= 16);
        assert!(Bug::ALL.iter().all(|bug| bug.name().parse::<Bug>() == Ok(*bug)));
        assert!("none-of-them".parse::<Bug>().unwrap_err().contains("no-dedup"));
    }
}
