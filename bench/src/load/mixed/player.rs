//! A user who does a bit of everything.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use proto::client::{Read, Receipt, client_frame::Frame as Out, server_frame::Frame as In};
use tokio::{sync::mpsc, task::JoinSet};

use super::deed::Deed;
use crate::load::{
    account::{Accounts, Guest},
    conversation::Conversation,
    seat::{Seat, Took, next_time},
};

/// A user at work.
pub(super) struct Player {
    seat: Seat,
    guest: Guest,
    accounts: Accounts,
    direct: Arc<Conversation>,
    group: Arc<Conversation>,
    random: fastrand::Rng,
    /// When to do something.
    times: Option<mpsc::Receiver<Instant>>,
    /// Histories that were asked for and are not there yet.
    histories: JoinSet<(Took, anyhow::Result<()>)>,
    /// Read cursors of which no receipt came yet.
    reads: Vec<Reading>,
    did: Did,
}

/// A read cursor on its way.
struct Reading {
    due: Instant,
    conversation: Arc<Conversation>,
    read_seq: i64,
}

/// What came of what is no message.
#[derive(Default)]
pub(super) struct Did {
    pub(super) read_cursors: u64,
    pub(super) receipts: Vec<Took>,
    pub(super) histories: Vec<Took>,
    /// Histories that were refused, by what was answered.
    pub(super) refused: BTreeMap<String, u64>,
}

impl Player {
    /// Whose seat it is, and where it writes to: one other user, and the group.
    pub(super) fn at(
        seat: Seat,
        (guest, accounts): (Guest, Accounts),
        [direct, group]: [Arc<Conversation>; 2],
        (random, times): (fastrand::Rng, Option<mpsc::Receiver<Instant>>),
    ) -> Self {
        let (histories, reads, did) = (JoinSet::new(), Vec::new(), Did::default());
        Self { seat, guest, accounts, direct, group, random, times, histories, reads, did }
    }

    /// Does what it does when it is time and takes what comes, until it is over.
    pub(super) async fn play(mut self) -> (Seat, Did) {
        let outcome = self.work().await;
        if self.times.is_some() {
            self.seat.progress.sender_ended();
        }
        self.seat.end(outcome);
        (self.seat, self.did)
    }

    async fn work(&mut self) -> anyhow::Result<()> {
        let over = self.seat.progress.over.clone().cancelled_owned();
        tokio::pin!(over);
        loop {
            tokio::select! {
                frame = self.seat.socket.next() => match frame? {
                    In::Receipt(receipt) => self.receipt(&receipt),
                    frame => self.seat.take(frame).await?,
                },
                due = next_time(&mut self.times) => match due {
                    Some(due) => self.act(due).await?,
                    None => {
                        self.times = None;
                        self.seat.progress.sender_ended();
                    }
                },
                Some(history) = self.histories.join_next() => self.history(history?),
                () = &mut over => return Ok(()),
            }
        }
    }

    async fn act(&mut self, due: Instant) -> anyhow::Result<()> {
        match Deed::next(&mut self.random) {
            Deed::Direct => self.seat.write(&self.direct, due, 1).await,
            Deed::Group => self.seat.write(&self.group, due, 1).await,
            Deed::Read => self.read(due).await,
            Deed::History => {
                self.ask(due);
                Ok(())
            }
        }
    }

    /// One of both, which has something in it; the group always has.
    fn one_of_both(&mut self) -> Arc<Conversation> {
        let direct = self.random.bool() && self.seat.inbox.newest(&self.direct.id) > 0;
        if direct { self.direct.clone() } else { self.group.clone() }
    }

    /// Up to the newest entry that came. Where nothing came the cursor stands at the beginning, and stays there.
    async fn read(&mut self, due: Instant) -> anyhow::Result<()> {
        let conversation = self.one_of_both();
        let read_seq = self.seat.inbox.newest(&conversation.id).max(1);
        let read = Read { conversation_id: conversation.id.clone(), read_seq };
        self.reads.push(Reading { due, conversation, read_seq });
        self.did.read_cursors += 1;
        Ok(self.seat.socket.send(Out::Read(read)).await?)
    }

    /// A cursor that had been there before, by a later one or by writing, is told by no receipt.
    fn receipt(&mut self, receipt: &Receipt) {
        if receipt.user_id != self.guest.user {
            return;
        }
        let now = Instant::now();
        let told =
            |read: &mut Reading| read.conversation.id == receipt.conversation_id && read.read_seq <= receipt.read_seq;
        let told = self.reads.extract_if(.., told);
        self.did.receipts.extend(told.map(|read| Took::until(read.due, now)));
    }

    fn ask(&mut self, due: Instant) {
        let (conversation, accounts, guest) = (self.one_of_both(), self.accounts.clone(), self.guest.clone());
        self.seat.progress.asked(1);
        self.histories.spawn(async move {
            let answer = accounts.newest(&guest, &conversation.id).await;
            (Took::until(due, Instant::now()), answer)
        });
    }

    fn history(&mut self, (took, answer): (Took, anyhow::Result<()>)) {
        self.seat.progress.answered(1);
        match answer {
            Ok(()) => self.did.histories.push(took),
            Err(error) => *self.did.refused.entry(format!("{error:#}")).or_default() += 1,
        }
    }
}
