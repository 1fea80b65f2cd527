//! Routes whose writing got no answer.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::layout;
use crate::session_store::Route;

/// What was written without an answer may be there all the same, and whether it was there before is not known any more. If it
/// was not, and a copy of Redis from before said "all are here", its connection was sent nothing and must be told. So such a
/// route counts as new when it is written again.
#[derive(Default)]
pub(super) struct Unanswered {
    fields: Mutex<HashSet<String>>,
}

impl Unanswered {
    /// The routes were written, and nobody knows what became of that.
    pub(super) fn add(&self, routes: &[Route]) {
        self.fields().extend(routes.iter().map(layout::field));
    }

    /// The route was written, with an answer, or its connection ended: says whether it was one of these until now.
    pub(super) fn settle(&self, route: &Route) -> bool {
        let mut fields = self.fields();
        !fields.is_empty() && fields.remove(&layout::field(route))
    }

    /// All routes there are have been written with an answer: what is left is of connections that ended meanwhile.
    pub(super) fn clear(&self) {
        *self.fields() = HashSet::new();
    }

    fn fields(&self) -> MutexGuard<'_, HashSet<String>> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
