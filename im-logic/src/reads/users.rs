//! Who people are.

use proto::{
    Error, repo,
    user::{GetUsersRequest, User},
};

use super::Reads;
use crate::domain::fold;

/// Users of one answer.
const USERS_MAX: usize = 200;

pub(super) fn to_user(user: repo::User) -> User {
    User { user_id: user.user_id, name: user.name, display_name: user.display_name, guest: user.guest }
}

impl Reads {
    pub(crate) async fn users(&self, query: GetUsersRequest) -> Result<Vec<User>, Error> {
        if query.user_ids.len() + query.names.len() > USERS_MAX {
            return Err(Error::invalid("user_ids", format_args!("at most {USERS_MAX} ids and names")));
        }
        let name_keys = query.names.iter().map(|name| fold(name.trim())).collect();
        let query = repo::GetUsersRequest { user_ids: query.user_ids, name_keys };
        Ok(self.repo.users().get(query).await?.into_inner().users.into_iter().map(to_user).collect())
    }
}
