//! Users who come, as im-logic knows them: those who come at the same time are asked for together.

use im_infra::{
    gather::{Askers, Bounds, Gather, NotAnswered},
    lifecycle::Lifecycle,
};
use proto::{
    Error, ErrorCode,
    conversation::{Arrival, ArriveRequest, Arrived},
};

use crate::logic::Logic;

/// Calls under way: a second one, so that an im-logic which stands still does not hold up everybody.
const TURNS: usize = 2;
/// Users of one call.
const AT_ONCE: usize = 64;
/// When to come again if it did not come to an answer.
const RETRY_AFTER_MS: u64 = 1_000;

/// Asks for them.
pub(crate) struct Arrivals {
    logic: Logic,
    gather: Gather<Arrival, Together>,
}

/// What came of a call for many.
#[derive(Clone)]
enum Together {
    Arrived(Arrived),
    /// What failed for all of them may have been the fault of one.
    Alone,
    Failed(Error),
}

impl Arrivals {
    /// So many wait at most: no more hellos are answered at once.
    pub(crate) fn new(logic: Logic, waiting_max: usize, life: &Lifecycle) -> Self {
        let bounds = Bounds { turns: TURNS, at_once: AT_ONCE, waiting_max };
        Self { logic, gather: Gather::new("arrivals", bounds, life.clone()) }
    }

    /// The user's places in large conversations, and the digest.
    pub(crate) async fn of(&self, arrival: Arrival) -> Result<Arrived, Error> {
        let logic = self.logic.clone();
        let ask = async move |arrivals, askers| together(&logic, arrivals, askers).await;
        match self.gather.ask(arrival, ask).await {
            Ok(Together::Arrived(arrived)) => Ok(arrived),
            Ok(Together::Failed(error)) => Err(error),
            // Beside the turns: it takes as long as it takes, and nobody waits for it.
            Ok(Together::Alone) => {
                let alone = call(&self.logic, vec![arrival]).await?;
                alone.into_iter().next().ok_or_else(|| ErrorCode::Internal.into())
            }
            Err(NotAnswered::Full) => {
                Err(Error::new(ErrorCode::Overloaded).with("limit", "hellos").retry_after_ms(RETRY_AFTER_MS))
            }
            Err(NotAnswered::Gone) => Err(Error::new(ErrorCode::Unavailable).retry_after_ms(RETRY_AFTER_MS)),
        }
    }
}

async fn together(logic: &Logic, arrivals: Vec<Arrival>, askers: Askers<Together>) {
    let count = arrivals.len();
    let told = match call(logic, arrivals).await {
        Ok(arrived) => arrived.into_iter().map(told).collect(),
        Err(error) if count > 1 && !error.code().retryable() => vec![Together::Alone; count],
        Err(error) => vec![Together::Failed(error); count],
    };
    askers.tell_all(told);
}

fn told(arrived: Arrived) -> Together {
    if arrived.alone { Together::Alone } else { Together::Arrived(arrived) }
}

async fn call(logic: &Logic, arrivals: Vec<Arrival>) -> Result<Vec<Arrived>, Error> {
    let count = arrivals.len();
    let arrived = logic.conversations().arrive(ArriveRequest { arrivals }).await?.into_inner().arrived;
    if arrived.len() == count { Ok(arrived) } else { Err(Error::new(ErrorCode::Internal).with("part", "arrivals")) }
}
