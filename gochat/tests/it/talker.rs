//! Users who keep talking whatever happens to the servers, and write down what they see.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use im_bench::ledger::{self, Event};
use im_infra::{clock::Clock, database::DatabaseOptions, telemetry::Telemetry};
use im_repo::{Repo, RepoOptions, cache::MemoryCache};
use proto::{
    client::server_frame::Frame as In,
    message::{Entry, entry_body::Kind},
    repo::RangeRequest,
};
use serde_json::{Value, json};

use super::{
    client::{Socket, User},
    server::At,
};

/// Writes down what the clients see.
pub(crate) struct Recorder {
    started: Instant,
    events: Mutex<Vec<Event>>,
    clients: AtomicU64,
    stopping: AtomicBool,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        let (events, clients) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { started: Instant::now(), events, clients, stopping: AtomicBool::new(false) })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap()
    }

    pub(crate) fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn next_client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn sent(&self, client: u64, user: i64, (conversation, command): (&str, &str)) {
        let (conversation, command) = (conversation.to_owned(), command.to_owned());
        self.note(Event::Sent { at_us: self.now_us(), client, user, conversation, command });
    }
}

/// One user on one device, who reconnects whenever the connection ends and sends again what has no outcome.
pub(crate) struct Talker {
    recorder: Arc<Recorder>,
    address: String,
    user: User,
    device: usize,
    conversations: Vec<String>,
    pace_ms: u64,
    /// Sent and not answered, oldest first.
    open: VecDeque<(String, String)>,
    made: usize,
}

impl Talker {
    pub(crate) async fn talk(mut self) {
        while !(self.recorder.stopping() && self.open.is_empty()) {
            let Some(socket) = Socket::try_open(&self.address, &self.user).await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let client = self.recorder.next_client();
            self.recorder.note(Event::Connected { at_us: self.recorder.now_us(), client, user: self.user.id });
            self.connected(client, socket).await;
            self.recorder.note(Event::Disconnected { at_us: self.recorder.now_us(), client });
        }
    }

    async fn connected(&mut self, client: u64, mut socket: Socket) {
        for (conversation, command) in self.open.clone() {
            if self.send(&mut socket, client, &conversation, &command).await.is_none() {
                return;
            }
        }
        let mut tick = tokio::time::interval(Duration::from_millis(self.pace_ms));
        while !(self.recorder.stopping() && self.open.is_empty()) {
            tokio::select! {
                _ = tick.tick() => {
                    if self.recorder.stopping() || self.open.len() >= 16 {
                        continue;
                    }
                    let conversation = self.conversations[self.made % self.conversations.len()].clone();
                    let command = format!("{}-{}-{}", self.user.name, self.device, self.made);
                    self.made += 1;
                    self.open.push_back((conversation.clone(), command.clone()));
                    if self.send(&mut socket, client, &conversation, &command).await.is_none() {
                        return;
                    }
                }
                frame = socket.read() => match frame {
                    Ok(Some(frame)) => if !self.take(client, frame) { return },
                    Ok(None) | Err(_) => return,
                }
            }
        }
    }

    async fn send(&self, socket: &mut Socket, client: u64, conversation: &str, command: &str) -> Option<()> {
        self.recorder.sent(client, self.user.id, (conversation, command));
        socket.try_send_text(conversation, command, command).await.ok()
    }

    /// Whether the connection goes on.
    fn take(&mut self, client: u64, frame: In) -> bool {
        let (at_us, user) = (self.recorder.now_us(), self.user.id);
        match frame {
            In::Ack(ack) => {
                self.open.retain(|(conversation, command)| {
                    (conversation, command) != (&ack.conversation_id, &ack.command_id)
                });
                let (conversation, command) = (ack.conversation_id, ack.command_id);
                self.recorder.note(Event::Stored {
                    at_us,
                    client,
                    user,
                    conversation,
                    command,
                    seq: ack.seq,
                    message_id: ack.message_id,
                });
            }
            In::Entry(entry) => {
                let (conversation, command) = (entry.conversation_id, entry.command_id);
                let (seq, message_id) = (entry.seq, entry.message_id);
                self.recorder.note(Event::Pushed { at_us, client, user, conversation, seq, message_id, command });
            }
            In::Error(frame) => {
                let error = proto::Error::from(frame.error.unwrap_or_default());
                if error.code().retryable() {
                    // Come again with everything that is open, in order.
                    return false;
                }
                let (conversation, command) = (frame.conversation_id, frame.command_id);
                self.open.retain(|open| *open != (conversation.clone(), command.clone()));
                self.recorder.note(Event::Rejected {
                    at_us,
                    user,
                    conversation,
                    command,
                    code: error.code().to_string(),
                });
            }
            _ => {}
        }
        true
    }
}

/// A command over HTTP, again and again until it has an outcome.
pub(crate) async fn insist(
    recorder: &Recorder,
    (address, user): (&str, &User),
    conversation: &str,
    command: &str,
    (path, body): (&str, Option<Value>),
) {
    let client = recorder.next_client();
    loop {
        recorder.sent(client, user.id, (conversation, command));
        let url = format!("http://{address}{path}");
        let request = if let Some(body) = &body { user.http.post(url).json(body) } else { user.http.delete(url) };
        let Ok(answer) = request.bearer_auth(&user.token).header("idempotency-key", command).send().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (status, Ok(body)) = (answer.status(), answer.json::<Value>().await) else { continue };
        let (conversation, command) = (conversation.to_owned(), command.to_owned());
        let (at_us, user) = (recorder.now_us(), user.id);
        if status.is_success() {
            let number = |key: &str| body[key].as_str().unwrap().parse().unwrap();
            let (seq, message_id) = (number("seq"), number("message_id"));
            return recorder.note(Event::Stored { at_us, client, user, conversation, command, seq, message_id });
        }
        let code = body["code"].as_str().unwrap_or_default().to_owned();
        if !proto::ErrorCode::parse(&code).is_some_and(proto::ErrorCode::retryable) {
            return recorder.note(Event::Rejected { at_us, user, conversation, command, code });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn to_ledger(entry: Entry) -> ledger::Entry {
    let kind = entry.body.and_then(|body| body.kind);
    let (mut members, mut left) = (Vec::new(), Vec::new());
    match &kind {
        Some(Kind::Created(created)) => members.clone_from(&created.member_ids),
        Some(Kind::Joined(joined)) => members.clone_from(&joined.user_ids),
        Some(Kind::Left(gone)) => left.push(gone.user_id),
        Some(Kind::Removed(gone)) => left.push(gone.user_id),
        // The first message of a direct conversation makes its members.
        Some(Kind::Message(_)) if entry.seq == 1 => {
            members = entry.conversation_id.split(':').skip(1).filter_map(|part| part.parse().ok()).collect();
        }
        _ => {}
    }
    let (seq, message_id, sender, command, msg_no) =
        (entry.seq, entry.message_id, entry.sender_id, entry.command_id, entry.msg_no);
    ledger::Entry {
        seq,
        message_id,
        sender,
        command,
        msg_no,
        members,
        left,
        countable: matches!(kind, Some(Kind::Message(_))),
    }
}

/// What everybody sees in the end, by a gateway, and what is in the database.
pub(crate) async fn settle(recorder: &Recorder, at: &impl At, users: &[User], conversations: &[String]) {
    for user in users {
        // Direct conversations of others answer not_found, as tests elsewhere show.
        let id = user.id.to_string();
        let mine =
            |conversation: &&String| conversation.starts_with("g:") || conversation.split(':').any(|part| part == id);
        for conversation in conversations.iter().filter(mine) {
            let path = format!("/v1/conversations/{conversation}");
            let answer = user.request(at, reqwest::Method::GET, &path, "", None).await;
            if !answer.status().is_success() {
                continue;
            }
            let state: Value = answer.json().await.unwrap();
            let history = user.history(at, conversation).await;
            let entries = history.iter().map(|entry| (entry.seq, entry.message_id)).collect();
            recorder.note(Event::Seen { user: user.id, conversation: conversation.clone(), entries });
            let number = |key: &str| state[key].as_str().map_or(0, |text| text.parse().unwrap());
            if number("left_seq") == 0 {
                let (unread, read_seq) = (number("unread"), number("read_seq"));
                recorder.note(Event::Unread {
                    user: user.id,
                    device: 0,
                    conversation: conversation.clone(),
                    unread,
                    read_seq,
                });
            }
        }
    }
}

/// The logs as the database has them.
pub(crate) async fn read_logs(recorder: &Recorder, database_url: String, conversations: &[String]) {
    let options = RepoOptions::new(DatabaseOptions::new(database_url));
    let cache = Arc::new(MemoryCache::new(&options.cache));
    let repo = Repo::start(&options, cache, Clock::system(), &Telemetry::for_tests(), "").await.unwrap();
    for conversation in conversations {
        let (mut all, mut from_seq) = (Vec::new(), 1);
        loop {
            let conversation_id = conversation.clone();
            let range = RangeRequest { conversation_id, from_seq, to_seq: i64::MAX, limit: 500, newest: false };
            let page = repo.store().range(&range).await.unwrap();
            let Some(last) = page.last() else { break };
            from_seq = last.seq + 1;
            all.extend(page.into_iter().map(to_ledger));
        }
        recorder.note(Event::Log { conversation: conversation.clone(), entries: all });
    }
}

/// Users in a ring of direct conversations, a group and a large one, whose members change all the time.
pub(crate) struct Scene {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) users: Vec<User>,
    pub(crate) conversations: Vec<String>,
    /// The group and the large one, with how many of the users are in it for good; the others come and go.
    groups: [(String, usize); 2],
    addresses: Vec<String>,
    pace_ms: u64,
}

/// A server with this makes the second group of a scene large, and never the first.
pub(crate) const SCENE_LARGE: (&str, &str) = ("LOGIC__LIMITS__LARGE_FROM", "5");
/// Who is in the small group for good.
const SETTLED: usize = 3;

impl Scene {
    /// Registers so many users, who are spread over the gateways; each device says something that often.
    pub(crate) async fn set(addresses: Vec<String>, count: usize, pace_ms: u64) -> Self {
        let mut users = Vec::new();
        for number in 0..count {
            users.push(User::register(&addresses[number % addresses.len()], &format!("user{number}")).await);
        }
        let recorder = Recorder::new();
        let mut groups = Vec::new();
        for (key, settled) in [("make-team", SETTLED), ("make-crowd", count * 5 / 6)] {
            let group = im_infra::ids::ConversationId::group(users[0].id, key).to_string();
            let members: Vec<String> = users[1..settled].iter().map(|user| user.id.to_string()).collect();
            let make = ("/v1/groups", Some(json!({"title": key, "member_ids": members})));
            insist(&recorder, (&addresses[0], &users[0]), &group, key, make).await;
            groups.push((group, settled));
        }
        let groups: [(String, usize); 2] = groups.try_into().unwrap();
        let mut conversations: Vec<String> = groups.iter().map(|(group, _)| group.clone()).collect();
        conversations.extend((0..count).map(|at| users[at].direct(&users[(at + 1) % count])));
        Self { recorder, users, conversations, groups, addresses, pace_ms }
    }

    /// All of them talk until the recorder says stop and everything has an outcome.
    pub(crate) async fn play(&self) {
        let mut talkers = Vec::new();
        for (at, user) in self.users.iter().enumerate() {
            // Every fourth user has two devices, on different gateways.
            for device in 0..if at % 4 == 0 { 2 } else { 1 } {
                let count = self.users.len();
                let mut mine = vec![
                    user.direct(&self.users[(at + 1) % count]),
                    user.direct(&self.users[(at + count - 1) % count]),
                ];
                if at < SETTLED {
                    mine.extend(self.groups.iter().map(|(group, _)| group.clone()));
                }
                talkers.push(Talker {
                    recorder: self.recorder.clone(),
                    address: self.addresses[(at + device) % self.addresses.len()].clone(),
                    user: user.clone(),
                    device,
                    conversations: mine,
                    pace_ms: self.pace_ms,
                    open: VecDeque::new(),
                    made: 0,
                });
            }
        }
        let talking = futures_util::future::join_all(talkers.into_iter().map(Talker::talk));
        tokio::join!(talking, self.change_members(&self.groups[0]), self.change_members(&self.groups[1]));
    }

    async fn change_members(&self, (group, settled): &(String, usize)) {
        let (owner, guests) = (&self.users[0], &self.users[*settled..]);
        let path = format!("/v1/conversations/{group}/members");
        for number in 0.. {
            if self.recorder.stopping() {
                break;
            }
            let guest = &guests[number / 2 % guests.len()];
            let invite = Some(json!({"user_ids": [guest.id.to_string()]}));
            let (path, body) =
                if number % 2 == 0 { (path.clone(), invite) } else { (format!("{path}/{}", guest.id), None) };
            let address = &self.addresses[number % self.addresses.len()];
            insist(&self.recorder, (address, owner), group, &format!("change-{number}"), (&path, body)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What the ledger says of all that.
    pub(crate) fn judge(&self) -> ledger::Report {
        ledger::check(&self.recorder.events.lock().unwrap())
    }
}
