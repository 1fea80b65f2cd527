//! Questions that are answered together: whoever asks while an answer is under way has the next one with everybody else who waits.
//! Alone it is answered at once, and nobody waits for others to come.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Semaphore, oneshot};

use crate::lifecycle::Lifecycle;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Answers under way.
    pub turns: usize,
    /// Questions of one answer.
    pub at_once: usize,
    /// Questions that wait for one.
    pub waiting_max: usize,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswered {
    /// Too many wait.
    #[error("too many wait")]
    Full,
    /// Whoever was to answer has panicked, or has left this one out.
    #[error("nobody answers")]
    Gone,
}

/// Lets questions `Q` share their answers `A`.
pub struct Gather<Q, A> {
    name: &'static str,
    waiting: Arc<Waiting<Q, A>>,
    life: Lifecycle,
}

/// Those who wait for the answers to some questions, in the order of these. Who is not told when this is dropped is told that nobody
/// answers.
pub struct Askers<A>(std::vec::IntoIter<oneshot::Sender<A>>);

impl<A> Askers<A> {
    /// Answers the next one.
    pub fn tell(&mut self, answer: A) {
        if let Some(asker) = self.0.next() {
            // Who asked may be gone.
            let _ = asker.send(answer);
        }
    }

    /// Answers all that are left.
    pub fn tell_all(mut self, answers: impl IntoIterator<Item = A>) {
        answers.into_iter().for_each(|answer| self.tell(answer));
    }
}

struct Waiting<Q, A> {
    questions: Mutex<VecDeque<(Q, oneshot::Sender<A>)>>,
    turns: Semaphore,
    bounds: Bounds,
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Nobody asks yet. Answers are tasks of this life, by this name.
    pub fn new(name: &'static str, bounds: Bounds, life: Lifecycle) -> Self {
        let turns = Semaphore::new(bounds.turns);
        Self { name, waiting: Arc::new(Waiting { questions: Mutex::default(), turns, bounds }), life }
    }

    /// Asks. `answer` answers this one and those that wait with it, in their order, each as soon as it can; it runs beside this
    /// call, so that one that is given up takes nobody along. All who ask bring the same.
    ///
    /// # Errors
    /// If too many wait, or nobody answered.
    pub async fn ask<F, R>(&self, question: Q, answer: F) -> Result<A, NotAnswered>
    where
        F: FnOnce(Vec<Q>, Askers<A>) -> R + Send + 'static,
        R: Future<Output = ()> + Send,
    {
        let (tell, told) = oneshot::channel();
        self.waiting.add(question, tell)?;
        let waiting = self.waiting.clone();
        // Everybody comes here once, so that nobody is left: whoever has a turn takes those who wait, and they find nobody.
        self.life.spawn_detached(self.name, async move {
            let Ok(_turn) = waiting.turns.acquire().await else { return };
            let (questions, askers): (Vec<Q>, Vec<oneshot::Sender<A>>) = waiting.next().into_iter().unzip();
            if !questions.is_empty() {
                answer(questions, Askers(askers.into_iter())).await;
            }
        });
        told.await.map_err(|_| NotAnswered::Gone)
    }
}

impl<Q, A> Waiting<Q, A> {
    fn add(&self, question: Q, tell: oneshot::Sender<A>) -> Result<(), NotAnswered> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if questions.len() >= self.bounds.waiting_max {
            return Err(NotAnswered::Full);
        }
        questions.push_back((question, tell));
        Ok(())
    }

    fn next(&self) -> Vec<(Q, oneshot::Sender<A>)> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let count = questions.len().min(self.bounds.at_once);
        questions.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::testing::eventually;

    const BOUNDS: Bounds = Bounds { turns: 1, at_once: 3, waiting_max: 5 };

    /// Questions are numbers, answers the numbers that went together; each waits for a permit.
    struct Desk {
        gather: Gather<u32, Vec<u32>>,
        gate: Arc<Semaphore>,
    }

    impl Desk {
        fn new() -> Self {
            Self { gather: Gather::new("desk", BOUNDS, Lifecycle::new()), gate: Arc::new(Semaphore::new(0)) }
        }

        async fn ask(&self, question: u32) -> Result<Vec<u32>, NotAnswered> {
            let gate = self.gate.clone();
            let answer = async move |questions: Vec<u32>, askers: Askers<Vec<u32>>| {
                gate.acquire().await.unwrap().forget();
                assert!(!questions.contains(&13), "a planned panic");
                // Zero is left out.
                askers.tell_all(questions.iter().filter(|question| **question > 0).map(|_| questions.clone()));
            };
            self.gather.ask(question, answer).await
        }

        async fn is_taken(&self) {
            let taken = || self.gather.waiting.turns.available_permits() == 0;
            eventually("a question to be taken", || async { taken().then_some(()) }).await;
        }

        /// The answer of the first, and of those who ask while it is answered.
        async fn after(&self, first: u32, others: &[u32]) -> Vec<Result<Vec<u32>, NotAnswered>> {
            let others = async {
                self.is_taken().await;
                let wait = others.len().min(BOUNDS.waiting_max);
                let open = async {
                    let waiting = || self.gather.waiting.questions.lock().unwrap().len();
                    eventually("the others to wait", || async { (waiting() == wait).then_some(()) }).await;
                    self.gate.add_permits(10);
                };
                tokio::join!(join_all(others.iter().map(|other| self.ask(*other))), open).0
            };
            let (first, others) = tokio::join!(self.ask(first), others);
            [vec![first], others].concat()
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_has_the_next_answer_with_the_others_who_wait() {
        let answers = Desk::new().after(1, &[2, 3, 4, 5]).await;
        let together: Vec<Vec<u32>> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(together, [vec![1], vec![2, 3, 4], vec![2, 3, 4], vec![2, 3, 4], vec![5]]);
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_told_so() {
        let answers = Desk::new().after(1, &[2, 3, 4, 5, 6, 7]).await;
        assert_eq!(answers.last(), Some(&Err(NotAnswered::Full)));
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 6);
    }

    #[tokio::test]
    async fn after_a_panic_the_next_ones_are_answered() {
        let answers = Desk::new().after(13, &[2]).await;
        assert_eq!(answers, [Err(NotAnswered::Gone), Ok(vec![2])]);
    }

    #[tokio::test]
    async fn who_is_left_out_is_told_so() {
        let answers = Desk::new().after(1, &[2, 0]).await;
        assert_eq!(answers, [Ok(vec![1]), Ok(vec![2, 0]), Err(NotAnswered::Gone)]);
    }

    #[tokio::test]
    async fn who_gives_up_takes_nobody_along() {
        let desk = Desk::new();
        let mut asked: Vec<_> = (1..=3).map(|question| Box::pin(desk.ask(question))).collect();
        assert!(futures_util::poll!(&mut asked[0]).is_pending());
        desk.is_taken().await;
        for later in &mut asked[1..] {
            assert!(futures_util::poll!(later).is_pending());
        }
        let last = asked.pop().unwrap();
        // The one whose answer is under way, and the one that would lead the next.
        drop(asked);
        desk.gate.add_permits(2);
        assert_eq!(last.await, Ok(vec![2, 3]));
    }
}
