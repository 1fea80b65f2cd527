//! The users: made, connected, played, judged.

use std::{collections::HashMap, mem, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use im_bench::ledger::Event;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    MixedPlan, MixedResult,
    plan::GROUP,
    player::{Did, Player},
    result::put_together,
};
use crate::{
    load::{
        account::{Accounts, Guest},
        client::Socket,
        conversation::{Conversation, make_group},
        limits::Connections,
        pace::{Pacer, Schedule},
        pair::text,
        seat::{Progress, Run, Seat, Witness, played},
        verdict::{History, by_conversation, judge},
        workload::{Workload, before_load},
    },
    measure::Window,
    output::note,
    target::{Endpoint, System},
};

/// Handshakes and requests at the same time.
const AT_ONCE: usize = 16;

/// Users who are connected and wait for the start.
struct Ready {
    run: Run,
    guests: Vec<Guest>,
    sockets: Vec<Socket>,
    groups: Vec<Arc<Conversation>>,
    /// How the groups came to be.
    events: Vec<Event>,
}

/// A conversation with the numbers of those who are in it; the first one sees all of it.
struct Circle {
    conversation: Arc<Conversation>,
    members: Vec<usize>,
}

impl Workload for MixedPlan {
    type Found = MixedResult;

    fn check(&self) -> anyhow::Result<()> {
        self.fits()
    }

    fn connections(&self) -> Connections {
        self.sockets()
    }

    async fn measure(self, system: &System, stop: &CancellationToken) -> anyhow::Result<MixedResult> {
        let accounts = Accounts::of(&system.endpoint);
        let Ready { run, guests, sockets, groups, mut events } =
            before_load(Box::pin(prepare(&self, &accounts, &system.endpoint)), stop).await?;
        let circles = circles(&guests, &groups);
        let window = Window::starting_now(self.length);
        let progress = Arc::new(Progress::of(guests.len() as u64));
        let mut random = fastrand::Rng::with_seed(self.seed);
        let body = text(&mut random, self.payload_bytes);
        let (pacer, times) = Pacer::start(Schedule::new(self.rate, self.seed), window, guests.len(), stop)?;
        let mut playing = JoinSet::new();
        for (number, ((socket, guest), times)) in sockets.into_iter().zip(&guests).zip(times).enumerate() {
            let witness = Witness { client: number as u64, user: guest.user };
            let seat = Seat::at(socket, witness, window, (&run, &progress, &body));
            let places = [Arc::new(direct_of(&guests, number)), groups[number / GROUP as usize].clone()];
            let player = Player::at(seat, (guest.clone(), accounts.clone()), places, (random.fork(), Some(times)));
            playing.spawn(player.play());
        }
        let (mut played, ended) = played(playing, (system, &progress), (window, stop)).await?;
        drop(pacer);
        played.sort_unstable_by_key(|(seat, _)| seat.inbox.witness.client);
        let mut result = put_together(self, &played, window);
        ended.add_to(&mut result.sum);
        events.extend(unread(&accounts, &guests, (&circles, &played)).await?);
        let sent = played.iter_mut().flat_map(|(seat, _)| mem::take(&mut seat.outbox.events));
        let mut events = by_conversation(events.into_iter().chain(sent));
        let histories = circles.iter().map(|circle| circle.history(&guests, &played, &mut events));
        result.sum.ledger = judge(&accounts, histories).await?;
        Ok(result)
    }
}

impl Circle {
    /// What happened to it. The rest of its events is taken from those of all conversations.
    fn history(&self, guests: &[Guest], played: &[(Seat, Did)], events: &mut HashMap<String, Vec<Event>>) -> History {
        let id = &self.conversation.id;
        let mut events = events.remove(id).unwrap_or_default();
        events.extend(self.members.iter().flat_map(|member| played[*member].0.seen(id)));
        History { conversation: id.clone(), reader: guests[self.members[0]].clone(), events }
    }
}

async fn prepare(plan: &MixedPlan, accounts: &Accounts, endpoint: &Endpoint) -> anyhow::Result<Ready> {
    let run = Run::begin();
    note(format_args!("  {} guests in {} groups", plan.users(), plan.groups));
    let guests = accounts.guests(plan.users() as usize).await?;
    let (mut groups, mut events) = (Vec::new(), Vec::new());
    for members in guests.chunks(GROUP as usize) {
        let (group, made) = make_group(accounts, &run, members).await?;
        groups.push(Arc::new(group));
        events.extend(made);
    }
    let sockets = Socket::open_all(endpoint, &guests, AT_ONCE).await?;
    Ok(Ready { run, guests, sockets, groups, events })
}

/// Users write to their neighbours: the first to the second and back, the third to the fourth.
fn direct_of(guests: &[Guest], number: usize) -> Conversation {
    Conversation::direct(guests[number].user, guests[number ^ 1].user)
}

fn circles(guests: &[Guest], groups: &[Arc<Conversation>]) -> Vec<Circle> {
    let size = GROUP as usize;
    let in_group = |(number, group): (usize, &Arc<Conversation>)| Circle {
        conversation: group.clone(),
        members: (number * size..(number + 1) * size).collect(),
    };
    let pair = |number| Circle { conversation: Arc::new(direct_of(guests, number)), members: vec![number, number ^ 1] };
    groups.iter().enumerate().map(in_group).chain((0..guests.len()).step_by(2).map(pair)).collect()
}

/// What each user is told to be unread, of each conversation in which something happened.
async fn unread(
    accounts: &Accounts,
    guests: &[Guest],
    (circles, played): (&[Circle], &[(Seat, Did)]),
) -> anyhow::Result<Vec<Event>> {
    let begun = |circle: &&Circle| {
        circle.members.iter().any(|member| played[*member].0.inbox.newest(&circle.conversation.id) > 0)
    };
    let questions = circles.iter().filter(begun).flat_map(|circle| circle.members.iter().map(move |m| (circle, *m)));
    let asking = stream::iter(questions).map(|(circle, member)| async move {
        let conversation = &circle.conversation.id;
        let found = accounts.conversation(&guests[member], conversation).await?;
        let (unread, read_seq) = (found.unread, found.read_seq);
        let (user, conversation) = (guests[member].user, conversation.clone());
        anyhow::Ok(Event::Unread { user, device: 0, conversation, unread, read_seq })
    });
    asking.buffer_unordered(AT_ONCE).try_collect().await
}
