//! The handshake, without a gap: the connection is in the table, its route is written and its user's places in large
//! conversations are loaded before the digest is read, and what is pushed meanwhile waits behind the welcome.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use im_infra::{
    interval::Interval,
    planted::{self, Bug},
};
use proto::{
    Error, ErrorCode, client,
    client::{Hello, client_frame::Frame as ClientBody, server_frame::Frame as Body},
    conversation::{Arrival, DigestRequest},
};

use super::{codec, incoming::Message, socket::Socket};
use crate::{
    connections::{Connection, Format, Frame, Identity, Line, Outgoing, Wire},
    metrics::Counted,
    shared::Shared,
};

/// When to come again, at least, if too many want to be let in.
const RETRY_AFTER_MS: u64 = 1_000;

/// Reads the hello and answers it with the welcome.
pub(super) async fn open(
    shared: &Shared,
    socket: &mut Socket,
    format: Format,
    bearer: Option<String>,
    line: Weak<Line>,
) -> Result<Arc<Connection>, Error> {
    let timeout = Duration::from_millis(shared.options.ws.hello_timeout_ms);
    let first = tokio::time::timeout(timeout, first_frame(socket, format)).await;
    let hello = first.map_err(|_| Error::new(ErrorCode::HelloTimeout))??;
    let counted = Counted::one(&shared.metrics.hellos);
    let answered = answer(shared, &hello, format, bearer, line).await;
    drop(counted);
    let (connection, frame) = answered?;
    socket.put(frame.wire(format));
    let patience = Duration::from_millis(shared.options.ws.write_timeout_ms);
    if matches!(tokio::time::timeout(patience, socket.flush()).await, Ok(Ok(()))) {
        return Ok(connection);
    }
    leave(shared, &connection).await;
    Err(ErrorCode::TooSlow.into())
}

/// Lets the connection in when it has its turn. Each hello asks im-logic, im-repo and the session store: however many clients
/// come back at once, those who are connected must not wait behind all of them.
async fn answer(
    shared: &Shared,
    hello: &Hello,
    format: Format,
    bearer: Option<String>,
    line: Weak<Line>,
) -> Result<(Arc<Connection>, Frame), Error> {
    let patience = Duration::from_millis(shared.options.ws.hello_timeout_ms);
    let Ok(_turn) = tokio::time::timeout(patience, shared.hellos.acquire()).await else {
        // Spread, so that those who came together do not come together again.
        let retry_after_ms = fastrand::u64(RETRY_AFTER_MS..=2 * RETRY_AFTER_MS);
        return Err(Error::new(ErrorCode::Overloaded).with("limit", "hellos").retry_after_ms(retry_after_ms));
    };
    let connection = enter(shared, hello, format, bearer, line).await?;
    match greet(shared, &connection, hello).await {
        Ok(frame) => Ok((connection, frame)),
        Err(error) => {
            leave(shared, &connection).await;
            Err(error)
        }
    }
}

async fn first_frame(socket: &mut Socket, format: Format) -> Result<Hello, Error> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Ping(payload))) => {
                socket.put(Wire::pong(&payload));
                socket.flush().await.map_err(|_| Error::new(ErrorCode::GoingAway))?;
            }
            Some(Ok(Message::Pong)) => {}
            Some(Ok(Message::Close(payload))) => {
                socket.put_last(Wire::close_answer(&payload));
                return Err(ErrorCode::GoingAway.into());
            }
            Some(Err(unreadable)) => return Err(unreadable.code().unwrap_or(ErrorCode::GoingAway).into()),
            None => return Err(ErrorCode::GoingAway.into()),
            Some(Ok(message)) => {
                let frame = codec::decode(&message, format)?.and_then(|frame| frame.frame);
                return match frame {
                    Some(ClientBody::Hello(hello)) => Ok(hello),
                    _ => Err(ErrorCode::HelloRequired.into()),
                };
            }
        }
    }
}

async fn enter(
    shared: &Shared,
    hello: &Hello,
    format: Format,
    bearer: Option<String>,
    line: Weak<Line>,
) -> Result<Arc<Connection>, Error> {
    let token = if hello.access_token.is_empty() { bearer.unwrap_or_default() } else { hello.access_token.clone() };
    let caller = shared.tokens.check(&token).await?;
    if !hello.device_id.is_empty() && hello.device_id != caller.device_id {
        return Err(Error::invalid("device_id", "the device that the token was issued to"));
    }
    let ws = &shared.options.ws;
    let identity = Identity { connection_id: shared.connections.next_id(), caller, format };
    let outgoing = Outgoing::new(ws.queue_frames_max, ws.queue_bytes_max, line);
    let connection = Arc::new(Connection::new(identity, outgoing));
    shared.connections.insert(connection.clone());
    shared.index.enter(connection.identity.caller.user_id);
    shared.metrics.connections.add(1, &[]);
    // Known to be down: logic addresses every gateway then, so nothing is missed.
    if let Err(error) = shared.route_writer.put(shared.route_of(&connection)).await {
        tracing::warn!(%error, "connected without a route");
    }
    // The session may have ended between the check and the table.
    if shared.tokens.is_revoked(&connection.identity.caller.session_id) {
        connection.outgoing.close(ErrorCode::SessionRevoked);
    }
    Ok(connection)
}

/// The user's places in large conversations first, then the digest: what is stored after it was read finds them. Who is in none
/// gets it along, and those who come at the same time are asked for together.
async fn greet(shared: &Shared, connection: &Connection, hello: &Hello) -> Result<Frame, Error> {
    let user_id = connection.identity.caller.user_id;
    let answer = shared.arrivals.of(Arrival { user_id, digest: hello.digest.is_some() }).await?;
    for place in answer.places {
        if planted::is(Bug::IndexNotLoaded) {
            break;
        }
        let interval = Interval { visible_from: place.visible_from, left_seq: place.left_seq };
        shared.index.merge(&place.conversation_id, user_id, interval);
    }
    let mut resumed = false;
    if let Some(theirs) = &hello.digest {
        let ours = match answer.digest {
            Some(ours) => ours,
            None => shared.logic.conversations().digest(DigestRequest { user_id }).await?.into_inner(),
        };
        resumed = (ours.count, ours.sum) == (theirs.count, theirs.sum);
    }
    welcome(shared, connection, resumed).await
}

async fn welcome(shared: &Shared, connection: &Connection, resumed: bool) -> Result<Frame, Error> {
    let user_id = connection.identity.caller.user_id;
    let (ws, rate) = (&shared.options.ws, &shared.options.rate);
    Ok(Frame::new(Body::Welcome(client::Welcome {
        user_id,
        connection_id: format!("{}-{}", shared.origin.instance, connection.identity.connection_id),
        server_time_ms: shared.clock.now_ms(),
        store_epoch: shared.store_epoch().await?,
        resumed,
        heartbeat_ms: ws.heartbeat_ms,
        limits: Some(client::Limits {
            frame_bytes_max: ws.frame_bytes_max as u64,
            body_bytes_max: ws.body_bytes_max as u64,
            in_flight_max: u32::try_from(shared.options.window.commands_max).unwrap_or(u32::MAX),
            sends_per_second: rate.commands_per_second,
        }),
    })))
}

/// Takes the connection out of the table and the store.
pub(super) async fn leave(shared: &Shared, connection: &Connection) {
    // Whoever still waits to send something larger gives up.
    connection.outgoing.close(ErrorCode::GoingAway);
    shared.connections.remove(connection);
    shared.index.leave(connection.identity.caller.user_id);
    shared.metrics.connections.add(-1, &[]);
    if planted::is(Bug::RouteNotRemoved) {
        return;
    }
    if let Err(error) = shared.route_writer.remove(shared.route_of(connection)).await {
        tracing::warn!(%error, "route not removed, it will run out");
    }
}
