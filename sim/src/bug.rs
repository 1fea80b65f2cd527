//! Bugs that are planted on purpose, in the actors of the simulation: it has to find each of them.

use std::{fmt, str::FromStr};

macro_rules! bugs {
    ($($variant:ident $name:literal $doc:literal;)+) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $doc] $variant,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

bugs! {
    CommitBeforeEffect "commit-before-effect" "The offset is committed before the batch is stored.";
    NoDedup "no-dedup" "Stored outcomes are not looked up.";
    DedupWithoutPush "dedup-without-push" "An entry that was stored before is not pushed again.";
    StoredOutcomeIgnored "stored-outcome-ignored" "The sender is told what the rules say now, not what is stored.";
    StateVersionIgnored "state-version-ignored" "Decisions upon an outdated state are stored.";
    PushBeforeCommit "push-before-commit" "Entries are pushed before they are stored.";
    AckBeforeCommit "ack-before-commit" "Outcomes leave before they are stored.";
    RoutesBeforeCommit "routes-before-commit" "Where the recipients are is asked before the commit.";
    ReplayAfterLastRead "replay-after-last-read" "A partition is taken over where its reader was, not where its effects were.";
    AudienceForgotten "audience-forgotten" "Entries are pushed to whoever was a member once.";
    NoResync "no-resync" "Connections whose route was gone are not told to sync.";
    DigestBeforeRoute "digest-before-route" "The digest of a hello is read before the route is written.";
    IndexNotLoaded "index-not-loaded" "A large conversation is fanned out to the members that happen to be known.";
    HoldIgnored "hold-ignored" "Commands overtake one that was refused for now.";
    CursorMovesBack "cursor-moves-back" "The newest read cursor is taken, not the highest.";
    PageNotCut "page-not-cut" "Pages are not cut to the member's interval.";
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ");
        Self::ALL.iter().copied().find(|bug| bug.name() == name).ok_or_else(|| format!("one of {}", known()))
    }
}
