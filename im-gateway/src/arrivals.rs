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
#[derive(Clone, Debug, PartialEq)]
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
    askers.tell_all(told(call(logic, arrivals).await, count));
}

/// What came of it for each of so many.
fn told(called: Result<Vec<Arrived>, Error>, count: usize) -> Vec<Together> {
    let of_one = |arrived: Arrived| if arrived.alone { Together::Alone } else { Together::Arrived(arrived) };
    match called {
        Ok(arrived) => arrived.into_iter().map(of_one).collect(),
        Err(error) if count > 1 && !error.code().retryable() => vec![Together::Alone; count],
        Err(error) => vec![Together::Failed(error); count],
    }
}

async fn call(logic: &Logic, arrivals: Vec<Arrival>) -> Result<Vec<Arrived>, Error> {
    let count = arrivals.len();
    let arrived = logic.conversations().arrive(ArriveRequest { arrivals }).await?.into_inner().arrived;
    if arrived.len() == count { Ok(arrived) } else { Err(Error::new(ErrorCode::Internal).with("part", "arrivals")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_too_much_for_a_call_of_many_asks_alone() {
        let [one, other] = [false, true].map(|alone| Arrived { alone, ..Arrived::default() });
        let found = told(Ok(vec![one.clone(), other]), 2);
        assert_eq!(found, [Together::Arrived(one), Together::Alone]);
    }

    #[test]
    fn a_failure_that_may_be_the_fault_of_one_is_not_that_of_all() {
        let rotten = || Error::new(ErrorCode::Internal);
        assert!(!rotten().code().retryable(), "void: it would be tried again");
        assert_eq!(told(Err(rotten()), 3), vec![Together::Alone; 3]);
        assert_eq!(told(Err(rotten()), 1), [Together::Failed(rotten())], "there is nobody else whose fault it may be");
    }

    #[test]
    fn who_is_not_answered_now_comes_again_and_is_not_asked_for_once_more() {
        let away = || Error::new(ErrorCode::Unavailable);
        assert_eq!(told(Err(away()), 3), vec![Together::Failed(away()); 3]);
    }
}
