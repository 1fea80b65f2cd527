//! Accounts, sessions and tokens.

mod accounts;
mod passwords;
mod refresh_token;
mod sessions;

pub(crate) use accounts::Auth;
