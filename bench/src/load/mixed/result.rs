//! What came of it, by kind.

use std::time::Instant;

use serde::Serialize;

use super::{MixedPlan, player::Did};
use crate::{
    load::{
        conversation::Conversation,
        seat::{Seat, latencies},
        workload::Sum,
    },
    measure::{Latencies, Summary, Window},
};

/// What came of a load of everything. Latencies count from the intended times.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MixedResult {
    pub(crate) plan: MixedPlan,
    #[serde(flatten)]
    pub(crate) sum: Sum,
    /// Seconds that counted.
    pub(crate) seconds: f64,
    /// Messages acknowledged and histories answered of those that were due then.
    pub(crate) deeds: u64,
    pub(crate) direct_ack: Summary,
    /// To the other one.
    pub(crate) direct_delivery: Summary,
    pub(crate) group_ack: Summary,
    /// To any of the other 49.
    pub(crate) group_delivery: Summary,
    /// Read cursors that were sent altogether.
    pub(crate) read_cursors: u64,
    /// To one's own receipt; the server collects cursors for about a second. Only of cursors that moved by it.
    pub(crate) receipt: Summary,
    pub(crate) history: Summary,
}

/// Of messages to one, and to a group.
#[derive(Default)]
struct ByKind {
    direct: Latencies,
    group: Latencies,
}

impl ByKind {
    fn record(&mut self, conversation: &Conversation, us: u64) {
        let kind = if conversation.id.starts_with("g:") { &mut self.group } else { &mut self.direct };
        kind.record_us(us);
    }
}

/// All but the verdict. `played` are in the order of their numbers.
pub(super) fn put_together(plan: MixedPlan, played: &[(Seat, Did)], window: Window) -> MixedResult {
    let (mut sum, mut deeds, mut read_cursors) = (Sum::default(), 0, 0);
    let (mut acks, mut deliveries) = (ByKind::default(), ByKind::default());
    for (seat, did) in played {
        let outbox = &seat.outbox;
        sum.sent += outbox.messages.len() as u64;
        sum.acknowledged += outbox.stored();
        sum.add_refused(&outbox.refused);
        sum.add_refused(&did.refused);
        sum.broken.extend(seat.broken.clone());
        deeds += outbox.stored_within(&window);
        deeds += did.histories.iter().filter(|took| window.holds(took.due)).count() as u64;
        read_cursors += did.read_cursors;
        for (message, took) in outbox.acks().filter(|(message, _)| window.holds(message.due)) {
            acks.record(&message.conversation, took.us);
        }
        let from_others = seat.inbox.arrivals().filter(|(name, _)| name.client != seat.inbox.witness.client);
        for (name, at_us) in from_others {
            let sender = usize::try_from(name.client).ok().and_then(|client| played.get(client));
            let message = sender.and_then(|(seat, _)| seat.outbox.messages.get(name.number));
            if let Some(message) = message.filter(|message| window.holds(message.due)) {
                deliveries.record(&message.conversation, at_us.saturating_sub(window.at_us(message.due)));
            }
        }
    }
    let within = |due| window.holds(due);
    MixedResult {
        plan,
        sum,
        seconds: window.seconds_until(Instant::now()),
        deeds,
        direct_ack: acks.direct.summary(),
        direct_delivery: deliveries.direct.summary(),
        group_ack: acks.group.summary(),
        group_delivery: deliveries.group.summary(),
        read_cursors,
        receipt: latencies(played.iter().flat_map(|(_, did)| &did.receipts), within).summary(),
        history: latencies(played.iter().flat_map(|(_, did)| &did.histories), within).summary(),
    }
}
