//! The store: rows in memory, changed by im-repo's own plans and by nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use im_infra::ids::{ConversationId, UserId};
use im_repo::domain::{Known, Locked, Plan, Row, expected, plan};
use proto::{
    common::FanOutMode,
    message::Entry,
    repo::{AppendGroup, GroupOutcome, Head, Member, Membership, PutCursor, State, StateQuery},
};

use crate::bug::Bug;

/// All rows.
#[derive(Default)]
pub(crate) struct Store {
    conversations: BTreeMap<String, Rows>,
    of_user: BTreeMap<UserId, BTreeSet<String>>,
}

/// Those of one conversation.
struct Rows {
    row: Row,
    entries: Vec<Entry>,
    commands: HashMap<(UserId, String), Known>,
    members: BTreeMap<UserId, Member>,
    /// Read up to this seq, which is this countable one.
    cursors: BTreeMap<UserId, (i64, i64)>,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            row: Row { first_seq: 1, ..Row::default() },
            entries: Vec::new(),
            commands: HashMap::new(),
            members: BTreeMap::new(),
            cursors: BTreeMap::new(),
        }
    }
}

impl Store {
    /// One transaction; answers the entries that are new, too.
    pub(crate) fn append(
        &mut self,
        groups: &[AppendGroup],
        now_ms: i64,
        bug: Option<Bug>,
    ) -> (Vec<GroupOutcome>, Vec<(Entry, bool)>) {
        let (mut outcomes, mut stored) = (Vec::with_capacity(groups.len()), Vec::new());
        for group in groups {
            let rows = self.conversations.entry(group.conversation_id.clone()).or_default();
            let locked = rows.as_expected(group, bug).unwrap_or_else(|| rows.locked(group, bug));
            let plan = plan(locked, &as_decided(group, rows, bug), now_ms);
            stored.extend(plan.entries.iter().map(|(entry, _, countable)| (entry.clone(), *countable)));
            for user in plan.members.keys() {
                self.of_user.entry(*user).or_default().insert(group.conversation_id.clone());
            }
            let answers = rows.write(plan);
            let (conversation_id, row) = (group.conversation_id.clone(), Some(rows.row.clone()));
            outcomes.push(GroupOutcome { conversation_id, outcomes: answers, row });
        }
        (outcomes, stored)
    }

    /// The state of conversations; of large ones only the places asked for.
    pub(crate) fn states(&self, queries: &[StateQuery]) -> Vec<State> {
        queries.iter().map(|query| self.state(query)).collect()
    }

    fn state(&self, query: &StateQuery) -> State {
        let conversation_id = query.conversation_id.clone();
        let Some(rows) = self.conversations.get(&conversation_id) else {
            return State { conversation_id, ..State::default() };
        };
        let everybody = query.all && rows.row.fan_out != FanOutMode::Large as i32;
        let asked = |member: &&Member| everybody || query.user_ids.contains(&member.user_id);
        State {
            conversation_id,
            state_version: rows.row.state_version,
            kind: rows.row.kind,
            open: rows.row.open,
            fan_out: rows.row.fan_out,
            member_count: u32::try_from(rows.row.member_count).unwrap_or(0),
            last_seq: rows.row.last_seq,
            members: rows.members.values().filter(asked).copied().collect(),
        }
    }

    /// Moves cursors of members forward, clamped to what exists; answers those that moved.
    pub(crate) fn put_cursors(&mut self, cursors: &[PutCursor], bug: Option<Bug>) -> Vec<PutCursor> {
        let mut moved = Vec::new();
        for cursor in cursors {
            let Some(rows) = self.conversations.get_mut(&cursor.conversation_id) else { continue };
            if rows.members.get(&cursor.user_id).is_none_or(|member| member.left_seq != 0) {
                continue;
            }
            let read_seq = cursor.read_seq.min(rows.row.last_seq);
            let held = rows.cursors.get(&cursor.user_id).copied().unwrap_or_default();
            if read_seq > held.0 || (bug == Some(Bug::CursorMovesBack) && read_seq > 0) {
                let read_msg_no = rows.entry(read_seq).map_or(0, |entry| entry.msg_no);
                rows.cursors.insert(cursor.user_id, (read_seq, read_msg_no));
                moved.push(PutCursor { read_seq, ..cursor.clone() });
            }
        }
        moved
    }

    /// A user's places, those that ended too, by ascending conversation id.
    pub(crate) fn memberships(&self, user: UserId) -> Vec<Membership> {
        let ids = self.of_user.get(&user).into_iter().flatten();
        ids.filter_map(|id| self.membership(user, id)).collect()
    }

    pub(crate) fn membership(&self, user: UserId, conversation_id: &str) -> Option<Membership> {
        let rows = self.conversations.get(conversation_id)?;
        let member = *rows.members.get(&user)?;
        let (read_seq, read_msg_no) = rows.cursors.get(&user).copied().unwrap_or_default();
        let peer = conversation_id.parse::<ConversationId>().ok().and_then(|id| id.peer_of(user));
        let peer_read_seq = peer.and_then(|peer| rows.cursors.get(&peer)).map_or(0, |cursor| cursor.0);
        let member = Some(Member { read_seq, ..member });
        Some(Membership { conversation_id: conversation_id.to_owned(), member, read_msg_no, peer_read_seq })
    }

    /// Everybody's places in a conversation after this user, those that ended too.
    pub(crate) fn members(&self, conversation_id: &str, after: UserId, members_max: usize) -> Vec<Member> {
        let rows = self.conversations.get(conversation_id);
        let members = rows.into_iter().flat_map(|rows| rows.members.range(after + 1..));
        members.map(|(_, member)| *member).take(members_max).collect()
    }

    pub(crate) fn head(&self, conversation_id: &str) -> Option<Head> {
        let rows = self.conversations.get(conversation_id).filter(|rows| rows.row.last_seq > 0)?;
        Some(Head {
            conversation_id: conversation_id.to_owned(),
            kind: rows.row.kind,
            title: rows.row.title.clone(),
            last_seq: rows.row.last_seq,
            last_msg_no: rows.row.last_msg_no,
            first_seq: rows.row.first_seq,
            member_count: u32::try_from(rows.row.member_count).unwrap_or(0),
            fan_out: rows.row.fan_out,
            last_entry: rows.entries.last().cloned(),
        })
    }

    /// Entries of a range, the oldest or the newest of them, ascending.
    pub(crate) fn range(
        &self,
        conversation_id: &str,
        (from, to): (i64, i64),
        limit: usize,
        newest: bool,
    ) -> Vec<Entry> {
        let Some(rows) = self.conversations.get(conversation_id) else { return Vec::new() };
        let first = usize::try_from(from - 1).unwrap_or(0).min(rows.entries.len());
        let last = usize::try_from(to).unwrap_or(0).min(rows.entries.len()).max(first);
        let found = &rows.entries[first..last];
        let cut = if newest { &found[found.len().saturating_sub(limit)..] } else { &found[..found.len().min(limit)] };
        cut.to_vec()
    }

    /// Whether a command has its outcome.
    pub(crate) fn knows(&self, conversation_id: &str, sender: UserId, command_id: &str) -> bool {
        let rows = self.conversations.get(conversation_id);
        rows.is_some_and(|rows| rows.commands.contains_key(&(sender, command_id.to_owned())))
    }

    pub(crate) fn cursor(&self, conversation_id: &str, user: UserId) -> i64 {
        let rows = self.conversations.get(conversation_id);
        rows.and_then(|rows| rows.cursors.get(&user)).map_or(0, |cursor| cursor.0)
    }
}

/// With a planted bug, what was decided upon whatever state seems to rest on this one.
fn as_decided(group: &AppendGroup, rows: &Rows, bug: Option<Bug>) -> AppendGroup {
    let mut group = group.clone();
    if bug == Some(Bug::StateVersionIgnored) {
        group.state_version = rows.row.state_version;
    }
    group
}

impl Rows {
    fn entry(&self, seq: i64) -> Option<&Entry> {
        self.entries.get(usize::try_from(seq - 1).ok()?)
    }

    /// As `append_upon` of im-repo: nothing is read where the row stands as expected. The unique key of the entries finds what was
    /// stored before, a mark on the row whether there are rejections.
    fn as_expected(&self, group: &AppendGroup, bug: Option<Bug>) -> Option<Locked> {
        let row = expected(group)?;
        let stands = (row.last_seq, row.state_version) == (self.row.last_seq, self.row.state_version);
        let stored = |key: (UserId, String)| matches!(self.commands.get(&key), Some(known) if known.outcome.is_ok());
        let is_new = bug == Some(Bug::NoDedup)
            || !group.decisions.iter().any(|one| stored((one.sender_id, one.command_id.clone())));
        let locked = || Locked { row: row.clone(), known: HashMap::new() };
        (stands && !self.row.has_rejections && is_new).then(locked)
    }

    fn locked(&self, group: &AppendGroup, bug: Option<Bug>) -> Locked {
        let mut known = HashMap::new();
        for decision in &group.decisions {
            let key = (decision.sender_id, decision.command_id.clone());
            if let Some(stored) = self.commands.get(&key).filter(|_| bug != Some(Bug::NoDedup)) {
                known.insert(key, stored.clone());
            }
        }
        Locked { row: self.row.clone(), known }
    }

    /// As `store/append/write.rs` of im-repo writes it.
    fn write(&mut self, plan: Plan) -> Vec<proto::repo::AppendOutcome> {
        self.row = plan.row;
        for (entry, payload_hash, _) in plan.entries {
            self.keep((entry.sender_id, entry.command_id.clone()), payload_hash, Ok(entry.clone()));
            self.entries.push(entry);
        }
        for (sender, command, payload_hash, error) in plan.rejections {
            self.keep((sender, command), payload_hash, Err(error));
        }
        for (user_id, change) in plan.members {
            let left_seq = change.left_seq.unwrap_or(0);
            if let Some((role, visible_from)) = change.put {
                let member = Member { user_id, role, visible_from, left_seq, read_seq: 0 };
                self.members.insert(user_id, member);
            } else if let Some(member) = self.members.get_mut(&user_id) {
                member.left_seq = left_seq;
            }
        }
        for cursor in plan.cursors {
            let held = self.cursors.entry(cursor.user_id).or_default();
            *held = (held.0.max(cursor.read_seq), held.1.max(cursor.read_msg_no));
        }
        plan.outcomes
    }

    fn keep(&mut self, key: (UserId, String), payload_hash: Bytes, outcome: Result<Entry, proto::common::Error>) {
        self.commands.insert(key, Known { payload_hash, outcome });
    }
}
