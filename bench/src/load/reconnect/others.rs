//! Others, who keep talking meanwhile, on a thread of their own: those who are cut and come back have the generator's runtime
//! busy, and the others would wait for that, not for the server.

use anyhow::Context as _;
use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ReconnectPlan;
use crate::{
    load::{
        account::Accounts,
        pace::{Pacer, Schedule},
        pair::{Cue, Pair, Seen, connect_pairs},
    },
    measure::Window,
    own_thread::on_own_thread,
    target::Endpoint,
};

const ENDED: &str = "the thread of those who talk has ended";

/// Pairs that are connected, and talk once they are told when.
pub(super) struct Others {
    begin: oneshot::Sender<Window>,
    talking: Talking,
}

/// Pairs at work. They have said enough when this is dropped.
pub(super) struct Talking {
    seen: oneshot::Receiver<anyhow::Result<Vec<Seen>>>,
    enough: DropGuard,
}

impl Others {
    /// Makes and connects them.
    pub(super) async fn connect(
        plan: &ReconnectPlan,
        endpoint: &Endpoint,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (plan, endpoint, stop, enough) = (*plan, endpoint.clone(), stop.clone(), stop.child_token());
        let (are_connected, connected) = oneshot::channel();
        let (begin, begun) = oneshot::channel();
        let guard = enough.clone().drop_guard();
        let work = move || async move {
            let pairs = Box::pin(connect_all(&plan, &endpoint)).await?;
            // Whoever asked may have gone; then nothing begins.
            let _ = are_connected.send(());
            let window = begun.await.context("nobody said when to begin")?;
            talk(&plan, pairs, window, (&enough, &stop)).await
        };
        let mut seen = on_own_thread("others", work)?;
        if connected.await.is_err() {
            // It has ended before that, with the reason.
            (&mut seen).await.context(ENDED)??;
        }
        Ok(Self { begin, talking: Talking { seen, enough: guard } })
    }

    /// Has them talk until it is enough, or the window ends.
    pub(super) fn talk(self, window: Window) -> Talking {
        // Whether they still live is seen in the end.
        let _ = self.begin.send(window);
        self.talking
    }
}

impl Talking {
    /// It is enough: waits for what is missing.
    pub(super) async fn end(self) -> anyhow::Result<Vec<Seen>> {
        let Self { seen, enough } = self;
        drop(enough);
        seen.await.context(ENDED)?
    }
}

async fn connect_all(plan: &ReconnectPlan, endpoint: &Endpoint) -> anyhow::Result<Vec<Pair>> {
    connect_pairs(&Accounts::of(endpoint), endpoint, plan.pairs, (plan.payload_bytes, plan.seed)).await
}

async fn talk(
    plan: &ReconnectPlan,
    pairs: Vec<Pair>,
    window: Window,
    (enough, stop): (&CancellationToken, &CancellationToken),
) -> anyhow::Result<Vec<Seen>> {
    let (_pacer, lanes) = Pacer::start(Schedule::new(plan.rate, plan.seed), window, pairs.len(), enough)?;
    let mut playing = JoinSet::new();
    for (pair, times) in pairs.into_iter().zip(lanes) {
        playing.spawn(pair.play(window, Cue::Times(times), stop.clone()));
    }
    all(playing).await
}

/// What each of them saw.
pub(super) async fn all(mut playing: JoinSet<Seen>) -> anyhow::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    while let Some(pair) = playing.join_next().await {
        seen.push(pair.context("a pair panicked")?);
    }
    Ok(seen)
}
