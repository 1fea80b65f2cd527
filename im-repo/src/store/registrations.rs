//! Users who register. Those who come while a transaction is under way share the next one: many at once cost few statements and
//! few commits.

use std::slice;

use im_infra::{
    gather::{Askers, Bounds, Gather, NotAnswered},
    lifecycle::Lifecycle,
};
use proto::{
    Error, ErrorCode,
    repo::{RegisterUserRequest, User},
};
use sea_orm::{DbErr, EntityTrait as _};

use super::{
    Store,
    entity::{session, user},
    lengths::parts,
    sessions, users,
};
use crate::error::{Kind, kind, to_error};

/// One transaction at a time.
const BOUNDS: Bounds = Bounds { turns: 1, at_once: 64, waiting_max: 10_000 };
/// When to come again if too many wait.
const RETRY_AFTER_MS: u64 = 500;

/// Those who wait.
pub(super) type Registrations = Gather<Newcomer, Result<User, Error>>;

pub(super) fn nobody() -> Registrations {
    Gather::new("registration", BOUNDS, Lifecycle::new())
}

/// Somebody who registers.
pub(super) struct Newcomer {
    user: user::Model,
    session: session::Model,
}

impl Store {
    /// Makes an account and its first session, both or neither.
    ///
    /// # Errors
    /// `name_taken`; `overloaded`; `unavailable` if the database is away.
    pub async fn register_user(&self, new: RegisterUserRequest) -> Result<User, Error> {
        let user = users::row(new.user.unwrap_or_default(), self.clock.now_ms());
        let session = sessions::row(new.session.unwrap_or_default());
        let store = self.clone();
        let register = async move |newcomers, askers| store.register(newcomers, askers).await;
        self.registrations.ask(Newcomer { user, session }, register).await.unwrap_or_else(|not| {
            Err(match not {
                NotAnswered::Full => {
                    Error::new(ErrorCode::Overloaded).with("limit", "registrations").retry_after_ms(RETRY_AFTER_MS)
                }
                NotAnswered::Gone => Error::new(ErrorCode::Internal).with("part", "registration"),
            })
        })
    }

    async fn register(&self, newcomers: Vec<Newcomer>, mut askers: Askers<Result<User, Error>>) {
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
            askers.tell(done.map(|()| users::to_proto(newcomer.user)));
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
