//! A member at its connection; one of them writes.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc;

use crate::load::{
    conversation::Conversation,
    seat::{Seat, next_time},
};

/// Somebody in the group.
pub(super) struct Member {
    pub(super) seat: Seat,
    pub(super) group: Arc<Conversation>,
    pub(super) burst: u32,
    /// When to write; none for those who only read.
    pub(super) times: Option<mpsc::Receiver<Instant>>,
}

impl Member {
    /// Writes when it is time and takes what comes, until it is over.
    pub(super) async fn play(mut self) -> Seat {
        let outcome = self.work().await;
        if self.times.is_some() {
            self.seat.progress.sender_ended();
        }
        self.seat.end(outcome);
        self.seat
    }

    async fn work(&mut self) -> anyhow::Result<()> {
        let over = self.seat.progress.over.clone().cancelled_owned();
        tokio::pin!(over);
        loop {
            tokio::select! {
                frame = self.seat.socket.next() => self.seat.take(frame?).await?,
                due = next_time(&mut self.times) => match due {
                    Some(due) => self.seat.write(&self.group, due, self.burst).await?,
                    None => {
                        self.times = None;
                        self.seat.progress.sender_ended();
                    }
                },
                () = &mut over => return Ok(()),
            }
        }
    }
}
