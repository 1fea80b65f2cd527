//! What proves GoChat. [`ledger`] takes the history of a run, whoever made it, and finds every entry that was lost, doubled,
//! reordered, invented or given to the wrong user, and every wrong unread count. [`nemesis`] makes histories of a system under
//! faults.

pub mod ledger;
pub mod nemesis;
