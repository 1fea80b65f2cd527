//! What proves GoChat. [`ledger`] takes the history of a run, whoever made it, and finds every entry that was lost, doubled,
//! reordered, invented or given to the wrong user, and every wrong unread count. [`nemesis`] makes histories of a system under
//! faults. [`ready`] knows a process that can be used, [`memory`] what it takes.

pub mod ledger;
pub mod memory;
pub mod nemesis;
pub mod ready;
