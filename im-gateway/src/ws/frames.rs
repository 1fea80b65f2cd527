//! What each kind of frame asks for.

use std::sync::Arc;

use im_infra::ids::{CommandId, ConversationId};
use proto::{
    Error, ErrorCode, client,
    client::{ClientFrame, client_frame::Frame, server_frame::Frame as Body},
    conversation::SyncRequest,
    message::RangeRequest,
    mq,
};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    connections::Connection,
    shared::Shared,
    upstream::{Action, Waiter},
};

/// Conversations and entries of one sync page.
const SYNC_CONVERSATIONS: u32 = 100;
const SYNC_ENTRIES: u32 = 20;
/// Entries of one fetch.
const FETCH_ENTRIES: u32 = 200;
/// Bytes of what a client tells its syncs and fetches apart by.
const TAG_BYTES_MAX: usize = 64;

/// Does what a frame asks; whatever fails is answered, not thrown. Syncs and fetches are answered beside the connection's
/// own task, which has to write what they answer. A new token is given back: nothing more is read until [`renew`] has taken it.
pub(super) fn handle(shared: &Arc<Shared>, connection: &Arc<Connection>, frame: ClientFrame) -> Option<client::Auth> {
    let about = About::of(&frame);
    let done = match frame.frame {
        Some(Frame::Send(send)) => self::send(shared, connection, send),
        Some(Frame::Read(read)) => self::read(shared, connection, read),
        Some(read @ (Frame::Fetch(_) | Frame::Sync(_))) => begin_read(shared, connection, read),
        Some(Frame::Abandon(abandon)) => {
            connection.abandon(&abandon.conversation_id, &abandon.command_id);
            Ok(())
        }
        Some(Frame::Auth(auth)) => return Some(auth),
        Some(Frame::Ping(ping)) => {
            connection.send_new(Body::Pong(client::Pong { data: ping.data }));
            Ok(())
        }
        Some(Frame::Hello(_)) => Err(ErrorCode::HelloRequired.into()),
        None => Err(ErrorCode::UnknownFrame.into()),
    };
    if let Err(error) = done {
        refuse(shared, connection, error, about);
    }
    None
}

/// Lets the connection live as long as its new token.
pub(super) async fn renew(shared: &Shared, connection: &Connection, token: &str) {
    if let Err(error) = self::auth(shared, connection, token).await {
        refuse(shared, connection, error, About::default());
    }
}

/// What a frame is about, for the error that answers it.
#[derive(Default)]
struct About {
    conversation_id: String,
    command_id: String,
    tag: String,
}

impl About {
    fn of(frame: &ClientFrame) -> Self {
        let (conversation_id, command_id, tag) = match &frame.frame {
            Some(Frame::Send(send)) => (&*send.conversation_id, &*send.command_id, ""),
            Some(Frame::Fetch(fetch)) => (&*fetch.conversation_id, "", &*fetch.tag),
            Some(Frame::Sync(sync)) => ("", "", &*sync.tag),
            Some(Frame::Read(read)) => (&*read.conversation_id, "", ""),
            _ => ("", "", ""),
        };
        Self { conversation_id: conversation_id.to_owned(), command_id: command_id.to_owned(), tag: tag.to_owned() }
    }
}

fn refuse(shared: &Shared, connection: &Connection, error: Error, about: About) {
    let code = error.code();
    let About { conversation_id, command_id, tag } = about;
    let frame = client::ErrorFrame { error: Some(error.into()), conversation_id, command_id, tag };
    connection.send_new(Body::Error(frame));
    // What closes is counted when it does.
    if code.close().is_some() {
        connection.outgoing.close(code);
    } else {
        shared.metrics.refused(code);
    }
}

fn begin_read(shared: &Arc<Shared>, connection: &Arc<Connection>, frame: Frame) -> Result<(), Error> {
    let about = About::of(&ClientFrame { frame: Some(frame.clone()) });
    if about.tag.len() > TAG_BYTES_MAX {
        return Err(Error::invalid("tag", format_args!("at most {TAG_BYTES_MAX} bytes")));
    }
    connection.begin_read(shared.options.ws.reads_max)?;
    shared.metrics.reads.add(1, &[]);
    let (shared, connection, span) = (shared.clone(), connection.clone(), tracing::info_span!("gateway.frame.read"));
    let life = shared.life.clone();
    let answer = async move {
        let done = connection
            .read(async {
                match frame {
                    Frame::Fetch(fetch) => self::fetch(&shared, &connection, fetch).await,
                    Frame::Sync(sync) => self::sync(&shared, &connection, sync).await,
                    _ => Ok(()),
                }
            })
            .await;
        shared.metrics.reads.add(-1, &[]);
        if let Err(error) = done {
            refuse(&shared, &connection, error, about);
        }
    };
    life.spawn_detached("read", answer.instrument(span));
    Ok(())
}

fn send(shared: &Shared, connection: &Arc<Connection>, send: client::Send) -> Result<(), Error> {
    // As one is made for an HTTP request that has none: it leads through the logs of both services.
    let request_id = Uuid::new_v4().to_string();
    let span = tracing::info_span!(
        "gateway.frame.send",
        otel.kind = "producer",
        conversation_id = send.conversation_id,
        request_id
    );
    let _entered = span.entered();
    let conversation: ConversationId = send.conversation_id.parse()?;
    let command_id = CommandId::from_client(&send.command_id)?;
    let content = send.content.ok_or(ErrorCode::BodyEmpty)?;
    connection.check_order(&send.conversation_id, &send.command_id)?;
    let action = Action { conversation, command_id, command: mq::upstream::Command::Send(content), request_id };
    let waiter = Waiter::Connection(connection.clone());
    shared.intake.take(&connection.identity.caller, action, waiter).inspect_err(|error| {
        if error.code().retryable() {
            connection.hold(&send.conversation_id, &send.command_id);
        }
    })
}

fn read(shared: &Shared, connection: &Connection, read: client::Read) -> Result<(), Error> {
    let _: ConversationId = read.conversation_id.parse()?;
    if read.read_seq <= 0 {
        return Err(Error::invalid("read_seq", "a positive number"));
    }
    shared.intake.check_rate(connection.identity.caller.user_id)?;
    shared.cursors.put(connection.identity.caller.user_id, read.conversation_id, read.read_seq)
}

async fn fetch(shared: &Shared, connection: &Connection, fetch: client::Fetch) -> Result<(), Error> {
    let query = RangeRequest {
        user_id: connection.identity.caller.user_id,
        conversation_id: fetch.conversation_id.clone(),
        from_seq: fetch.from_seq,
        to_seq: fetch.to_seq,
        limit: FETCH_ENTRIES,
        newest: false,
    };
    let answer = shared.logic.messages().range(query).await?.into_inner();
    let (visible_from, visible_to) = (answer.visible_from, answer.visible_to);
    let mut parts = cut(answer.entries, shared.options.ws.answer_bytes_max).into_iter().peekable();
    while let Some(entries) = parts.next() {
        if !connection.outgoing.drained().await {
            return Ok(());
        }
        let (conversation_id, tag) = (fetch.conversation_id.clone(), fetch.tag.clone());
        let done = parts.peek().is_none();
        let frame = client::Entries { conversation_id, entries, visible_from, visible_to, tag, done };
        connection.send_new(Body::Entries(frame));
    }
    Ok(())
}

async fn sync(shared: &Shared, connection: &Connection, sync: client::Sync) -> Result<(), Error> {
    let mut request = SyncRequest {
        user_id: connection.identity.caller.user_id,
        known: sync.known,
        after: String::new(),
        limit: SYNC_CONVERSATIONS,
        entries: SYNC_ENTRIES,
    };
    loop {
        let page = shared.logic.conversations().sync(request.clone()).await?.into_inner();
        let last = page.next.is_empty();
        let mut gone = page.gone;
        let mut parts = cut(page.items, shared.options.ws.answer_bytes_max).into_iter().peekable();
        while let Some(items) = parts.next() {
            if !connection.outgoing.drained().await {
                return Ok(());
            }
            let done = last && parts.peek().is_none();
            let (gone, tag) = (std::mem::take(&mut gone), sync.tag.clone());
            connection.send_new(Body::SyncPage(client::SyncPage { items, gone, done, tag }));
        }
        if last {
            return Ok(());
        }
        request.after = page.next;
        // Put by the first page.
        request.known.iter_mut().for_each(|known| known.read_seq = 0);
    }
}

/// Parts of at most so many bytes, or of one item; at least one part, which may be empty.
fn cut<M: prost::Message>(items: Vec<M>, bytes_max: usize) -> Vec<Vec<M>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for item in items {
        bytes += item.encoded_len();
        if bytes > bytes_max && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(Vec::new());
            bytes = item.encoded_len();
        }
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    parts
}

async fn auth(shared: &Shared, connection: &Connection, token: &str) -> Result<(), Error> {
    let caller = shared.tokens.check(token).await?;
    let mine = &connection.identity.caller;
    if (caller.user_id, &caller.session_id) != (mine.user_id, &mine.session_id) {
        return Err(Error::invalid("access_token", "a token of the same session"));
    }
    connection.renew(caller.expires_at_ms);
    Ok(())
}
