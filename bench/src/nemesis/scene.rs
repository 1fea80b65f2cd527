//! Users in a ring of direct conversations, a group and a large one, whose members change all the time.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use im_infra::ids::ConversationId;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    hearing::Hearing,
    recorder::Recorder,
    talker::Talker,
    user::{User, is_outcome},
    world::LARGE_FROM,
};
use crate::ledger::Event;

/// Who is in the small group for good.
const SETTLED: usize = 3;
/// So many of those who come and go in the large group write there meanwhile, whether they are in it or not. A conversation that has
/// refused somebody is stored in another way from then on, so the small one has no such guests.
const GUESTS: usize = 2;
/// Fewer would make no large group.
pub(super) const USERS_MIN: usize = LARGE_FROM + 1;
/// Every so many users have two devices, on different gateways.
const TWO_DEVICES_EVERY: usize = 4;
/// Between two changes of a group's members.
const CHANGE_EVERY: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(50);
/// How long outcomes are waited for once nobody says anything new.
const PATIENCE: Duration = Duration::from_secs(75);

/// Who talks where.
pub(super) struct Scene {
    pub(super) recorder: Arc<Recorder>,
    hearing: Arc<Hearing>,
    pub(super) users: Vec<User>,
    pub(super) conversations: Vec<String>,
    /// The group and the large one, with how many of the users are in it for good; the others come and go.
    pub(super) groups: [(String, usize); 2],
    pub(super) addresses: Vec<String>,
    pace: Duration,
}

impl Scene {
    /// Registers so many users, who are spread over the gateways and together send so many messages a second.
    pub(super) async fn set(
        recorder: Arc<Recorder>,
        hearing: Arc<Hearing>,
        addresses: Vec<String>,
        count: usize,
        rate: u32,
    ) -> anyhow::Result<Self> {
        let (mut users, mut devices) = (Vec::new(), 0);
        for number in 0..count {
            let (address, name) = (&addresses[number % addresses.len()], format!("user{number}"));
            let mine = if number % TWO_DEVICES_EVERY == 0 { 2 } else { 1 };
            users.push(User::register(address, name, devices, mine).await?);
            devices += mine as u64;
        }
        let group = |key: &str| ConversationId::group(users[0].id, key).to_string();
        let groups = [("make-team", SETTLED), ("make-crowd", count * 5 / 6)];
        for (key, settled) in groups {
            let members: Vec<String> = users[1..settled].iter().map(|user| user.id.to_string()).collect();
            let body = json!({"title": key, "member_ids": members});
            let url = format!("http://{}/v1/groups", addresses[0]);
            insist(&recorder, &users[0], (&group(key), key), (&url, Some(&body))).await;
        }
        let groups = groups.map(|(key, settled)| (group(key), settled));
        let mut conversations: Vec<String> = groups.iter().map(|(group, _)| group.clone()).collect();
        conversations.extend((0..count).map(|at| users[at].direct(&users[(at + 1) % count])));
        let pace = Duration::from_secs(devices) / rate;
        Ok(Self { recorder, hearing, users, conversations, groups, addresses, pace })
    }

    /// All of them talk until the recorder says stop and everything has an outcome, or nothing has one for too long.
    pub(super) async fn play(&self) {
        let talking = join_all(self.talkers().into_iter().map(Talker::talk));
        let changing = [0, 1].map(|which| self.change_members(&self.groups[which]));
        let all = async { tokio::join!(talking, join_all(changing)) };
        let enough = async {
            self.recorder.stopping.cancelled().await;
            sleep(PATIENCE).await;
        };
        tokio::select! {
            _ = all => {}
            () = enough => {}
        }
        self.recorder.note(Event::Ended { at_us: self.recorder.now_us() });
    }

    fn talkers(&self) -> Vec<Talker> {
        let mut talkers = Vec::new();
        let count = self.users.len();
        for (at, user) in self.users.iter().enumerate() {
            let neighbours = [(at + 1) % count, (at + count - 1) % count];
            let mut mine = neighbours.map(|other| user.direct(&self.users[other])).to_vec();
            if at < SETTLED {
                mine.extend(self.groups.iter().map(|(group, _)| group.clone()));
            } else if at >= count - GUESTS {
                mine.push(self.groups[1].0.clone());
            }
            talkers.extend(user.sessions.iter().enumerate().map(|(device, session)| Talker {
                recorder: self.recorder.clone(),
                hearing: self.hearing.clone(),
                addresses: self.addresses.clone(),
                home: at + device,
                number: at,
                user: user.clone(),
                session: session.clone(),
                conversations: mine.clone(),
                pace: self.pace,
            }));
        }
        talkers
    }

    async fn change_members(&self, (group, settled): &(String, usize)) {
        let (owner, guests) = (&self.users[0], &self.users[*settled..]);
        for number in 0.. {
            if self.recorder.stopping.is_cancelled() {
                break;
            }
            let guest = &guests[number / 2 % guests.len()];
            let address = &self.addresses[number % self.addresses.len()];
            let mut url = format!("http://{address}/v1/conversations/{group}/members");
            let invite = json!({"user_ids": [guest.id.to_string()]});
            let body = (number % 2 == 0).then_some(&invite);
            if body.is_none() {
                url = format!("{url}/{}", guest.id);
            }
            insist(&self.recorder, owner, (group, &format!("change-{number}")), (&url, body)).await;
            let _ = timeout(CHANGE_EVERY, self.recorder.stopping.cancelled()).await;
        }
    }
}

/// A command over HTTP, again and again until it has an outcome.
async fn insist(
    recorder: &Recorder,
    user: &User,
    (conversation, command): (&str, &str),
    (url, body): (&str, Option<&Value>),
) {
    let client = recorder.next_client();
    loop {
        recorder.sent(client, user.id, (conversation, command));
        let Some((done, answer)) = user.command(url, command, body).await else {
            sleep(PAUSE).await;
            continue;
        };
        let (conversation, command) = (conversation.to_owned(), command.to_owned());
        let (at_us, user) = (recorder.now_us(), user.id);
        let number = |key: &str| answer[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        if done {
            let (seq, message_id) = (number("seq"), number("message_id"));
            return recorder.note(Event::Stored { at_us, client, user, conversation, command, seq, message_id });
        }
        let code = answer["code"].as_str().unwrap_or_default().to_owned();
        if proto::ErrorCode::parse(&code).is_none_or(is_outcome) {
            return recorder.note(Event::Rejected { at_us, user, conversation, command, code });
        }
        sleep(PAUSE).await;
    }
}
