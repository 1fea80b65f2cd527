//! What proves GoChat. [`ledger`] takes the history of a run, whoever made it, and finds every entry that was lost, doubled,
//! reordered, invented or given to the wrong user, and every wrong unread count.

pub mod ledger;
