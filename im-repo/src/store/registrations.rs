//! Users who register. Those who come while a transaction is under way share the next one: many at once cost few statements and
//! few commits.

use std::{
    collections::VecDeque,
    slice,
    sync::{Mutex, PoisonError},
};

use im_infra::lifecycle::Lifecycle;
use proto::{
    Error, ErrorCode,
    repo::{RegisterUserRequest, User},
};
use sea_orm::{DbErr, EntityTrait as _};
use tokio::sync::oneshot;

use super::{
    Store,
    entity::{session, user},
    lengths::parts,
    sessions, users,
};
use crate::error::{Kind, kind, to_error};

/// Users of one transaction.
const AT_ONCE: usize = 64;
/// Users who may wait for the next one.
const WAITING_MAX: usize = 10_000;
/// When to come again if too many wait.
const RETRY_AFTER_MS: u64 = 500;

/// Those who wait.
#[derive(Default)]
pub(super) struct Registrations {
    waiting: Mutex<VecDeque<Newcomer>>,
    /// Held over a transaction.
    turn: tokio::sync::Mutex<()>,
    life: Lifecycle,
}

/// Somebody who registers, and who waits for the outcome.
struct Newcomer {
    user: user::Model,
    session: session::Model,
    answer: oneshot::Sender<Result<User, Error>>,
}

impl Registrations {
    fn add(&self, newcomer: Newcomer) -> Result<(), Error> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            return Err(Error::new(ErrorCode::Overloaded)
                .with("limit", "registrations")
                .retry_after_ms(RETRY_AFTER_MS));
        }
        waiting.push_back(newcomer);
        Ok(())
    }

    fn next(&self) -> Vec<Newcomer> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(AT_ONCE);
        waiting.drain(..count).collect()
    }
}

impl Store {
    /// Makes an account and its first session, both or neither.
    ///
    /// # Errors
    /// `name_taken`; `overloaded`; `unavailable` if the database is away.
    pub async fn register_user(&self, new: RegisterUserRequest) -> Result<User, Error> {
        let (answer, answered) = oneshot::channel();
        let user = users::row(new.user.unwrap_or_default(), self.clock.now_ms());
        let session = sessions::row(new.session.unwrap_or_default());
        self.registrations.add(Newcomer { user, session, answer })?;
        let store = self.clone();
        // Beside this call: one that is given up must not take those along who share its transaction.
        self.registrations.life.spawn_detached("registration", async move { store.register_waiting().await });
        answered.await.map_err(|_| Error::new(ErrorCode::Internal).with("part", "registration"))?
    }

    /// Each newcomer calls this once, so that nobody is left: whoever has the turn takes all, and the others find nobody.
    async fn register_waiting(&self) {
        let _turn = self.registrations.turn.lock().await;
        let newcomers = self.registrations.next();
        if newcomers.is_empty() {
            return;
        }
        let together = self.try_register(&newcomers).await;
        // One of them breaks a rule: it fails alone.
        let apart = newcomers.len() > 1 && together.as_ref().is_err_and(|error| kind(error) == Kind::Constraint);
        let together = together.map_err(|error| refusal(&error));
        for newcomer in newcomers {
            let done = if apart {
                self.try_register(slice::from_ref(&newcomer)).await.map_err(|error| refusal(&error))
            } else {
                together.clone()
            };
            // Who asked may be gone.
            let _ = newcomer.answer.send(done.map(|()| users::to_proto(newcomer.user)));
        }
    }

    async fn try_register(&self, newcomers: &[Newcomer]) -> Result<(), DbErr> {
        let engine = self.database.engine();
        let transaction = self.database.begin().await?;
        let rows = newcomers.iter().map(|newcomer| user::ActiveModel::from(newcomer.user.clone()));
        for some in parts(engine, rows.collect()) {
            user::Entity::insert_many(some).exec_without_returning(&transaction).await?;
        }
        let rows = newcomers.iter().map(|newcomer| session::ActiveModel::from(newcomer.session.clone()));
        for some in parts(engine, rows.collect()) {
            session::Entity::insert_many(some).exec_without_returning(&transaction).await?;
        }
        let changes: Vec<_> = newcomers.iter().flat_map(|newcomer| self.changes_of_new(&newcomer.user)).collect();
        let telling = self.aside.telling();
        transaction.commit().await?;
        telling.tell(&changes).await;
        Ok(())
    }
}

fn refusal(error: &DbErr) -> Error {
    if kind(error) == Kind::Constraint { ErrorCode::NameTaken.into() } else { to_error(error) }
}
