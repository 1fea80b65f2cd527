//! A user's command: checked in form, rate-limited, admitted, stamped, sent on its way.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use im_infra::{
    clock::Clock,
    ids::{CommandId, ConversationId, UserId},
    mq::{NewRecord, Topic},
    planted::{self, Bug},
    telemetry::trace_context,
};
use prost::Message as _;
use proto::{Error, ErrorCode, mq};

use super::{Admitted, Key, Producer, Waiter, Window};
use crate::{config::GatewayOptions, metrics::Metrics, tokens::Caller};

/// What a command wants.
pub(crate) struct Action {
    pub(crate) conversation: ConversationId,
    pub(crate) command_id: CommandId,
    pub(crate) command: mq::upstream::Command,
    pub(crate) request_id: String,
}

/// Takes commands in.
pub(crate) struct Intake {
    pub(crate) window: Window<Waiter>,
    producer: Producer,
    origin: mq::Origin,
    clock: Clock,
    rate: DefaultKeyedRateLimiter<UserId>,
    body_bytes_max: usize,
}

impl Intake {
    pub(crate) fn new(
        options: &GatewayOptions,
        producer: Producer,
        origin: mq::Origin,
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        let per_second = NonZeroU32::new(options.rate.commands_per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(options.rate.commands_burst).unwrap_or(NonZeroU32::MIN);
        Self {
            window: Window::new(options.window.clone(), metrics),
            producer,
            origin,
            clock,
            rate: RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)),
            body_bytes_max: options.ws.body_bytes_max,
        }
    }

    /// Forgets users who have been silent; from a timer.
    pub(crate) fn tidy(&self) {
        self.rate.retain_recent();
        self.rate.shrink_to_fit();
    }

    /// Sends a command on its way; its outcome comes to the waiter.
    pub(crate) fn take(&self, caller: &Caller, action: Action, waiter: Waiter) -> Result<(), Error> {
        if let mq::upstream::Command::Send(content) = &action.command {
            let bytes = content.encoded_len();
            if bytes > self.body_bytes_max {
                return Err(Error::new(ErrorCode::BodyTooBig)
                    .with("bytes", bytes)
                    .with("bytes_max", self.body_bytes_max));
            }
        }
        self.check_rate(caller.user_id)?;
        let conversation_id = action.conversation.to_string();
        let record = self.stamp(caller, &conversation_id, action);
        let key = Key { user_id: caller.user_id, conversation_id, command_id: record.command_id.clone() };
        let bytes = record.encoded_len();
        let by = if planted::is(Bug::PartitionKeyWrong) { &key.command_id } else { &key.conversation_id };
        let new = NewRecord::keyed(by.clone(), record.encode_to_vec())
            .header(trace_context::TRACE_PARENT, trace_context::current());
        if new.bytes() > Topic::Upstream.record_bytes_max() {
            return Err(Error::new(ErrorCode::BodyTooBig)
                .with("bytes", new.bytes())
                .with("bytes_max", Topic::Upstream.record_bytes_max()));
        }
        let place = self.producer.reserve()?;
        match self.window.admit(key, (record.payload_hash, bytes), waiter, Instant::now())? {
            Admitted::Attached => Ok(()),
            Admitted::New => {
                place.send(new);
                Ok(())
            }
        }
    }

    /// Sends read cursors on their way, keyed by user; nobody waits for them.
    pub(crate) fn take_cursors(&self, user_id: UserId, cursors: Vec<mq::ReadCursor>) -> Result<(), Error> {
        let record = mq::Upstream {
            caller: Some(mq::Caller { user_id, ..mq::Caller::default() }),
            origin: Some(self.origin.clone()),
            received_at_ms: self.clock.now_ms(),
            command: Some(mq::upstream::Command::ReadCursors(mq::ReadCursors { cursors })),
            ..mq::Upstream::default()
        };
        let key = ConversationId::Personal(user_id).to_string();
        self.producer.reserve()?.send(NewRecord::keyed(key, record.encode_to_vec()));
        Ok(())
    }

    /// Takes one from the user's bucket.
    pub(crate) fn check_rate(&self, user_id: UserId) -> Result<(), Error> {
        self.rate.check_key(&user_id).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.rate.clock().now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(1_000);
            Error::new(ErrorCode::RateLimited).retry_after_ms(wait_ms.max(1))
        })
    }

    fn stamp(&self, caller: &Caller, conversation_id: &str, action: Action) -> mq::Upstream {
        let mut record = mq::Upstream {
            conversation_id: conversation_id.to_owned(),
            command: Some(action.command),
            ..mq::Upstream::default()
        };
        // Of the command alone: not of who sent it where and when.
        record.payload_hash = Bytes::copy_from_slice(digest(&SHA256, &record.encode_to_vec()).as_ref());
        record.caller = Some(mq::Caller {
            user_id: caller.user_id,
            session_id: caller.session_id.clone(),
            device_id: caller.device_id.clone(),
        });
        record.origin = Some(self.origin.clone());
        record.command_id = action.command_id.to_string();
        record.received_at_ms = self.clock.now_ms();
        record.request_id = action.request_id;
        record
    }
}
