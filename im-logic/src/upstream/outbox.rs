//! What leaves: outcomes to the gateways that wait, entries to the gateways that hold those who may see them; one record per
//! gateway and batch, split where it would grow too big. Routes are read after the commit, uncached.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use im_infra::{
    clock::Clock,
    ids::UserId,
    mq::{NewRecord, Queue, Room, Topic},
    registry::{Registry, ServiceName},
    session_store::SessionStore,
    telemetry::trace_context,
};
use prost::Message as _;
use proto::{
    Error, ErrorCode,
    auth::RevokedSession,
    message::Entry,
    mq::{Delivery, Downstream, Origin, Outcome, Receipt, Revocation},
};

use super::decided::Decided;

/// Bytes after which a record is closed and another begun.
const RECORD_BYTES: usize = 256 << 10;

/// The way to the gateways. Clones share.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: Queue,
    routes: Arc<dyn SessionStore>,
    registry: Arc<dyn Registry>,
    clock: Clock,
}

/// What a batch sends.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) outcomes: Vec<(Origin, Outcome)>,
    /// Entries with their audience and trace, in seq order per conversation.
    pub(super) entries: Vec<(Entry, Vec<UserId>, String)>,
    pub(super) receipts: Vec<Receipt>,
}

impl Batch {
    pub(super) fn of(decided: Vec<Decided<'_>>, receipts: Vec<Receipt>) -> Self {
        let mut batch = Self { receipts, ..Self::default() };
        for one in decided {
            let (arrival, trace_parent) = (one.arrival, trace_context::of(&one.arrival.span));
            let outcome = Outcome {
                user_id: arrival.command.sender,
                conversation_id: arrival.command.conversation.to_string(),
                command_id: arrival.command.id.to_string(),
                result: Some(one.result),
                trace_parent: trace_parent.clone(),
            };
            batch.outcomes.push((arrival.origin.clone(), outcome));
            batch.entries.extend(one.push.map(|(entry, users)| (entry, users, trace_parent)));
        }
        // Conversations may have been decided in several rounds.
        batch.entries.sort_by(|(a, ..), (b, ..)| (&a.conversation_id, a.seq).cmp(&(&b.conversation_id, b.seq)));
        batch
    }
}

/// Where users are: by user, and the gateways of which that is not known.
struct Whereabouts {
    by_user: HashMap<UserId, HashSet<Gateway>>,
    unknown: Vec<Gateway>,
}

/// An instance and its partition of `im.downstream`.
type Gateway = (String, u32);

impl Outbox {
    pub(crate) fn new(queue: Queue, routes: Arc<dyn SessionStore>, registry: Arc<dyn Registry>, clock: Clock) -> Self {
        Self { queue, routes, registry, clock }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Sends a batch; returns when the queue has confirmed all of it.
    pub(super) async fn send(&self, batch: Batch) -> Result<(), Error> {
        let mut users: Vec<UserId> = batch.entries.iter().flat_map(|(_, users, _)| users.iter().copied()).collect();
        users.extend(batch.receipts.iter().flat_map(|receipt| receipt.recipients.iter().copied()));
        users.sort_unstable();
        users.dedup();
        let whereabouts = self.find(&users).await;
        let mut letters = Letters::default();
        for (origin, outcome) in batch.outcomes {
            if !origin.instance.is_empty() {
                letters.to(&(origin.instance, origin.slot), outcome.encoded_len()).outcomes.push(outcome);
            }
        }
        for (entry, users, trace_parent) in batch.entries {
            for (gateway, recipients) in whereabouts.split(&users) {
                letters.deliver(&gateway, &entry, recipients, &trace_parent);
            }
        }
        for receipt in batch.receipts {
            for (gateway, recipients) in whereabouts.split(&receipt.recipients) {
                let part = Receipt { recipients, ..receipt.clone() };
                letters.to(&gateway, part.encoded_len()).receipts.push(part);
            }
        }
        self.produce(letters).await
    }

    /// Tells every live gateway which sessions ended. Best effort: they ask, too.
    pub(crate) async fn revoke(&self, sessions: Vec<RevokedSession>) {
        let mut letters = Letters::default();
        for gateway in self.live() {
            let revocation = |session: &RevokedSession| Revocation {
                user_id: session.user_id,
                session_id: session.session_id.clone(),
            };
            letters.to(&gateway, 0).revocations.extend(sessions.iter().map(revocation));
        }
        if let Err(error) = self.produce(letters).await {
            tracing::warn!(%error, "revocation not pushed");
        }
    }

    async fn produce(&self, letters: Letters) -> Result<(), Error> {
        let record = |((_, slot), letter): (Gateway, Downstream)| NewRecord::to_partition(slot, letter.encode_to_vec());
        let records = letters.finish().into_iter().map(record).collect();
        let unavailable =
            |error| Error::new(ErrorCode::Unavailable).with("part", "im.downstream").with("reason", error);
        self.queue.produce(Topic::Downstream, records, Room::Internal).await.map_err(unavailable)
    }

    fn live(&self) -> Vec<Gateway> {
        let live = self.registry.watch(ServiceName::Gateway);
        live.borrow().iter().map(|instance| (instance.instance.clone(), instance.slot)).collect()
    }

    async fn find(&self, users: &[UserId]) -> Whereabouts {
        let live = self.live();
        let routes = match self.routes.look_up(users).await {
            Ok(routes) => routes,
            Err(error) => {
                tracing::warn!(%error, "routes unknown, addressing every gateway");
                return Whereabouts { by_user: HashMap::new(), unknown: live };
            }
        };
        let mut by_user: HashMap<UserId, HashSet<Gateway>> = HashMap::new();
        for route in routes.routes {
            by_user.entry(route.user_id).or_default().insert((route.instance, route.slot));
        }
        // A gateway that does not say "all my routes are there": absent means unknown.
        let unknown = live.into_iter().filter(|(instance, _)| !routes.complete.contains(instance)).collect();
        Whereabouts { by_user, unknown }
    }
}

impl Whereabouts {
    /// The recipients by gateway; to a gateway of which nothing is known go all.
    fn split(&self, users: &[UserId]) -> BTreeMap<Gateway, Vec<UserId>> {
        let mut split: BTreeMap<Gateway, Vec<UserId>> = BTreeMap::new();
        for user in users {
            for gateway in
                self.by_user.get(user).into_iter().flatten().filter(|gateway| !self.unknown.contains(gateway))
            {
                split.entry(gateway.clone()).or_default().push(*user);
            }
        }
        for gateway in &self.unknown {
            split.insert(gateway.clone(), users.to_vec());
        }
        split
    }
}

/// Records being filled, by gateway.
#[derive(Default)]
struct Letters {
    open: BTreeMap<Gateway, (Downstream, usize)>,
    full: Vec<(Gateway, Downstream)>,
}

impl Letters {
    /// The record for a gateway, with room for so many more bytes.
    fn to(&mut self, gateway: &Gateway, bytes: usize) -> &mut Downstream {
        if let Some((_, size)) = self.open.get(gateway)
            && size + bytes > RECORD_BYTES
            && let Some((letter, _)) = self.open.remove(gateway)
        {
            self.full.push((gateway.clone(), letter));
        }
        let fresh = || (Downstream { instance: gateway.0.clone(), ..Downstream::default() }, 0);
        let (letter, size) = self.open.entry(gateway.clone()).or_insert_with(fresh);
        *size += bytes;
        letter
    }

    /// Adds an entry, to the delivery before it where that has the same audience.
    fn deliver(&mut self, gateway: &Gateway, entry: &Entry, recipients: Vec<UserId>, trace_parent: &str) {
        let letter = self.to(gateway, entry.encoded_len() + recipients.len() * 9);
        if let Some(last) = letter.deliveries.last_mut()
            && last.conversation_id == entry.conversation_id
            && last.recipients == recipients
            && last.trace_parent == trace_parent
        {
            last.entries.push(entry.clone());
            return;
        }
        letter.deliveries.push(Delivery {
            conversation_id: entry.conversation_id.clone(),
            entries: vec![entry.clone()],
            recipients,
            trace_parent: trace_parent.to_owned(),
        });
    }

    fn finish(self) -> Vec<(Gateway, Downstream)> {
        let mut all = self.full;
        all.extend(self.open.into_iter().map(|(gateway, (letter, _))| (gateway, letter)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(name: &str) -> Gateway {
        (name.to_owned(), 0)
    }

    #[test]
    fn r12_absent_means_unknown_at_a_gateway_that_is_not_complete() {
        let by_user = HashMap::from([(1, HashSet::from([gateway("a")])), (2, HashSet::from([gateway("b")]))]);
        let whereabouts = Whereabouts { by_user, unknown: vec![gateway("b")] };
        let split = whereabouts.split(&[1, 2, 3]);
        assert_eq!(split[&gateway("a")], [1]);
        assert_eq!(split[&gateway("b")], [1, 2, 3]);
    }

    #[test]
    fn a_gateway_gets_one_record_unless_it_grows_too_big() {
        let mut letters = Letters::default();
        let entry = |seq| Entry { conversation_id: "d:1:2".into(), seq, ..Entry::default() };
        letters.deliver(&gateway("a"), &entry(1), vec![1, 2], "");
        letters.deliver(&gateway("a"), &entry(2), vec![1, 2], "");
        letters.deliver(&gateway("a"), &entry(3), vec![1], "");
        letters.to(&gateway("a"), RECORD_BYTES).outcomes.push(Outcome::default());
        let records = letters.finish();
        let shape: Vec<_> =
            records.iter().map(|(_, letter)| (letter.deliveries.len(), letter.outcomes.len())).collect();
        assert_eq!(shape, [(2, 0), (0, 1)]);
        assert_eq!(records[0].1.deliveries[0].entries.len(), 2);
    }
}
