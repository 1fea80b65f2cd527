//! Single flight: of all that miss the same name in this process one reads, the others wait for what it finds.
//!
//! A flight is known by name *and token*. Whoever was given a token knows that nothing was changed between the token's birth
//! and that moment, and the flight's read began after that birth: so it may take what the flight finds. Once a change took the
//! token away, those who miss are given another one and never join a read that began before the change.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::Token;

/// What a flight found by name; none: there is no such thing.
pub(super) type Landed = Arc<HashMap<String, Option<Bytes>>>;

type Seat = (String, Token);

/// The reads under way.
#[derive(Default)]
pub(super) struct Flights {
    seats: Mutex<HashMap<Seat, watch::Receiver<Option<Landed>>>>,
}

/// The reads that one caller leads. Whoever waits is let go when it is dropped.
pub(super) struct Lead<'a> {
    flights: &'a Flights,
    seats: Vec<Seat>,
    landed: watch::Sender<Option<Landed>>,
}

/// A read that another caller leads.
pub(super) struct Joined {
    name: String,
    landed: watch::Receiver<Option<Landed>>,
}

impl Flights {
    /// Takes the lead of those that nobody reads yet; for the others, in the order of the seats, whom to wait for.
    pub(super) fn board(&self, seats: Vec<Seat>) -> (Lead<'_>, Vec<Option<Joined>>) {
        let (sender, receiver) = watch::channel(None);
        let mut lead = Lead { flights: self, seats: Vec::new(), landed: sender };
        let mut under_way = self.under_way();
        let mut board = |seat: Seat| match under_way.entry(seat.clone()) {
            hash_map::Entry::Occupied(flight) => Some(Joined { name: seat.0, landed: flight.get().clone() }),
            hash_map::Entry::Vacant(free) => {
                free.insert(receiver.clone());
                lead.seats.push(seat);
                None
            }
        };
        let joined = seats.into_iter().map(&mut board).collect();
        (lead, joined)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Seat, watch::Receiver<Option<Landed>>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead<'_> {
    /// Names and tokens of what is led.
    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Tells those who wait.
    pub(super) fn land(&self, found: HashMap<String, Option<Bytes>>) {
        self.landed.send_replace(Some(Arc::new(found)));
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        for seat in &self.seats {
            under_way.remove(seat);
        }
    }
}

impl Joined {
    /// What was found; the inner none: there is no such thing; the outer none: whoever read has failed.
    pub(super) async fn landed(mut self) -> Option<Option<Bytes>> {
        let landed = self.landed.wait_for(Option::is_some).await.ok()?.clone()?;
        landed.get(&self.name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(token: u64) -> Vec<Seat> {
        vec![("a".to_owned(), Token(token))]
    }

    #[tokio::test]
    async fn one_reads_for_all_who_were_given_the_same_token() {
        let flights = Flights::default();
        let (lead, led) = flights.board(seat(1));
        assert!(led[0].is_none());
        let (_, mut joined) = flights.board(seat(1));
        lead.land(HashMap::from([("a".to_owned(), Some(Bytes::from_static(b"x")))]));
        assert_eq!(joined.remove(0).unwrap().landed().await, Some(Some(Bytes::from_static(b"x"))));
        drop(lead);
        assert!(flights.board(seat(1)).1[0].is_none(), "it is over");
    }

    #[tokio::test]
    async fn r19_whoever_misses_after_a_change_does_not_join_a_read_from_before_it() {
        let flights = Flights::default();
        let (_before, _) = flights.board(seat(1));
        assert!(flights.board(seat(2)).1[0].is_none());
    }

    #[tokio::test]
    async fn a_read_that_fails_lets_those_go_who_wait() {
        let flights = Flights::default();
        let (lead, _) = flights.board(seat(1));
        let (_, mut joined) = flights.board(seat(1));
        drop(lead);
        assert_eq!(joined.remove(0).unwrap().landed().await, None);
    }
}
