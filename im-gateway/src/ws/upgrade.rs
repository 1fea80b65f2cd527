//! The HTTP request that becomes a connection: origin, subprotocol, room.

use std::sync::{Arc, Weak};

use axum::{
    Extension,
    extract::{FromRequestParts as _, Request, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hyper::upgrade::OnUpgrade;
use proto::{Error, ErrorCode};
use tungstenite::handshake::derive_accept_key;

use super::session::{self, Asked};
use crate::{
    connections::{Format, Line},
    error::Problem,
    listener::Seat,
    shared::Shared,
};

const JSON: &str = "gochat.v1.json";
const PROTO: &str = "gochat.v1.proto";

/// When to come again if there is no room.
const RETRY_AFTER_MS: u64 = 5_000;

pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(seat): Extension<Seat>,
    Extension(line): Extension<Weak<Line>>,
    request: Request,
) -> Response {
    let mut parts = request.into_parts().0;
    let upgraded = parts.extensions.get::<OnUpgrade>().cloned();
    // Axum looks at the request; what follows has a socket of its own, which needs no buffers while nothing is said.
    let (upgrade, upgraded) = match (WebSocketUpgrade::from_request_parts(&mut parts, &()).await, upgraded) {
        (Ok(upgrade), Some(upgraded)) => (upgrade.protocols([JSON, PROTO]), upgraded),
        (Err(rejection), _) => return Problem(not_an_upgrade(&rejection)).into_response(),
        (Ok(_), None) => return Problem::from(ErrorCode::Internal).into_response(),
    };
    let chosen = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    match admit(&shared, &parts.headers, chosen) {
        Ok(format) => {
            let bearer = bearer(&parts.headers).map(str::to_owned);
            // From now on, not from when its task first runs: a drain must not miss it.
            let (life, counted) = (shared.life.clone(), (shared.sockets.open(), seat));
            let asked = Asked { format, bearer, line, counted };
            life.spawn_detached("socket", Box::pin(session::run(shared, upgraded, asked)));
            switch(&parts.headers, format)
        }
        Err(error) => Problem(error).into_response(),
    }
}

/// RFC 6455, section 4.2.2.
fn switch(headers: &HeaderMap, format: Format) -> Response {
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], HeaderValue::as_bytes);
    let protocol = match format {
        Format::Json => JSON,
        Format::Proto => PROTO,
    };
    let answer = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key)),
        (header::SEC_WEBSOCKET_PROTOCOL, protocol.to_owned()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, answer).into_response()
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
