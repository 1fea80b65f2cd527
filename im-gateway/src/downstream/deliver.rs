//! Hands out one record of `im.downstream`.

use std::sync::Arc;

use im_infra::{
    failpoint::{Point, reach},
    lifecycle::Lifecycle,
    telemetry::trace_context,
};
use proto::{
    Error, ErrorCode, client,
    client::server_frame::Frame as Body,
    mq::{Broadcast, Delivery, Downstream, Outcome, Receipt, Revocation, outcome},
};

use tokio::sync::Semaphore;

use crate::{
    connections::{Connection, Connections, Frame, Pushes},
    index::{self, Admitted, Attempt, Index},
    logic::Logic,
    metrics::{Counted, Metrics},
    tokens::Tokens,
    upstream::{Intake, Key, Waiter},
};

/// Hands out what comes for this gateway.
pub(crate) struct Deliver {
    pub(crate) instance: String,
    pub(crate) connections: Arc<Connections>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) index: Arc<Index>,
    pub(crate) logic: Logic,
    pub(crate) life: Lifecycle,
    /// Loads of members that may run at once.
    pub(crate) loads: Semaphore,
}

impl Deliver {
    /// Gives what a record brings to whom it is for; the caller has it written.
    pub(crate) fn letter(self: &Arc<Self>, letter: Downstream, pushes: &mut Pushes) {
        // The partition was another instance's before, and its last letters may still lie here.
        if letter.instance != self.instance {
            return;
        }
        for outcome in letter.outcomes {
            self.outcome(outcome, pushes);
        }
        for delivery in letter.deliveries {
            self.delivery(delivery, pushes);
        }
        for broadcast in letter.broadcasts {
            self.broadcast(broadcast, pushes);
        }
        for receipt in letter.receipts {
            self.receipt(receipt, pushes);
        }
        for revocation in letter.revocations {
            self.revoked(&revocation);
        }
    }

    fn outcome(&self, outcome: Outcome, pushes: &mut Pushes) {
        let Outcome { user_id, conversation_id, command_id, payload_hash, result: Some(result), .. } = outcome else {
            return;
        };
        let key = Key { user_id, conversation_id, command_id };
        reach(Point::GatewayBeforeAnswer);
        for waiter in self.intake.window.settle(&key, &payload_hash) {
            answer(waiter, &key, result.clone(), pushes);
        }
    }

    fn delivery(&self, delivery: Delivery, pushes: &mut Pushes) {
        let span = tracing::info_span!(
            "gateway.entry.deliver",
            otel.kind = "consumer",
            conversation_id = delivery.conversation_id
        );
        trace_context::continue_in(&span, &delivery.trace_parent);
        let _entered = span.entered();
        for entry in delivery.entries {
            let sent = self.connections.push(&delivery.recipients, &Frame::new(Body::Entry(entry)), pushes);
            self.metrics.frames_out.add(sent, &[]);
        }
    }

    /// To whoever is connected here of a large conversation, once it is known who that is.
    fn broadcast(self: &Arc<Self>, broadcast: Broadcast, pushes: &mut Pushes) {
        let conversation_id = broadcast.conversation_id.clone();
        if broadcast.missed && conversation_id.is_empty() {
            self.missed("parked");
            return;
        }
        if broadcast.missed {
            let frame = Frame::new(Body::Resync(client::Resync { reason: "parked".into() }));
            self.connections.push(&self.index.doubt_one(&conversation_id), &frame, pushes);
            return;
        }
        match self.index.admit(broadcast) {
            Admitted::Now(broadcast) => self.fan_out(&broadcast, pushes),
            Admitted::Waits => {}
            Admitted::Load => self.load(conversation_id),
            Admitted::GivenUp => {
                tracing::error!(conversation_id, "too much waits for the members of a conversation, clients must sync");
                self.resync("index");
            }
        }
    }

    /// Loads the members of a large conversation beside everything else, then fans out what waited for them.
    fn load(self: &Arc<Self>, conversation_id: String) {
        self.metrics.index_loads.add(1, &[]);
        let counted = Counted::one(&self.metrics.index_loading);
        let deliver = self.clone();
        self.life.spawn_detached("index", async move {
            let _counted = counted;
            let Self { index, logic, life, loads, .. } = &*deliver;
            let attempt = Attempt::begin(index, &conversation_id, || {
                tracing::error!(conversation_id, "members of a conversation were not loaded, clients must sync");
                deliver.resync("index");
            });
            // Closed never.
            let _turn = loads.acquire().await;
            let fan_out = |broadcast| {
                let mut pushes = Pushes::default();
                deliver.fan_out(&broadcast, &mut pushes);
                pushes.write_out(life);
            };
            index::load(index, logic, &conversation_id, &life.stopping(), fan_out).await;
            attempt.done();
        });
    }

    fn fan_out(&self, broadcast: &Broadcast, pushes: &mut Pushes) {
        let span = tracing::info_span!(
            "gateway.entry.deliver",
            otel.kind = "consumer",
            conversation_id = broadcast.conversation_id
        );
        trace_context::continue_in(&span, &broadcast.trace_parent);
        let _entered = span.entered();
        if let Some(members) = &broadcast.index {
            self.index.take_up(&broadcast.conversation_id, members);
        }
        for entries in index::together(&broadcast.entries) {
            let frames = entries.iter().map(|entry| Frame::new(Body::Entry(entry.clone()))).collect();
            let (train, mut sent) = (Frame::train(frames), 0);
            self.index.fan_out(entries, |user| sent += self.connections.push(&[user], &train, pushes));
            self.metrics.frames_out.add(sent * entries.len() as u64, &[]);
        }
    }

    fn receipt(&self, receipt: Receipt, pushes: &mut Pushes) {
        let Receipt { conversation_id, user_id, read_seq, recipients } = receipt;
        let frame = Frame::new(Body::Receipt(client::Receipt { conversation_id, user_id, read_seq }));
        self.metrics.frames_out.add(self.connections.push(&recipients, &frame, pushes), &[]);
    }

    fn revoked(&self, revocation: &Revocation) {
        if self.tokens.revoke(&revocation.session_id) {
            self.end_session(revocation.user_id, &revocation.session_id);
        }
    }

    /// Closes the connections of an ended session.
    pub(crate) fn end_session(&self, user_id: i64, session_id: &str) {
        for connection in self.connections.of(user_id).iter().filter(|one| one.identity.caller.session_id == session_id)
        {
            let (code, message) = (ErrorCode::SessionRevoked, ErrorCode::SessionRevoked.message());
            connection.send_new(Body::Kicked(client::Kicked { code: code.to_string(), message: message.into() }));
            connection.outgoing.close(code);
        }
    }

    /// Records were missed: clients must sync, and what is known of large conversations has to be loaded again.
    pub(crate) fn missed(&self, reason: &str) {
        self.index.doubt();
        self.resync(reason);
    }

    /// Tells every client that what was pushed may have a hole.
    fn resync(&self, reason: &str) {
        let frame = Frame::new(Body::Resync(client::Resync { reason: reason.into() }));
        let mut pushes = Pushes::default();
        self.connections.all().iter().for_each(|connection| pushes.add(connection, &frame));
        pushes.write_out(&self.life);
    }

    /// Gives up commands that waited too long: their connections start over and send them again.
    pub(crate) fn expire(&self) {
        let mut pushes = Pushes::default();
        for (key, waiters) in self.intake.window.expire(std::time::Instant::now()) {
            self.metrics.refused(ErrorCode::OutcomeUnknown);
            for waiter in waiters {
                let close = match &waiter {
                    Waiter::Connection(connection) => Some(Arc::clone(connection)),
                    Waiter::Request(_) => None,
                };
                let unknown = Error::new(ErrorCode::OutcomeUnknown).into();
                answer(waiter, &key, outcome::Result::Error(unknown), &mut pushes);
                if let Some(connection) = close {
                    connection.outgoing.close(ErrorCode::OutOfStep);
                }
            }
        }
        pushes.write_out(&self.life);
    }
}

/// Tells whoever waits how a command ended.
fn answer(waiter: Waiter, key: &Key, result: outcome::Result, pushes: &mut Pushes) {
    match waiter {
        Waiter::Connection(connection) => answer_connection(&connection, key, result, pushes),
        // The request may have ended meanwhile.
        Waiter::Request(request) => drop(request.send(result)),
    }
}

fn answer_connection(connection: &Arc<Connection>, key: &Key, result: outcome::Result, pushes: &mut Pushes) {
    let (conversation_id, command_id) = (key.conversation_id.clone(), key.command_id.clone());
    // A resend of it may have been held behind others: it does not have to come again.
    connection.abandon(&conversation_id, &command_id);
    let frame = match result {
        outcome::Result::Stored(stored) => Body::Ack(client::Ack {
            conversation_id,
            command_id,
            seq: stored.seq,
            message_id: stored.message_id,
            created_at_ms: stored.created_at_ms,
        }),
        outcome::Result::Error(error) => {
            Body::Error(client::ErrorFrame { error: Some(error), conversation_id, command_id, tag: String::new() })
        }
    };
    pushes.add(connection, &Frame::new(frame));
}
