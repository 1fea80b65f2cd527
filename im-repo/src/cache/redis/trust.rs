//! Whether what the shared cache answers may be believed by this process.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// After a failure reads leave the cache alone for so long, and a new generation is tried again after so long.
const PAUSE: Duration = Duration::from_millis(500);

/// The generation that this process believes in, or its doubts.
pub(super) struct Trust {
    state: Mutex<State>,
}

struct State {
    /// None: in doubt.
    generation: Option<String>,
    /// Changes that may not have arrived, ever.
    doubts: u64,
    /// Until when the cache is left alone.
    pause_until: Option<Instant>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Ask, in this generation.
    Trusted(String),
    /// Make a new generation first; the number is for [`Trust::renewed`].
    Renew(u64),
    /// Leave it alone.
    Out,
}

impl Default for Trust {
    /// A process that starts has changed nothing yet: it takes the generation that is there. None is called "".
    fn default() -> Self {
        let state = State { generation: Some(String::new()), doubts: 0, pause_until: None };
        Self { state: Mutex::new(state) }
    }
}

impl Trust {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change is told even in a pause: what it cannot tell costs the whole cache.
    pub(super) fn standing(&self, is_change: bool, now: Instant) -> Standing {
        let mut state = self.state();
        let paused = state.pause_until.is_some_and(|until| now < until);
        match &state.generation {
            Some(generation) if is_change || !paused => Standing::Trusted(generation.clone()),
            Some(_) => Standing::Out,
            None if paused => Standing::Out,
            None => {
                // One tries, the others go on without.
                state.pause_until = Some(now + PAUSE);
                Standing::Renew(state.doubts)
            }
        }
    }

    /// Another process made a new generation.
    pub(super) fn adopt(&self, generation: &str) {
        if let Some(believed) = &mut self.state().generation {
            generation.clone_into(believed);
        }
    }

    /// Reads leave the cache alone for a while.
    pub(super) fn pause(&self, now: Instant) {
        self.state().pause_until = Some(now + PAUSE);
    }

    /// A change may not have arrived. True if this is the first doubt.
    pub(super) fn doubt(&self) -> bool {
        let mut state = self.state();
        state.doubts += 1;
        state.generation.take().is_some()
    }

    /// A generation was made when there were that many doubts: those that came since are not settled by it. True if all are.
    pub(super) fn renewed(&self, generation: String, doubts: u64) -> bool {
        let mut state = self.state();
        state.pause_until = None;
        if state.doubts == doubts {
            state.generation = Some(generation);
        }
        state.doubts == doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_doubt_nothing_is_asked_until_there_is_a_new_generation() {
        let (trust, now) = (Trust::default(), Instant::now());
        trust.adopt("a");
        assert_eq!(trust.standing(false, now), Standing::Trusted("a".into()));
        assert!(trust.doubt());
        trust.adopt("a");
        assert_eq!(trust.standing(true, now), Standing::Renew(1), "what others believe in does not settle it");
        assert_eq!(trust.standing(true, now), Standing::Out, "one tries");
        assert!(trust.renewed("b".into(), 1));
        assert_eq!(trust.standing(false, now), Standing::Trusted("b".into()));
    }

    #[test]
    fn r19_a_change_that_was_not_told_while_a_generation_was_made_needs_another_one() {
        let (trust, now) = (Trust::default(), Instant::now());
        trust.doubt();
        assert_eq!(trust.standing(false, now), Standing::Renew(1));
        trust.doubt();
        assert!(!trust.renewed("b".into(), 1));
        assert_eq!(trust.standing(false, now), Standing::Renew(2));
    }

    #[test]
    fn reads_pause_after_a_slow_answer_and_changes_are_told_all_the_same() {
        let (trust, now) = (Trust::default(), Instant::now());
        trust.pause(now);
        assert_eq!(trust.standing(false, now), Standing::Out);
        assert_eq!(trust.standing(true, now), Standing::Trusted(String::new()));
        assert_eq!(trust.standing(false, now + PAUSE), Standing::Trusted(String::new()));
    }
}
