//! Bugs that are planted on purpose, in the actors of the simulation: it has to find each of them.

im_infra::named! {
    /// A planted bug, by its name on the command line.
    pub enum Bug;
    /// What is wrong, in a line.
    fn wrong;
    CommitBeforeEffect "commit-before-effect" "the offset is committed before the batch is stored";
    NoDedup "no-dedup" "stored outcomes are not looked up";
    DedupWithoutPush "dedup-without-push" "an entry that was stored before is not pushed again";
    StoredOutcomeIgnored "stored-outcome-ignored" "the sender is told what the rules say now, not what is stored";
    StateVersionIgnored "state-version-ignored" "decisions upon an outdated state are stored";
    PushBeforeCommit "push-before-commit" "entries are pushed before they are stored";
    AckBeforeCommit "ack-before-commit" "outcomes leave before they are stored";
    RoutesBeforeCommit "routes-before-commit" "where the recipients are is asked before the commit";
    ReplayAfterLastRead "replay-after-last-read" "a partition is taken over where its reader was, not where its effects were";
    AudienceForgotten "audience-forgotten" "entries are pushed to whoever was a member once";
    NoResync "no-resync" "connections whose route was gone are not told to sync";
    DigestBeforeRoute "digest-before-route" "the digest of a hello is read before the route is written";
    IndexNotLoaded "index-not-loaded" "a large conversation is fanned out to the members that happen to be known";
    OutcomeWithoutHash "outcome-without-hash" "an outcome does not say of which payload it is";
    HoldIgnored "hold-ignored" "commands overtake one that was refused for now";
    CursorMovesBack "cursor-moves-back" "the newest read cursor is taken, not the highest";
    PageNotCut "page-not-cut" "pages are not cut to the member's interval";
}
