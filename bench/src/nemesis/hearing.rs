//! Clients that read nothing for a while, as phones do that are carried through a tunnel: what they are pushed waits on its way to
//! them, and where that is full at their gateway.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

/// One in so many users is deaf at the same time: those who talk to each other are not.
pub(super) const DEAF_EVERY: usize = 3;
/// Where the way is narrow. A message may have 16 KB.
const LONG_TEXT_BYTES: usize = 8_192;
/// Messages that may wait between a gateway and a client on a narrow way: the eight that a gateway keeps, the nine that fit on the
/// way, eight more that it was about to write, and half as many again.
const ROOM_MESSAGES: u64 = 38;

/// Who hears nothing just now.
pub(super) struct Hearing {
    /// Whether little fits between a client and its gateway, and messages are long: otherwise minutes of pushes find room in the
    /// buffers of the system before a gateway knows that a client is slow.
    pub(super) narrow: bool,
    /// The first of them, behind whom it is one in [`DEAF_EVERY`]; none: all hear.
    deaf: watch::Sender<Option<usize>>,
    too_slow: AtomicU64,
}

impl Hearing {
    pub(super) fn of(narrow: bool) -> Arc<Self> {
        Arc::new(Self { narrow, deaf: watch::Sender::new(None), too_slow: AtomicU64::new(0) })
    }

    /// From now on the user of that number, which is below [`DEAF_EVERY`], hears nothing, nor does one in so many behind.
    pub(super) fn deafen(&self, first: usize) {
        self.deaf.send_replace(Some(first));
    }

    /// All hear again.
    pub(super) fn heal(&self) {
        self.deaf.send_replace(None);
    }

    /// That of the user of a number.
    pub(super) fn ear(&self, user: usize) -> Ear {
        Ear { deaf: self.deaf.subscribe(), user }
    }

    /// A connection of one that had been deaf was closed for it.
    pub(super) fn count_too_slow(&self) {
        self.too_slow.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that were closed because their clients had been deaf.
    pub(super) fn too_slow(&self) -> u64 {
        self.too_slow.load(Ordering::Relaxed)
    }

    /// Messages that may wait for a client; where the way is wide nobody can say how many.
    pub(super) fn room(&self) -> Option<u64> {
        self.narrow.then_some(ROOM_MESSAGES)
    }

    /// Bytes of a message, at least.
    pub(super) fn text_bytes(&self) -> usize {
        if self.narrow { LONG_TEXT_BYTES } else { 0 }
    }
}

/// Whether a user hears.
pub(super) struct Ear {
    deaf: watch::Receiver<Option<usize>>,
    user: usize,
}

impl Ear {
    /// Waits until the user is deaf. Safe to drop while waiting.
    pub(super) async fn loses(&mut self) {
        self.waits_for(true).await;
    }

    /// Waits until the user hears.
    pub(super) async fn hears(&mut self) {
        self.waits_for(false).await;
    }

    async fn waits_for(&mut self, wanted: bool) {
        let turn = self.user % DEAF_EVERY;
        // Who deafens them outlives them.
        let _ = self.deaf.wait_for(|deaf| (*deaf == Some(turn)) == wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn some_are_deaf_and_those_beside_them_hear() {
        let hearing = Hearing::of(false);
        let mut ears: Vec<Ear> = (0..7).map(|user| hearing.ear(user)).collect();
        let mut deaf = || -> Vec<usize> {
            let is_deaf = |ear: &mut Ear| {
                let lost = ear.loses().now_or_never().is_some();
                assert_ne!(lost, ear.hears().now_or_never().is_some());
                lost.then_some(ear.user)
            };
            ears.iter_mut().filter_map(is_deaf).collect()
        };
        assert!(deaf().is_empty());
        hearing.deafen(1);
        assert_eq!(deaf(), [1, 4]);
        hearing.deafen(0);
        assert_eq!(deaf(), [0, 3, 6]);
        hearing.heal();
        assert!(deaf().is_empty());
    }
}
