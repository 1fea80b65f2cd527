//! Names of metrics and of their labels, in one place. Counters get `_total`, seconds get `_seconds` from the exporter.

/// Label: the topic.
pub const TOPIC: &str = "topic";
/// Label: the consumer group.
pub const GROUP: &str = "group";
/// Label: the partition of a topic.
pub const PARTITION: &str = "partition";
/// Label: an error code of docs/errors.md.
pub const CODE: &str = "code";
/// Label: which of several kinds.
pub const KIND: &str = "kind";
/// Label: how it ended.
pub const RESULT: &str = "result";

/// Records confirmed by the queue.
pub const MQ_PRODUCED: &str = "im.mq.produced";
/// Records whose effect was confirmed.
pub const MQ_CONSUMED: &str = "im.mq.consumed";
/// Batches tried again in place.
pub const MQ_RETRIES: &str = "im.mq.retries";
/// Records given up.
pub const MQ_DEAD: &str = "im.mq.dead_letters";
/// Records, or gaps, that a log has lost or cannot read.
pub const MQ_DAMAGED: &str = "im.mq.damaged";
/// Records that a group has yet to handle, of each partition that this process holds.
pub const MQ_LAG: &str = "im.mq.lag";
/// Commits refused because the partition had moved on.
pub const MQ_FENCED: &str = "im.mq.commits_fenced";
/// Clients of Kafka that had lost all brokers and were replaced.
pub const MQ_CLIENTS_REPLACED: &str = "im.mq.clients_replaced";

/// Append outcomes by kind: stored, repeated, rejected, conflict, decide_again, failed.
pub const APPEND_OUTCOMES: &str = "im.append.outcomes";
/// Seconds an append took.
pub const APPEND_DURATION: &str = "im.append.duration";
/// Appends split to find the record that violates a constraint.
pub const APPEND_BISECTIONS: &str = "im.append.bisections";
/// Conversations appended to upon a row that the caller remembered, by result: held (nothing had to be read), moved (theirs or
/// that of another one of the call).
pub const APPEND_EXPECTED: &str = "im.append.expected";

/// Attempts at batches of commands by kind: alone, joint (with those of other partitions), apart (alone, after a failure).
pub const COMMANDS_BATCHES: &str = "im.commands.batches";
/// Commands decided, by result code.
pub const COMMANDS_DECIDED: &str = "im.commands.decided";
/// Seconds from a command's arrival at the gateway to its outcome's departure from logic.
pub const COMMAND_DURATION: &str = "im.command.duration";

/// Background tasks by kind and result: done, retry, reject.
pub const TASKS: &str = "im.tasks";
/// Seconds from the begin of a run of tasks to its end, by kind.
pub const TASK_DURATION: &str = "im.task.duration";

/// Operations of the session store that failed or took too long.
pub const SESSION_STORE_FAILURES: &str = "im.session_store.failures";
/// 1 while the gateway's slot is certainly its own, else 0.
pub const SLOT_HELD: &str = "im.slot.held";

/// Open WebSocket connections.
pub const CONNECTIONS: &str = "im.connections";
/// Open TCP connections of clients, WebSockets among them.
pub const TCP_CONNECTIONS: &str = "im.tcp.connections";
/// Frames received.
pub const FRAMES_IN: &str = "im.frames.in";
/// Frames queued for clients.
pub const FRAMES_OUT: &str = "im.frames.out";
/// Requests and frames refused, by code.
pub const REFUSALS: &str = "im.refusals";
/// Commands waiting for their outcome.
pub const WINDOW_COMMANDS: &str = "im.window.commands";
/// Large conversations in the gateway's index.
pub const INDEX_CONVERSATIONS: &str = "im.index.conversations";
/// Large conversations loaded into the index because they were met unindexed.
pub const INDEX_LOADS: &str = "im.index.loads";
/// Large conversations that are being loaded, or wait for their turn.
pub const INDEX_LOADING: &str = "im.index.loading";
/// Syncs and fetches that are being answered, or wait for their turn.
pub const READS: &str = "im.reads";
/// Hellos that are being answered, or wait for their turn.
pub const HELLOS: &str = "im.hellos";
/// Seconds from a command's admission to its outcome.
pub const WINDOW_DURATION: &str = "im.window.duration";
/// Cache look-ups by cache and result.
pub const CACHE_LOOKUPS: &str = "im.cache.lookups";
/// Things read from the database because the cache did not know them, by kind: one for all that wait for it.
pub const CACHE_READS: &str = "im.cache.reads";
/// Fills by kind and result: kept, discarded (a change came between), error.
pub const CACHE_FILLS: &str = "im.cache.fills";
/// Calls that the cache did not answer, by kind of call: get, fill, change.
pub const CACHE_FAILURES: &str = "im.cache.failures";
/// Rows that were too old to be kept, by kind: rejection, conversation.
pub const PRUNED: &str = "im.repo.pruned";

/// Buckets, in seconds, for everything that should take milliseconds.
pub const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
