//! Users who come, as im-logic knows them: those who come at the same time are asked for together.

use futures_util::future::join_all;
use im_infra::{
    gather::{Bounds, Gather},
    lifecycle::Lifecycle,
};
use proto::{
    Error, ErrorCode,
    conversation::{Arrival, ArriveRequest, Arrived},
};

use crate::logic::Logic;

/// Calls under way: a second one, so that an im-logic which stands still does not hold up everybody.
const TURNS: usize = 2;
/// Users of one call: what is known of them fits into an answer.
const AT_ONCE: usize = 64;

/// Asks for them.
pub(crate) struct Arrivals {
    logic: Logic,
    gather: Gather<Arrival, Result<Arrived, Error>>,
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
        let ask = async move |arrivals: Vec<Arrival>| ask(&logic, arrivals).await;
        self.gather.ask(arrival, ask).await.unwrap_or_else(|not| Err(unanswered(&not.to_string())))
    }
}

/// What fails for all of them may be the fault of one: then each is asked for apart.
async fn ask(logic: &Logic, arrivals: Vec<Arrival>) -> Vec<Result<Arrived, Error>> {
    match call(logic, arrivals.clone()).await {
        Ok(arrived) => arrived.into_iter().map(Ok).collect(),
        Err(error) if arrivals.len() == 1 => vec![Err(error)],
        Err(_) => {
            let apart = arrivals.into_iter().map(async |arrival| {
                let alone = call(logic, vec![arrival]).await?;
                alone.into_iter().next().ok_or_else(|| unanswered("nobody arrived"))
            });
            join_all(apart).await
        }
    }
}

async fn call(logic: &Logic, arrivals: Vec<Arrival>) -> Result<Vec<Arrived>, Error> {
    let count = arrivals.len();
    let arrived = logic.conversations().arrive(ArriveRequest { arrivals }).await?.into_inner().arrived;
    if arrived.len() == count { Ok(arrived) } else { Err(unanswered("im-logic left somebody out")) }
}

fn unanswered(reason: &str) -> Error {
    Error::new(ErrorCode::Internal).with("part", "arrivals").with("reason", reason)
}
