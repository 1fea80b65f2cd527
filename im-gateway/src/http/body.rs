//! Request bodies and pages.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
};
use proto::{Error, ErrorCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{error::Problem, shared::Shared};

/// A JSON body, within a time; what is wrong with it is told as a problem.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let timeout_ms = shared.options.http.header_timeout_ms;
        let reading = Json::<T>::from_request(request, shared);
        match tokio::time::timeout(Duration::from_millis(timeout_ms), reading).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(JsonRejection::BytesRejection(_))) => Err(ErrorCode::FrameTooBig.into()),
            Ok(Err(error)) => Err(Error::invalid("body", error.body_text()).into()),
            Err(_) => Err(Error::invalid("body", format_args!("whole within {timeout_ms} ms")).into()),
        }
    }
}

/// Query parameters; what is wrong with them is told as a problem.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(super) struct Query<T>(pub(super) T);

/// Parts of the path; what is wrong with them is told as a problem.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(super) struct Path<T>(pub(super) T);

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Error::invalid("query", rejection.body_text()).into()
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Error::invalid("path", rejection.body_text()).into()
    }
}

/// One page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// What to ask for the next page with; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// Which page.
#[derive(Deserialize)]
pub(super) struct PageQuery {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<u32>,
}

/// Items of a page unless asked otherwise.
const LIMIT: u32 = 50;
/// And at most.
const LIMIT_MAX: u32 = 200;

pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Error::invalid("limit", format_args!("1 to {LIMIT_MAX}")).into()),
    }
}
