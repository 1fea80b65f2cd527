//! The one error kind. Its table below generates gRPC codes, HTTP statuses, close codes and `docs/errors.md`; the three
//! functions are total, and an error that crosses a gRPC call is rebuilt on the other side.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use prost::Message as _;
use tonic::Code;

use crate::common;

macro_rules! error_codes {
    ($($variant:ident $code:literal $grpc:ident $http:literal $close:expr, $retry:literal, $message:literal;)+) => {
        /// What went wrong, as a stable code. `docs/errors.md` is generated from this table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode {
            $(#[doc = $message] $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
            /// The gRPC status code.
            pub const fn grpc(self) -> Code {
                match self { $(Self::$variant => Code::$grpc,)+ }
            }
            /// The HTTP status.
            pub const fn http(self) -> u16 {
                match self { $(Self::$variant => $http,)+ }
            }
            /// The WebSocket close code, if this error ends a connection.
            pub const fn close(self) -> Option<u16> {
                match self { $(Self::$variant => $close,)+ }
            }
            /// Whether the same request may succeed later, unchanged.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)+ }
            }
            /// What happened and what to do, in English.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)+ }
            }
            /// The code of that name.
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

error_codes! {
    // variant, code, gRPC, HTTP, close code, retryable, message
    InvalidArgument "invalid_argument" InvalidArgument 400 None, false, "A value is not allowed; `params` names it. Correct it and send again.";
    MalformedFrame "malformed_frame" InvalidArgument 400 Some(4400), false, "The frame could not be decoded. Send frames of the negotiated subprotocol.";
    WrongEncoding "wrong_encoding" InvalidArgument 400 Some(4415), false, "Text frames belong to gochat.v1.json and binary frames to gochat.v1.proto. Use the one that was negotiated.";
    FrameTooBig "frame_too_big" InvalidArgument 413 Some(4413), false, "The frame is larger than `limits.frame_bytes_max`. Send less at once.";
    UnknownFrame "unknown_frame" Unimplemented 400 None, false, "This server does not know that kind of frame. Update the server or do without it.";
    HelloRequired "hello_required" FailedPrecondition 400 Some(4406), false, "The first frame must be `hello`, once. Send it before anything else.";
    HelloTimeout "hello_timeout" DeadlineExceeded 408 Some(4408), true, "No `hello` came in time. Connect again and send it first.";
    SubprotocolRequired "subprotocol_required" InvalidArgument 400 None, false, "Ask for the WebSocket subprotocol gochat.v1.json or gochat.v1.proto.";
    TokenMissing "token_missing" Unauthenticated 401 Some(4401), false, "No access token was given. Send it in the Authorization header or in `hello`, never in the address.";
    TokenInvalid "token_invalid" Unauthenticated 401 Some(4401), false, "The access token is not valid. Log in again.";
    TokenExpired "token_expired" Unauthenticated 401 Some(4402), false, "The access token has expired. Refresh it and try again.";
    SessionRevoked "session_revoked" Unauthenticated 401 Some(4403), false, "The session was ended. Log in again.";
    Kicked "kicked" Aborted 409 Some(4409), false, "A newer connection of this device took over. Do not reconnect by yourself.";
    TooSlow "too_slow" ResourceExhausted 429 Some(4410), true, "The connection reads too slowly. Connect again and resume.";
    OutOfStep "out_of_step" Aborted 409 Some(4411), true, "Commands waited too long for their outcome. Connect again, resume and send them again with their ids.";
    GoingAway "going_away" Unavailable 503 Some(1001), true, "The server is stopping. Connect again and resume.";
    IdleTimeout "idle_timeout" DeadlineExceeded 408 Some(4407), true, "Nothing was heard for longer than the heartbeat allows. Connect again and resume.";
    OriginForbidden "origin_forbidden" PermissionDenied 403 None, false, "Pages of this origin may not connect. Add it to `gateway.http.origins`.";
    BadCredentials "bad_credentials" Unauthenticated 401 None, false, "The name or the password is wrong.";
    RefreshInvalid "refresh_invalid" Unauthenticated 401 None, false, "The refresh token is not valid any more. Log in again.";
    RefreshReused "refresh_reused" Unauthenticated 401 None, false, "The refresh token was used before, so the session was ended. Log in again.";
    NameTaken "name_taken" AlreadyExists 409 None, false, "Somebody has that name. Choose another.";
    NameInvalid "name_invalid" InvalidArgument 422 None, false, "A name has 2 to 32 letters, digits, '_', '-' or '.', and starts with a letter or digit.";
    PasswordInvalid "password_invalid" InvalidArgument 422 None, false, "A password has 8 to 128 characters.";
    MethodNotAllowed "method_not_allowed" Unimplemented 405 None, false, "That path does not take this method. docs/protocol.md lists what it takes.";
    Forbidden "forbidden" PermissionDenied 403 None, false, "You may not do that here.";
    NotFound "not_found" NotFound 404 None, false, "There is no such thing, or you may not know of it.";
    UnknownUser "unknown_user" NotFound 404 None, false, "There is no such user.";
    UnknownConversation "unknown_conversation" NotFound 404 None, false, "There is no such conversation, or you never were in it.";
    NotAMember "not_a_member" PermissionDenied 403 None, false, "You are not a member of this conversation.";
    AlreadyAMember "already_a_member" AlreadyExists 409 None, false, "That user is a member already.";
    GroupFull "group_full" ResourceExhausted 409 None, false, "The group has as many members as it may.";
    BodyEmpty "body_empty" InvalidArgument 422 None, false, "The message has no content. Put something in it.";
    BodyTooBig "body_too_big" InvalidArgument 413 None, false, "The message is larger than `limits.body_bytes_max`. Shorten it.";
    Unsupported "unsupported" Unimplemented 422 None, false, "That command is not supported here, or not in this kind of conversation.";
    IdempotencyKeyRequired "idempotency_key_required" InvalidArgument 400 None, false, "Commands need a `command_id` (over HTTP the Idempotency-Key header): 1 to 64 visible ASCII characters, not starting with '~'.";
    Conflict "conflict" AlreadyExists 409 None, false, "This command id was used before with other content. Use a new id.";
    RateLimited "rate_limited" ResourceExhausted 429 None, true, "Too many requests. Wait for `retry_after_ms` and send again with the same id.";
    Overloaded "overloaded" ResourceExhausted 503 None, true, "The server has as much in flight as it may. Wait for `retry_after_ms` and send again with the same id.";
    RetryInOrder "retry_in_order" FailedPrecondition 409 None, true, "An earlier command to this conversation was refused for now. Send that one again first, or abandon it.";
    OutcomeUnknown "outcome_unknown" DeadlineExceeded 504 None, true, "The outcome is not known yet. Send the same command with the same id again to learn it.";
    Parked "parked" Internal 500 None, false, "The command could not be processed and was set aside for an operator. Its outcome is open.";
    Unavailable "unavailable" Unavailable 503 None, true, "A part of the service is out of reach. Wait for `retry_after_ms` and try again.";
    DeadlineExceeded "deadline_exceeded" DeadlineExceeded 504 None, true, "The answer took too long. Try again.";
    NoFreeSlot "no_free_slot" ResourceExhausted 503 None, true, "All gateway slots are taken. Add partitions to im.downstream or wait until a slot has rested.";
    ServiceTokenInvalid "service_token_invalid" Unauthenticated 401 None, false, "The calling service did not prove who it is. Give all services the same `rpc.secret`.";
    SchemaMismatch "schema_mismatch" FailedPrecondition 500 None, false, "The database schema is older than this version needs. Run `gochat migrate up`.";
    DeadLetterDropped "dead_letter_dropped" FailedPrecondition 409 None, false, "The dead letter was dropped for good. Whoever sent what is in it has to send it again.";
    DeadLetterTooOld "dead_letter_too_old" FailedPrecondition 409 None, false, "The dead letter is older than `repo.replay_age_max_ms`. Make sure that what is in it is still wanted, then replay it with --force.";
    Internal "internal" Internal 500 None, false, "Something went wrong here. The request id finds it in the logs.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When to try again where nobody knows better, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 500;

/// An error with its code, what to say, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    code: ErrorCode,
    message: Cow<'static, str>,
    params: BTreeMap<String, String>,
    retry_after_ms: u64,
}

impl Error {
    /// The error of that code, with its standard message; where trying again helps, after [`RETRY_AFTER_MS`].
    pub const fn new(code: ErrorCode) -> Self {
        let retry_after_ms = if code.retryable() { RETRY_AFTER_MS } else { 0 };
        Self { code, message: Cow::Borrowed(code.message()), params: BTreeMap::new(), retry_after_ms }
    }

    /// `invalid_argument` for one named value.
    pub fn invalid(name: &str, allowed: impl fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidArgument).with("name", name).with("allowed", allowed)
    }

    /// Adds a parameter; never a secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = retry_after_ms;
        self
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// English, what to do.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the message is about.
    pub const fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// Milliseconds to wait; 0 where waiting does not help or is not needed.
    pub const fn retry_after(&self) -> u64 {
        self.retry_after_ms
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<Error> for common::Error {
    fn from(error: Error) -> Self {
        Self {
            code: error.code.as_str().to_owned(),
            message: error.message.into_owned(),
            params: error.params.into_iter().collect(),
            retry_after_ms: error.retry_after_ms,
        }
    }
}

/// A code of a newer version becomes `internal`, with the unknown code as a parameter.
impl From<common::Error> for Error {
    fn from(error: common::Error) -> Self {
        let known = ErrorCode::parse(&error.code);
        let mut params: BTreeMap<_, _> = error.params.into_iter().collect();
        if known.is_none() {
            params.insert("code".to_owned(), error.code);
        }
        let message = match known {
            Some(code) if code.message() == error.message => Cow::Borrowed(code.message()),
            _ => Cow::Owned(error.message),
        };
        Self { code: known.unwrap_or(ErrorCode::Internal), message, params, retry_after_ms: error.retry_after_ms }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        let (code, message) = (error.code.grpc(), error.to_string());
        Self::with_details(code, message, common::Error::from(error).encode_to_vec().into())
    }
}

/// A status without our details comes from the transport.
impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        if !status.details().is_empty()
            && let Ok(error) = common::Error::decode(status.details())
            && !error.code.is_empty()
        {
            return error.into();
        }
        let code = match status.code() {
            // Unknown: a connection that broke in the middle of an answer. Our services always say more.
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Unknown => ErrorCode::Unavailable,
            Code::DeadlineExceeded | Code::Cancelled => ErrorCode::DeadlineExceeded,
            Code::Unimplemented => ErrorCode::Unsupported,
            _ => ErrorCode::Internal,
        };
        Self::new(code).with("grpc", status.message())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_survives_a_grpc_call() {
        for &code in ErrorCode::ALL {
            let error = Error::new(code).with("name", "x").retry_after_ms(7);
            assert_eq!(Error::from(tonic::Status::from(error.clone())), error);
            assert_eq!(ErrorCode::parse(code.as_str()), Some(code));
        }
    }

    #[test]
    fn names_are_unique_and_statuses_are_valid() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!((400..600).contains(&code.http()), "{code}");
            assert!(code.close().is_none_or(|c| c == 1001 || (4000..5000).contains(&c)), "{code}");
        }
    }

    #[test]
    fn an_unknown_code_of_a_newer_version_is_kept_as_a_parameter() {
        let newer = common::Error { code: "brand_new".into(), message: "m".into(), ..Default::default() };
        let error = Error::from(newer);
        assert_eq!((error.code(), error.message()), (ErrorCode::Internal, "m"));
        assert_eq!(error.params()["code"], "brand_new");
    }

    #[test]
    fn a_transport_error_without_details_is_told_apart() {
        assert_eq!(Error::from(tonic::Status::unavailable("tcp")).code(), ErrorCode::Unavailable);
        assert_eq!(Error::from(tonic::Status::unknown("broken pipe")).code(), ErrorCode::Unavailable);
        assert_eq!(Error::from(tonic::Status::data_loss("?")).code(), ErrorCode::Internal);
    }
}
