//! A slot: a number that one process holds at a time, and that rests before the next one gets it.
//!
//! Two keys under two leases. The slot's own ends with its holder; the rest's lease is three times as long and is
//! always renewed first, so it outlives the slot by two leases. Only where both are absent a number is free.
//!
//! A third key, under no lease, is the floor under the next holder's clock. It is always put further ahead than the deadline
//! before that is moved: whatever a holder was told before its deadline lies below the floor. A clock that is right is past it
//! when the number is free again; one that is behind begins there.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, PutOptions, Txn, TxnOp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::client::{Etcd, Lease, away};
use crate::{
    clock::{Clock, SteadyClock},
    ids::LeaseDeadline,
    registry::{RegistryError, SlotSpace},
};

/// What the key of a slot's rest ends with.
const REST: &str = "/rest";
/// The rest's lease: the slot's own time and two more.
const REST_LEASES: i64 = 3;
/// What the key of a slot's floor ends with.
const FLOOR: &str = "/floor";
/// How far ahead of its holder's clock the floor is put, in the slot's leases, and how far ahead it stays.
const FLOOR_LEASES: i64 = REST_LEASES;
const FLOOR_LEASES_MIN: i64 = 2;

/// Holds a slot and keeps it.
pub(super) struct Keeper {
    etcd: Etcd,
    /// What the keys of the space begin with.
    prefix: String,
    key: String,
    /// Our name in the keys; no other slot was ever leased with it.
    holder: String,
    slot: Lease,
    rest: Lease,
    pub(super) number: u32,
    pub(super) deadline: LeaseDeadline,
    pub(super) clock: Arc<SteadyClock>,
    /// When the deadline passes unless it is moved.
    until: Instant,
    /// Whether it has not passed, for those who wait for that to change.
    pub(super) held: watch::Sender<bool>,
    /// Cancelled when another has the slot.
    pub(super) lost: CancellationToken,
}

/// What the keys of a number say.
#[derive(Default)]
struct Seen {
    slot: Key,
    rest: Key,
    floor: Floor,
    /// The slot or its rest is there and not ours.
    of_another: bool,
}

impl Seen {
    const fn is_taken(&self) -> bool {
        self.slot.revision != 0 || self.rest.revision != 0
    }
}

/// All zero: the key is not there.
#[derive(Default)]
struct Key {
    revision: i64,
    lease_id: i64,
}

/// All zero: the key is not there.
#[derive(Default)]
struct Floor {
    revision: i64,
    at_ms: i64,
}

impl Keeper {
    /// Takes a free number below `count`. With the same `holder` it may be tried again: what an attempt took without
    /// learning of it counts as free.
    pub(super) async fn take(
        (etcd, wall): (&Etcd, &Clock),
        (space, count): (SlotSpace, u32),
        holder: &str,
    ) -> Result<Self, RegistryError> {
        let prefix = etcd.key(&format!("slots/{}/", name(space)));
        let mut seen = read(etcd.get(&prefix, GetOptions::new().with_prefix()).await?.kvs(), &prefix, holder);
        let mut free: Vec<u32> =
            (0..count).filter(|number| seen.get(number).is_none_or(|seen| !seen.of_another)).collect();
        if free.is_empty() {
            return Err(RegistryError::NoFreeSlot(count));
        }
        // Those who start together should not all want the same one; what is ours already comes first.
        fastrand::shuffle(&mut free);
        free.sort_by_key(|number| !seen.get(number).is_some_and(Seen::is_taken));
        let slot = etcd.grant(etcd.ttl_s()).await?;
        let rest = etcd.grant(slot.ttl_s().saturating_mul(REST_LEASES)).await?;
        for number in free {
            let key = format!("{prefix}{number}");
            let seen = seen.remove(&number).unwrap_or_default();
            let clock = Arc::new(SteadyClock::not_before(wall.clone(), seen.floor.at_ms));
            let floor_ms = ahead_ms(&clock, &slot, FLOOR_LEASES);
            if etcd.txn(claim(&key, &seen, (slot.id(), rest.id()), holder, floor_ms)).await? {
                return Ok(Self {
                    etcd: etcd.clone(),
                    prefix,
                    key,
                    holder: holder.to_owned(),
                    number,
                    deadline: LeaseDeadline::until(slot.asked(), slot.ttl()),
                    clock,
                    until: slot.asked() + slot.ttl(),
                    held: watch::Sender::new(true),
                    lost: CancellationToken::new(),
                    slot,
                    rest,
                });
            }
        }
        etcd.revoke(slot.id()).await;
        etcd.revoke(rest.id()).await;
        Err(RegistryError::NoFreeSlot(count))
    }

    /// Keeps it until `stop`, then gives it back: its rest begins. Ends by itself if the slot is lost.
    pub(super) async fn keep(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        if stop.run_until_cancelled(self.renew_until_lost()).await.is_none() {
            self.lapse();
            self.etcd.revoke(self.slot.id()).await;
        }
        Ok(())
    }

    async fn renew_until_lost(&mut self) {
        let mut waits = self.etcd.waits();
        let mut wait = self.etcd.beat();
        loop {
            let renewed = self.renew_after(wait).await;
            wait = self.etcd.beat();
            match renewed {
                Ok(true) => waits = self.etcd.waits(),
                Ok(false) => {
                    self.lapse();
                    self.lost.cancel();
                    tracing::error!(slot = self.key, "slot lost, another process has it");
                    return;
                }
                Err(error) => {
                    wait = waits.next().unwrap_or(wait);
                    let wait_ms = wait.as_millis();
                    tracing::warn!(%error, slot = self.key, wait_ms, "slot not renewed, trying again");
                }
            }
        }
    }

    /// Renews it after a wait; meanwhile says so if the deadline passes.
    async fn renew_after(&mut self, wait: Duration) -> Result<bool, RegistryError> {
        let (held, until) = (self.held.clone(), self.until);
        let renewal = async {
            tokio::time::sleep(wait).await;
            self.renew().await
        };
        tokio::pin!(renewal);
        tokio::select! {
            biased;
            renewed = &mut renewal => return renewed,
            () = tokio::time::sleep_until(until.into()) => say(&held, false),
        }
        renewal.await
    }

    /// Answers whether the slot is ours still. If its lease ran out but nobody came, it is taken again: as long as the
    /// rest is ours or both keys are absent, it is nobody else's turn.
    async fn renew(&mut self) -> Result<bool, RegistryError> {
        self.etcd.refresh(&mut self.rest).await?;
        if !self.etcd.keep_alive(&mut self.slot).await? {
            self.lapse();
            self.slot = self.etcd.grant(self.slot.ttl_s()).await?;
        }
        // From the slot's key over its floor's to its rest's; the keys of other numbers do not lie between them.
        let all = GetOptions::new().with_range(format!("{}{REST}\0", self.key));
        let mut seen = read(self.etcd.get(&self.key, all).await?.kvs(), &self.prefix, &self.holder);
        let seen = seen.remove(&self.number).unwrap_or_default();
        if seen.of_another {
            return Ok(false);
        }
        let leases = (self.slot.id(), self.rest.id());
        let is_low = seen.floor.at_ms < ahead_ms(&self.clock, &self.slot, FLOOR_LEASES_MIN);
        let floor_ms = ahead_ms(&self.clock, &self.slot, FLOOR_LEASES);
        if (is_low || (seen.slot.lease_id, seen.rest.lease_id) != leases)
            && !self.etcd.txn(claim(&self.key, &seen, leases, &self.holder, floor_ms)).await?
        {
            return Err(away("the slot changed while it was looked at"));
        }
        self.deadline.extend(self.slot.asked(), self.slot.ttl());
        self.until = self.slot.asked() + self.slot.ttl();
        // The process may have stood still since it asked.
        say(&self.held, self.deadline.holds());
        Ok(true)
    }

    /// The slot is not certainly ours any more.
    fn lapse(&self) {
        self.deadline.end();
        say(&self.held, false);
    }
}

/// Tells those who wait, if it is news to them.
fn say(held: &watch::Sender<bool>, holds: bool) {
    held.send_if_modified(|held| mem::replace(held, holds) != holds);
}

const fn name(space: SlotSpace) -> &'static str {
    match space {
        SlotSpace::Gateway => "gateway",
        SlotSpace::Node => "node",
    }
}

/// What keys say, by number.
fn read(keys: &[KeyValue], prefix: &str, holder: &str) -> HashMap<u32, Seen> {
    let mut all: HashMap<u32, Seen> = HashMap::new();
    for key in keys {
        let Some(name) = key.key_str().ok().and_then(|key| key.strip_prefix(prefix)) else { continue };
        let (number, end) = name.find('/').map_or((name, ""), |at| name.split_at(at));
        let Ok(number) = number.parse() else { continue };
        let seen = all.entry(number).or_default();
        let found = Key { revision: key.mod_revision(), lease_id: key.lease() };
        match end {
            "" => seen.slot = found,
            REST => seen.rest = found,
            FLOOR => {
                let at_ms = key.value_str().ok().and_then(|at_ms| at_ms.parse().ok()).unwrap_or_default();
                seen.floor = Floor { revision: found.revision, at_ms };
                continue;
            }
            _ => continue,
        }
        seen.of_another |= key.value() != holder.as_bytes();
    }
    all
}

/// The time on a slot's clock in so many of its leases.
fn ahead_ms(clock: &SteadyClock, slot: &Lease, leases: i64) -> i64 {
    clock.now_ms().saturating_add(slot.ttl_s().saturating_mul(1_000).saturating_mul(leases))
}

/// Puts both keys under our leases, and the floor where it is to be, if all of them are still as they were seen.
fn claim(key: &str, seen: &Seen, (slot_lease, rest_lease): (i64, i64), holder: &str, floor_ms: i64) -> Txn {
    let (rest, floor) = (format!("{key}{REST}"), format!("{key}{FLOOR}"));
    let under = |lease_id| Some(PutOptions::new().with_lease(lease_id));
    Txn::new()
        .when([
            Compare::mod_revision(key, CompareOp::Equal, seen.slot.revision),
            Compare::mod_revision(rest.as_str(), CompareOp::Equal, seen.rest.revision),
            Compare::mod_revision(floor.as_str(), CompareOp::Equal, seen.floor.revision),
        ])
        .and_then([
            TxnOp::put(key, holder, under(slot_lease)),
            TxnOp::put(rest.as_str(), holder, under(rest_lease)),
            TxnOp::put(floor.as_str(), floor_ms.to_string(), None),
        ])
}
