//! What must hold at every step. It keeps books of its own, from the entries as they are stored, and shares no code with
//! what it judges.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use im_infra::ids::UserId;
use proto::message::{Entry, entry_body::Kind};

/// The answer to another payload under the same id.
const CONFLICT: &str = "conflict";

/// What went wrong.
pub(crate) type Broken = String;

/// From the first entry to the last one that somebody may see; of who is there the last is none.
type Place = (i64, Option<i64>);

/// The books.
#[derive(Default)]
pub(crate) struct Oracle {
    logs: BTreeMap<String, Vec<Line>>,
    places: HashMap<(String, UserId), Vec<Place>>,
    commands: HashSet<(String, UserId, String)>,
    /// The newest command of a device in a conversation, by the order in which it was sent.
    newest: HashMap<(String, usize), u64>,
    told: HashMap<(UserId, String, String), Told>,
    /// Ids whose first command has its outcome and that now are those of something else.
    used_again: HashSet<(UserId, String, String)>,
    cursors: HashMap<(String, UserId), i64>,
    /// Entries that were committed, of all conversations.
    commits: u64,
}

struct Line {
    message_id: i64,
    sender: UserId,
    command: String,
    /// Messages so far.
    number: i64,
    created_at_ms: i64,
    /// The how many-th commit of all it was.
    commit: u64,
}

/// What a sender was told of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Stored(i64),
    Refused(String),
}

/// The id of a client's command: which client, and its how many-th.
pub(crate) fn command_id(client: usize, order: u64) -> String {
    format!("c{client}-{order}")
}

fn order_of(command_id: &str) -> Option<(usize, u64)> {
    let (client, order) = command_id.strip_prefix('c')?.split_once('-')?;
    Some((client.parse().ok()?, order.parse().ok()?))
}

impl Oracle {
    /// An entry was committed.
    pub(crate) fn committed(&mut self, entry: &Entry, countable: bool) -> Result<(), Broken> {
        let at = format!("{}/{}", entry.conversation_id, entry.seq);
        let key = (entry.conversation_id.clone(), entry.sender_id, entry.command_id.clone());
        if !self.commands.insert(key) {
            return Err(format!("doubled: {at} is command {} of {} again", entry.command_id, entry.sender_id));
        }
        self.places_moved(entry);
        let log = self.logs.entry(entry.conversation_id.clone()).or_default();
        if entry.seq != log.len() as i64 + 1 {
            return Err(format!("not dense: {at} after {}", log.len()));
        }
        if log.last().is_some_and(|last| last.created_at_ms > entry.created_at_ms) {
            return Err(format!("time steps back at {at}"));
        }
        let number = log.last().map_or(0, |last| last.number) + i64::from(countable);
        self.commits += 1;
        log.push(Line {
            message_id: entry.message_id,
            sender: entry.sender_id,
            command: entry.command_id.clone(),
            number,
            created_at_ms: entry.created_at_ms,
            commit: self.commits,
        });
        if entry.msg_no != number {
            return Err(format!("{at} has number {}, not {number}", entry.msg_no));
        }
        if countable && !self.sees_now(&entry.conversation_id, entry.sender_id, entry.seq) {
            return Err(format!("fence: {at} is of {}, who is no member", entry.sender_id));
        }
        if let Some((client, order)) = order_of(&entry.command_id) {
            let newest = self.newest.entry((entry.conversation_id.clone(), client)).or_default();
            if order <= *newest {
                return Err(format!("order: {at} is the {order}th of client {client}, after its {newest}th"));
            }
            *newest = order;
        }
        Ok(())
    }

    fn places_moved(&mut self, entry: &Entry) {
        let id = &entry.conversation_id;
        let (mut came, mut went) = (Vec::new(), Vec::new());
        match entry.body.as_ref().and_then(|body| body.kind.as_ref()) {
            Some(Kind::Created(created)) => came.clone_from(&created.member_ids),
            Some(Kind::Joined(joined)) => came.clone_from(&joined.user_ids),
            Some(Kind::Left(left)) => went.push(left.user_id),
            Some(Kind::Removed(removed)) => went.push(removed.user_id),
            Some(Kind::Message(_)) if entry.seq == 1 => {
                came.extend(id.split(':').skip(1).filter_map(|user| user.parse::<i64>().ok()));
            }
            _ => {}
        }
        for user in came {
            self.places.entry((id.clone(), user)).or_default().push((entry.seq, None));
        }
        for user in went {
            if let Some((_, last @ None)) = self.places.entry((id.clone(), user)).or_default().last_mut() {
                *last = Some(entry.seq);
            }
        }
    }

    fn sees_now(&self, conversation: &str, user: UserId, seq: i64) -> bool {
        let places = self.places.get(&(conversation.to_owned(), user));
        places.and_then(|all| all.last()).is_some_and(|place| holds(*place, seq))
    }

    /// A sender uses an id for something else: from now on that is what is answered under it, and the answer is known.
    pub(crate) fn used_again(&mut self, user: UserId, (conversation, command): (&str, &str)) {
        self.used_again.insert((user, conversation.to_owned(), command.to_owned()));
    }

    fn is_used_again(&self, user: UserId, (conversation, command): (&str, &str)) -> bool {
        self.used_again.contains(&(user, conversation.to_owned(), command.to_owned()))
    }

    /// A command of a sender was acknowledged.
    pub(crate) fn acknowledged(
        &mut self,
        user: UserId,
        (conversation, command): (&str, &str),
        seq: i64,
    ) -> Result<(), Broken> {
        if self.is_used_again(user, (conversation, command)) {
            return Err(format!("used again: {command} of {user} in {conversation} was answered {seq}"));
        }
        let line = self.line(conversation, seq);
        if line.is_none_or(|line| (line.sender, &*line.command) != (user, command)) {
            return Err(format!("ack: {command} of {user} is not at {conversation}/{seq}"));
        }
        self.tell(user, (conversation, command), Told::Stored(seq))
    }

    /// A command was refused for good.
    pub(crate) fn refused(
        &mut self,
        user: UserId,
        (conversation, command): (&str, &str),
        code: &str,
    ) -> Result<(), Broken> {
        let is_used_again = self.is_used_again(user, (conversation, command));
        if is_used_again != (code == CONFLICT) {
            let which = if is_used_again { "used again" } else { "used once" };
            return Err(format!("{which}: {command} of {user} in {conversation} was answered {code}"));
        }
        if is_used_again {
            return Ok(());
        }
        if self.commands.contains(&(conversation.to_owned(), user, command.to_owned())) {
            return Err(format!("refused: {command} of {user} is in {conversation}, and was answered {code}"));
        }
        self.tell(user, (conversation, command), Told::Refused(code.to_owned()))
    }

    fn tell(&mut self, user: UserId, (conversation, command): (&str, &str), now: Told) -> Result<(), Broken> {
        let key = (user, conversation.to_owned(), command.to_owned());
        match self.told.get(&key) {
            Some(before) if *before != now => {
                Err(format!("outcome: {command} of {user} in {conversation} was {before:?} and is {now:?}"))
            }
            Some(_) => Ok(()),
            None => {
                self.told.insert(key, now);
                Ok(())
            }
        }
    }

    fn line(&self, conversation: &str, seq: i64) -> Option<&Line> {
        self.logs.get(conversation)?.get(usize::try_from(seq - 1).ok()?)
    }

    /// An entry reached a client.
    pub(crate) fn reached(&self, user: UserId, entry: &Entry) -> Result<(), Broken> {
        let (id, seq) = (&entry.conversation_id, entry.seq);
        let Some(line) = self.line(id, seq) else { return Err(format!("phantom: {id}/{seq} is not stored")) };
        if (line.message_id, line.sender, &*line.command) != (entry.message_id, entry.sender_id, &*entry.command_id) {
            return Err(format!("phantom: {id}/{seq} is another entry in the store"));
        }
        let places = self.places.get(&(id.clone(), user));
        if !places.is_some_and(|all| all.iter().any(|place| holds(*place, seq))) {
            return Err(format!("fence: {id}/{seq} reached {user}, who may not see it"));
        }
        Ok(())
    }

    /// A page was read for a user.
    pub(crate) fn paged(&self, user: UserId, entries: &[Entry]) -> Result<(), Broken> {
        match entries.iter().find(|entry| !self.sees_now(&entry.conversation_id, user, entry.seq)) {
            Some(entry) => Err(format!("fence: a page of {user} holds {}/{}", entry.conversation_id, entry.seq)),
            None => Ok(()),
        }
    }

    /// A cursor is there now.
    pub(crate) fn cursor(&mut self, conversation: &str, user: UserId, read_seq: i64) -> Result<(), Broken> {
        let held = self.cursors.entry((conversation.to_owned(), user)).or_default();
        let before = std::mem::replace(held, read_seq);
        let last = self.logs.get(conversation).map_or(0, Vec::len) as i64;
        if read_seq < before || read_seq > last {
            return Err(format!("cursor: {user} in {conversation} from {before} to {read_seq} of {last}"));
        }
        Ok(())
    }

    /// The conversations in which a user is.
    pub(crate) fn present(&self, user: UserId) -> BTreeSet<&str> {
        let is_there = |((_, who), places): &(&(String, UserId), &Vec<Place>)| {
            *who == user && places.last().is_some_and(|place| place.1.is_none())
        };
        self.places.iter().filter(is_there).map(|((id, _), _)| &**id).collect()
    }

    /// How many entries were committed so far.
    pub(crate) const fn commits(&self) -> u64 {
        self.commits
    }

    /// Entries that were committed after so many others and that a user may see, by the newest place in each conversation.
    pub(crate) fn owed(&self, user: UserId, since: u64) -> Vec<(&str, i64)> {
        let of_user = self.places.iter().filter(|((_, who), _)| *who == user);
        let mut owed: Vec<(&str, i64)> = of_user
            .filter_map(|((id, _), places)| Some((&**id, self.logs.get(id)?, *places.last()?)))
            .flat_map(|(id, log, place)| log.iter().zip(1..).map(move |(line, seq)| (id, line, seq, place)))
            .filter(|(_, line, seq, place)| line.commit > since && holds(*place, *seq))
            .map(|(id, _, seq, _)| (id, seq))
            .collect();
        // The places are in no order, and what is told of a run must be the same each time.
        owed.sort_unstable();
        owed
    }

    /// The newest entry.
    pub(crate) fn last_seq(&self, conversation: &str) -> i64 {
        self.logs.get(conversation).map_or(0, Vec::len) as i64
    }

    /// Messages behind a cursor.
    pub(crate) fn unread(&self, conversation: &str, read_seq: i64) -> i64 {
        let number = |line: Option<&Line>| line.map_or(0, |line| line.number);
        number(self.logs.get(conversation).and_then(|log| log.last())) - number(self.line(conversation, read_seq))
    }
}

const fn holds((from, last): (i64, Option<i64>), seq: i64) -> bool {
    from <= seq
        && match last {
            Some(last) => seq <= last,
            None => true,
        }
}
