//! The group: made, connected, played, judged.

use std::sync::Arc;

use anyhow::Context as _;
use im_bench::ledger::Event;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{GroupPlan, GroupResult, member::Member, result::put_together};
use crate::{
    load::{
        account::{Accounts, Guest},
        client::Socket,
        conversation::{Conversation, make_group},
        limits::Connections,
        pace::{Pacer, Schedule},
        pair::text,
        seat::{Progress, Run, Seat, Witness, played},
        verdict::{History, judge_in_parts},
        workload::{Workload, before_load},
    },
    measure::{Length, Window, cpu_over},
    output::note,
    target::{Endpoint, System},
};

/// Handshakes at the same time.
const AT_ONCE: usize = 32;
/// Members whose pushes are events of the ledger at the same time.
const JUDGED_AT_ONCE: usize = 100;

/// Members who are connected and wait for the start.
struct Ready {
    run: Run,
    guests: Vec<Guest>,
    sockets: Vec<Socket>,
    group: Arc<Conversation>,
    /// How the group came to be.
    events: Vec<Event>,
}

impl Workload for GroupPlan {
    type Found = GroupResult;

    fn check(&self) -> anyhow::Result<()> {
        self.fits()
    }

    fn connections(&self) -> Connections {
        self.sockets()
    }

    async fn measure(self, system: &System, stop: &CancellationToken) -> anyhow::Result<GroupResult> {
        let accounts = Accounts::of(&system.endpoint);
        let Ready { run, guests, sockets, group, mut events } =
            before_load(Box::pin(prepare(&self, &accounts, &system.endpoint)), stop).await?;
        let silence = Window::starting_now(Length { seconds: self.silent_seconds, warm_up_seconds: 0 });
        let window = Window::starting_at(silence.to, self.length);
        let progress = Arc::new(Progress::of(1));
        let body = text(&mut fastrand::Rng::with_seed(self.seed), self.payload_bytes);
        let (pacer, times) = Pacer::start(Schedule::new(self.rate, self.seed), window, 1, stop)?;
        // The first one has the only lane.
        let mut times = times.into_iter();
        let mut playing = JoinSet::new();
        for ((socket, guest), client) in sockets.into_iter().zip(&guests).zip(0..) {
            let witness = Witness { client, user: guest.user };
            let seat = Seat::at(socket, witness, window, (&run, &progress, &body));
            let member = Member { seat, group: group.clone(), burst: self.burst, times: times.next() };
            playing.spawn(member.play());
        }
        let silent = cpu_over(silence, &system.processes, stop).await?;
        let (mut seats, ended) = played(playing, (system, &progress), (window, stop)).await?;
        drop(pacer);
        seats.sort_unstable_by_key(|seat| seat.inbox.witness.client);
        let mut result = GroupResult { silent, ..put_together(self, &seats, window) };
        ended.add_to(&mut result.sum);
        events.extend(seats.iter_mut().flat_map(|seat| std::mem::take(&mut seat.outbox.events)));
        let reader = guests.into_iter().next().context("a group has a member")?;
        let history = History { conversation: group.id.clone(), reader, events };
        let parts = seats.chunks(JUDGED_AT_ONCE);
        let parts = parts.map(|seats| seats.iter().flat_map(|seat| seat.seen(&group.id)).collect::<Vec<Event>>());
        result.sum.ledger = judge_in_parts(&accounts, history, parts).await?;
        Ok(result)
    }
}

/// Members join first and connect then, so that what made the group is not pushed amid the load.
async fn prepare(plan: &GroupPlan, accounts: &Accounts, endpoint: &Endpoint) -> anyhow::Result<Ready> {
    let run = Run::begin();
    note(format_args!("  {} guests", plan.members));
    let guests = accounts.guests(plan.members as usize).await?;
    let (group, events) = make_group(accounts, &run, &guests).await?;
    note(format_args!("  {} connections", plan.members));
    let sockets = Socket::open_all(endpoint, &guests, AT_ONCE).await?;
    Ok(Ready { run, guests, sockets, group: Arc::new(group), events })
}
