//! The paths of the API in one table: the router is made of it, and a test compares it with `docs/api/openapi.json`.

use std::sync::Arc;

use axum::{
    Router,
    routing::{delete, get, patch, post},
};

use super::{accounts, conversations, groups, messages, page, users};
use crate::shared::Shared;

/// A method and a path of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// `get`, `post`, `patch` or `delete`.
    pub method: &'static str,
    /// With parts in braces, as `/v1/me/sessions/{session_id}`.
    pub path: &'static str,
}

macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident { $($method:ident $path:literal $handler:expr;)+ })+) => {
        /// Every route of the API.
        pub const ROUTES: &[Route] = &[$($(Route { method: stringify!($method), path: $path },)+)+];

        $(
            $(#[$doc])*
            pub(super) fn $name() -> Router<Arc<Shared>> {
                Router::new()$(.route($path, $method($handler)))+
            }
        )+
    };
}

routes! {
    /// About the API.
    description {
        get "/v1/openapi.json" page::openapi();
    }
    /// Without an account: limited by address.
    anonymous {
        post "/v1/auth/register" accounts::register;
        post "/v1/auth/guest" accounts::guest;
        post "/v1/auth/login" accounts::login;
        post "/v1/auth/refresh" accounts::refresh;
    }
    /// With an access token.
    of_users {
        post "/v1/auth/logout" accounts::logout;
        get "/v1/me" users::me;
        patch "/v1/me" users::change_me;
        get "/v1/me/sessions" accounts::sessions;
        delete "/v1/me/sessions" accounts::revoke_all;
        delete "/v1/me/sessions/{session_id}" accounts::revoke;
        get "/v1/users" users::find;
        post "/v1/directs" groups::create_direct;
        post "/v1/groups" groups::create;
        get "/v1/conversations" conversations::list;
        get "/v1/conversations/{conversation_id}" conversations::get;
        get "/v1/conversations/{conversation_id}/members" conversations::members;
        post "/v1/conversations/{conversation_id}/members" groups::invite;
        post "/v1/conversations/{conversation_id}/members/me" groups::join;
        delete "/v1/conversations/{conversation_id}/members/me" groups::leave;
        delete "/v1/conversations/{conversation_id}/members/{user_id}" groups::remove;
        get "/v1/conversations/{conversation_id}/messages" messages::history;
        post "/v1/conversations/{conversation_id}/messages" messages::send;
    }
}
