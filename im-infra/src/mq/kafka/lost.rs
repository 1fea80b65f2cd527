//! A client that has lost its way to a cluster which others reach. librdkafka forgets every broker that an answer about the
//! cluster does not name, and a broker that is shutting down may answer with none: the client knows nobody to ask any more
//! and stays so for ever, whatever it produces or reads (librdkafka's issue 5301, open). So whoever serves a client watches
//! for that, and replaces it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    admin::AdminClient,
    client::Client,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::KafkaOptions;

/// A client in doubt is asked so often, and looked after for that many answers: what comes just after an outage may be the
/// last words of a broker that ends.
const ASK_EVERY: Duration = Duration::from_millis(500);
const ANSWERS: u32 = 20;
/// How long it has for an answer. Its thread does nothing else meanwhile.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// It is lost when others got an answer and it got none, so many times: a client that has someone to ask connects again within
/// a second.
const MISSED_MAX: u32 = 4;

/// What a client's callbacks tell of its brokers.
#[derive(Default)]
pub(super) struct Silence(AtomicBool);

impl Silence {
    /// None of the brokers that the client knows answers.
    pub(super) fn note(&self, error: &KafkaError) {
        if error.rdkafka_error_code() == Some(Code::AllBrokersDown) {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// Looks after one client, on its thread.
pub(super) struct Watch {
    /// Of the client that is asked instead.
    other: ClientConfig,
    /// With namespace: what is asked about.
    topic: String,
    doubt: Doubt,
    next: Instant,
    replaced: Replaced,
}

/// Clients of this process that were replaced. Clones share.
pub(super) type Replaced = Arc<AtomicU64>;

impl Watch {
    pub(super) fn new(options: &KafkaOptions, topic: &str, replaced: &Replaced) -> Self {
        let (other, topic, replaced) = (options.client(), topic.to_owned(), replaced.clone());
        Self { other, topic, doubt: Doubt::default(), next: Instant::now(), replaced }
    }

    /// To be called again and again. True once the client has to be replaced; it is counted and logged as `what`. Blocks only
    /// while the client is in doubt, for a second at the most.
    pub(super) fn is_lost<C: ClientContext>(&mut self, what: &str, silence: &Silence, client: &Client<C>) -> bool {
        if silence.0.swap(false, Ordering::AcqRel) {
            self.doubt.arise();
        }
        if !self.doubt.is_there() || Instant::now() < self.next {
            return false;
        }
        let answered = is_answered(client, &self.topic);
        let (other, topic) = (&self.other, &self.topic);
        let lost = self.doubt.weigh(answered, || others_are_answered(other, topic));
        self.next = Instant::now() + ASK_EVERY;
        if lost {
            tracing::warn!(client = what, topic = self.topic, "client has lost its brokers, it is replaced");
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        lost
    }
}

fn others_are_answered(config: &ClientConfig, topic: &str) -> bool {
    let other: Result<AdminClient<Mute>, _> = config.create_with_context(Mute);
    other.is_ok_and(|other| is_answered(other.inner(), topic))
}

/// An answer that names no broker is none.
fn is_answered<C: ClientContext>(client: &Client<C>, topic: &str) -> bool {
    client.fetch_metadata(Some(topic), ANSWER_WAIT).is_ok_and(|answer| !answer.brokers().is_empty())
}

/// Whether a client can still be trusted to find its way.
#[derive(Default)]
struct Doubt {
    /// Answers that it still owes.
    owed: u32,
    /// While others got theirs, since it got its last one.
    missed: u32,
}

impl Doubt {
    fn arise(&mut self) {
        self.owed = ANSWERS;
    }

    const fn is_there(&self) -> bool {
        self.owed > 0
    }

    /// With what came of asking. The others are asked only if need be: as long as they get no answer either, it is an outage,
    /// which says nothing of the client.
    fn weigh(&mut self, answered: bool, others: impl FnOnce() -> bool) -> bool {
        if answered {
            self.owed = self.owed.saturating_sub(1);
            self.missed = 0;
        } else {
            self.owed = ANSWERS;
            self.missed += u32::from(others());
        }
        self.missed >= MISSED_MAX
    }
}

/// Says nothing: it is asked while the cluster may be away, and the client it stands in for says that already.
struct Mute;

impl ClientContext for Mute {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(doubt: &mut Doubt, answered: bool, others: bool, times: u32) -> bool {
        (0..times).fold(false, |_, _| doubt.weigh(answered, || others))
    }

    #[test]
    fn a_client_without_an_answer_that_others_get_is_lost() {
        let mut doubt = Doubt::default();
        doubt.arise();
        assert!(!weighed(&mut doubt, false, true, MISSED_MAX - 1));
        assert!(weighed(&mut doubt, false, true, 1));
    }

    #[test]
    fn an_outage_is_waited_for_however_long_it_lasts() {
        let mut doubt = Doubt::default();
        doubt.arise();
        assert!(!weighed(&mut doubt, false, false, 1_000));
        // A client that is slow to come back is not lost.
        assert!(!weighed(&mut doubt, false, true, MISSED_MAX - 1));
        assert!(!weighed(&mut doubt, true, true, 1));
        assert!(!weighed(&mut doubt, false, true, MISSED_MAX - 1));
    }

    #[test]
    fn a_client_is_lost_however_often_the_cluster_goes_away_meanwhile() {
        let mut doubt = Doubt::default();
        doubt.arise();
        for _ in 1..MISSED_MAX {
            assert!(!weighed(&mut doubt, false, true, 1) && !weighed(&mut doubt, false, false, 10));
        }
        assert!(weighed(&mut doubt, false, true, 1));
    }

    #[test]
    fn the_last_words_of_a_broker_that_ends_do_not_end_the_doubt() {
        let mut doubt = Doubt::default();
        assert!(!doubt.is_there());
        doubt.arise();
        assert!(!weighed(&mut doubt, true, true, ANSWERS - 1));
        assert!(doubt.is_there());
        assert!(!weighed(&mut doubt, true, true, 1));
        assert!(!doubt.is_there());
    }
}
