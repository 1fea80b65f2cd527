//! What everybody sees in the end, by every gateway, and what is in the store.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use im_infra::{clock::Clock, database::DatabaseOptions, telemetry::Telemetry};
use im_repo::{Repo, RepoOptions, cache::MemoryCache};
use proto::repo::RangeRequest;
use serde_json::Value;
use tokio::time::sleep;

use super::{fault::Subject, scene::Scene, socket::Socket, user::User, world::ROUTE_TTL};
use crate::ledger::{Entry, Event};

/// How long cursors and routes that were on their way may take to arrive everywhere.
const CONVERGE_MAX: Duration = Duration::from_secs(15);
/// Less than a gateway waits for a client that says nothing.
const PING_EVERY: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
/// Entries read at once.
const PAGE: u32 = 500;

/// By the HTTP API.
pub(super) async fn settle(scene: &Scene, subject: Subject) -> anyhow::Result<()> {
    presence(scene, subject).await?;
    for user in &scene.users {
        // Direct conversations of others answer not_found, as tests elsewhere show.
        let id = user.id.to_string();
        let mine =
            |conversation: &&String| conversation.starts_with("g:") || conversation.split(':').any(|part| part == id);
        for conversation in scene.conversations.iter().filter(mine) {
            counts(scene, user, conversation).await?;
        }
    }
    Ok(())
}

/// What a device is told by a gateway.
struct Told {
    device: u64,
    unread: i64,
    read_seq: i64,
    is_member: bool,
}

/// History, and the counts by every device and gateway: equal once nothing moves any more.
async fn counts(scene: &Scene, user: &User, conversation: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + CONVERGE_MAX;
    let told = loop {
        let Some(told) = tell(scene, user, conversation).await? else { return Ok(()) };
        let same = told.windows(2).all(|two| (two[0].unread, two[0].read_seq) == (two[1].unread, two[1].read_seq));
        if same || Instant::now() >= deadline {
            break told;
        }
        sleep(POLL).await;
    };
    let history = user.history(&scene.addresses[0], conversation).await?;
    let entries = history.iter().map(|entry| (entry.seq, entry.message_id)).collect();
    scene.recorder.note(Event::Seen { user: user.id, conversation: conversation.to_owned(), entries });
    for Told { device, unread, read_seq, .. } in told.into_iter().filter(|told| told.is_member) {
        let (user, conversation) = (user.id, conversation.to_owned());
        scene.recorder.note(Event::Unread { user, device, conversation, unread, read_seq });
    }
    Ok(())
}

/// None where the user was never a member.
async fn tell(scene: &Scene, user: &User, conversation: &str) -> anyhow::Result<Option<Vec<Told>>> {
    let mut all = Vec::new();
    for turn in 0..user.sessions.len().max(scene.addresses.len()) {
        let (session, address) = (turn % user.sessions.len(), &scene.addresses[turn % scene.addresses.len()]);
        let url = format!("http://{address}/v1/conversations/{conversation}");
        let Some(state) = user.read(session, &url).await? else { return Ok(None) };
        let number = |key: &str| state[key].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        let (unread, read_seq, is_member) = (number("unread"), number("read_seq"), number("left_seq") == 0);
        all.push(Told { device: user.sessions[session].device, unread, read_seq, is_member });
    }
    Ok(Some(all))
}

/// Every other user comes once more, and the members of the large group are looked at until they are shown as they are. The route
/// of a killed gateway counts in Redis for as long as its time to live: so long is waited where there is one.
async fn presence(scene: &Scene, subject: Subject) -> anyhow::Result<()> {
    let mut here = HashMap::new();
    for (at, user) in scene.users.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        let address = &scene.addresses[at % scene.addresses.len()];
        let socket = Socket::open(address, &user.sessions[0], false).await;
        here.insert(user.id, socket.with_context(|| format!("{address} takes no connection any more"))?);
    }
    let url = format!("http://{}/v1/conversations/{}/members?limit=200", scene.addresses[0], scene.groups[1].0);
    let routes_max = if subject == Subject::Processes { ROUTE_TTL } else { Duration::ZERO };
    let (deadline, mut ping_at) = (Instant::now() + routes_max + CONVERGE_MAX, Instant::now() + PING_EVERY);
    let shown = loop {
        let page = scene.users[0].read(0, &url).await?.context("the owner may not see the members")?;
        let shown = members(&page).into_iter().map(|(user, online)| (user, here.contains_key(&user), online));
        let shown: Vec<(i64, bool, bool)> = shown.collect();
        if shown.iter().all(|(_, connected, online)| connected == online) || Instant::now() >= deadline {
            break shown;
        }
        if Instant::now() >= ping_at {
            for socket in here.values_mut() {
                socket.ping().await.ok().context("a connection ended although nothing was wrong any more")?;
            }
            ping_at += PING_EVERY;
        }
        sleep(POLL).await;
    };
    for (user, connected, online) in shown {
        scene.recorder.note(Event::Presence { user, connected, online });
    }
    Ok(())
}

/// User and whether online.
fn members(page: &Value) -> Vec<(i64, bool)> {
    let items = page["items"].as_array().into_iter().flatten();
    let member = |item: &Value| {
        let user = item["user"]["user_id"].as_str()?.parse().ok()?;
        Some((user, item["online"].as_bool().unwrap_or(false)))
    };
    items.filter_map(member).collect()
}

/// The logs as the store has them.
pub(super) async fn read_logs(scene: &Scene, database_url: String) -> anyhow::Result<()> {
    let options = RepoOptions::new(DatabaseOptions::new(database_url));
    let cache = Arc::new(MemoryCache::new(&options.cache));
    let telemetry = Telemetry::for_tests();
    let repo = Box::pin(Repo::start(&options, cache, Clock::system(), &telemetry, "")).await;
    let repo = repo.context("cannot read the store")?;
    for conversation in &scene.conversations {
        let (mut entries, mut from_seq) = (Vec::new(), 1);
        loop {
            let conversation_id = conversation.clone();
            let range = RangeRequest { conversation_id, from_seq, to_seq: i64::MAX, limit: PAGE, newest: false };
            let page = repo.store().range(&range).await?;
            let Some(last) = page.last() else { break };
            from_seq = last.seq + 1;
            entries.extend(page.into_iter().map(Entry::from));
        }
        scene.recorder.note(Event::Log { conversation: conversation.clone(), entries });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_who_is_online() {
        let page = serde_json::json!({"items": [
            {"user": {"user_id": "7"}, "online": true}, {"user": {"user_id": "8"}, "online": false},
            {"user": {"user_id": "9"}},
        ]});
        assert_eq!(members(&page), [(7, true), (8, false), (9, false)]);
    }
}
