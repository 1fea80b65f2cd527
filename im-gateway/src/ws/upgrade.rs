//! The HTTP request that becomes a connection: origin, subprotocol, room.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use proto::{Error, ErrorCode};

use super::session;
use crate::{connections::Format, error::Problem, listener::Seat, shared::Shared};

const JSON: &str = "gochat.v1.json";
const PROTO: &str = "gochat.v1.proto";

/// Buffers of a connection: what an idle one costs.
const READ_BUFFER_BYTES: usize = 1_024;
const WRITE_BUFFER_BYTES: usize = 4_096;

/// When to come again if there is no room.
const RETRY_AFTER_MS: u64 = 5_000;

pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(seat): Extension<Seat>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([JSON, PROTO]),
        Err(rejection) => return Problem(not_an_upgrade(&rejection)).into_response(),
    };
    let chosen = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    match admit(&shared, &headers, chosen) {
        Ok(format) => {
            let token = bearer(&headers).map(str::to_owned);
            // From now on, not from when its task first runs: a drain must not miss it.
            let counted = (shared.life.hold(), shared.sockets.open(), seat);
            upgrade
                .read_buffer_size(READ_BUFFER_BYTES)
                .write_buffer_size(WRITE_BUFFER_BYTES)
                .max_message_size(shared.options.ws.frame_bytes_max)
                .max_frame_size(shared.options.ws.frame_bytes_max)
                .on_upgrade(move |socket| async move {
                    session::run(shared, socket, format, token).await;
                    drop(counted);
                })
        }
        Err(error) => Problem(error).into_response(),
    }
}

/// Somebody who speaks HTTP where a WebSocket is expected.
fn not_an_upgrade(rejection: &WebSocketUpgradeRejection) -> Error {
    match rejection {
        WebSocketUpgradeRejection::MethodNotGet(_) => ErrorCode::MethodNotAllowed.into(),
        other => Error::invalid("upgrade", format_args!("a WebSocket, version 13: {}", other.body_text())),
    }
}

fn admit(shared: &Shared, headers: &HeaderMap, chosen: Option<&str>) -> Result<Format, Error> {
    check_origin(headers, &shared.options.http.origins)?;
    if shared.sockets.count() >= shared.options.ws.connections_max || shared.life.stopping().is_cancelled() {
        return Err(Error::new(ErrorCode::Overloaded).with("limit", "connections").retry_after_ms(RETRY_AFTER_MS));
    }
    match chosen {
        Some(JSON) => Ok(Format::Json),
        Some(PROTO) => Ok(Format::Proto),
        _ => Err(ErrorCode::SubprotocolRequired.into()),
    }
}

/// Browsers say where a page comes from; a page of another origin must not use its visitor's network position.
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Error> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let forbidden = || Error::new(ErrorCode::OriginForbidden);
    let origin = origin.to_str().map_err(|_| forbidden())?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    if own || allowed.iter().any(|one| one == origin) { Ok(()) } else { Err(forbidden().with("origin", origin)) }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check = |origin: Option<&str>, host: &str, allowed: &[&str]| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers.insert(header::HOST, host.parse().unwrap());
            let allowed: Vec<String> = allowed.iter().map(|&one| one.to_owned()).collect();
            check_origin(&headers, &allowed).is_ok()
        };
        assert!(check(None, "chat.example", &[]), "apps send none");
        assert!(check(Some("https://chat.example"), "chat.example", &[]));
        assert!(check(Some("http://localhost:8080"), "localhost:8080", &[]));
        assert!(!check(Some("http://localhost:8081"), "localhost:8080", &[]));
        assert!(!check(Some("https://chat.example.evil"), "chat.example", &[]));
        assert!(!check(Some("null"), "chat.example", &[]));
        assert!(check(Some("https://app.example"), "chat.example", &["https://app.example"]));
    }
}
