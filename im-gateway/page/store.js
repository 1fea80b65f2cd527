// The conversations of the user in memory: their logs, unread counts and read cursors. It knows neither network nor page;
// whoever wants to know of changes sets `onChange`.

import { Log } from './log.js';
import { isPersonal } from './wire.js';

/** A hole longer than this is not filled: the older part is dropped, and paged in again when somebody scrolls there. */
const HOLE_MAX = 200;

export class Store {
  me;
  openId = null;
  /** All conversations are here, so what is not here does not exist. */
  settled = false;
  onChange = () => {};
  #conversations = new Map();

  constructor(me) {
    this.me = me;
  }

  get(id) {
    return this.#conversations.get(id);
  }

  all() {
    return [...this.#conversations.values()];
  }

  /** The chat is open and somebody can see it. */
  isShown(id) {
    return this.openId === id && !document.hidden;
  }

  /** A direct chat that exists with its first message. */
  draft(id, peer) {
    if (!this.get(id)) this.#add({ ...EMPTY, id, kind: 'direct', peer, draft: true }, 0);
    return this.get(id);
  }

  /** Takes the server's view of a conversation and, where they came with it, its newest entries. */
  merge(view, entries = []) {
    if (isPersonal(view.id)) return null;
    let chat = this.get(view.id);
    const first = entries.length ? entries[0].seq : view.lastSeq + 1;
    if (!chat) {
      chat = this.#add(view, first - 1);
    } else {
      const { readSeq, peerReadSeq } = chat;
      const lastEntry = newer(chat.lastEntry, view.lastEntry);
      Object.assign(chat, view, { draft: false, lastEntry, peer: view.peer ?? chat.peer });
      chat.readSeq = Math.max(readSeq, view.readSeq);
      chat.peerReadSeq = Math.max(peerReadSeq, view.peerReadSeq);
      this.#bridge(chat, first);
    }
    chat.base = { unread: view.unread, lastSeq: view.lastSeq, readSeq: view.readSeq, msgNo: view.lastMsgNo };
    chat.log.expect(visibleEnd(view, view.lastSeq));
    this.#take(chat, entries);
    return chat;
  }

  /** Takes entries of a conversation. Returns those that are new here; an unknown conversation starts with the first. */
  apply(id, entries) {
    if (isPersonal(id) || !entries.length) return [];
    const first = entries[0].seq;
    const kind = id.startsWith('d:') ? 'direct' : 'group';
    const chat = this.get(id) ?? this.#add({ ...EMPTY, id, kind, draft: true }, first - 1);
    this.#bridge(chat, first);
    return this.#take(chat, entries);
  }

  /** An older page; `done` says that there is nothing before it. */
  prepend(chat, entries, done) {
    chat.log.prepend(entries);
    chat.older = done || chat.log.low <= Math.max(1, chat.firstSeq, chat.visibleFrom) ? 'none' : 'more';
    this.onChange();
  }

  setOlder(chat, older) {
    chat.older = older;
    this.onChange();
  }

  read(chat, seq) {
    if (seq <= chat.readSeq) return;
    chat.readSeq = seq;
    this.#count(chat);
    this.onChange();
  }

  receipt(id, userId, seq) {
    const chat = this.get(id);
    if (!chat) return;
    if (userId === this.me.id) this.read(chat, seq);
    else if (userId === chat.peer?.id) chat.peerReadSeq = Math.max(chat.peerReadSeq, seq);
    this.onChange();
  }

  remove(id) {
    this.#conversations.delete(id);
    this.onChange();
  }

  clear() {
    this.#conversations.clear();
    this.settled = false;
    this.onChange();
  }

  /** Long logs nobody looks at shrink. */
  trim(chat) {
    if (chat.log.trim()) chat.older = 'more';
  }

  #add(view, high) {
    const base = { unread: view.unread, lastSeq: high, readSeq: view.readSeq, msgNo: view.lastMsgNo };
    const chat = { draft: false, ...view, log: new Log(high), base, members: null, text: '' };
    chat.older = high < 1 ? 'none' : 'more';
    this.#conversations.set(view.id, chat);
    return chat;
  }

  /** Before a block that starts at `first` is taken: starts over where filling the hole would cost too much. */
  #bridge(chat, first) {
    if (first - 1 - chat.log.high <= HOLE_MAX) return;
    chat.log = new Log(first - 1);
    chat.older = 'more';
  }

  #take(chat, entries) {
    const fresh = chat.log.apply(entries);
    for (const entry of fresh) {
      chat.lastSeq = Math.max(chat.lastSeq, entry.seq);
      if (entry.kind !== 'unknown') chat.lastEntry = newer(chat.lastEntry, entry);
      if (entry.kind === 'message' && entry.sender === this.me.id) chat.readSeq = Math.max(chat.readSeq, entry.seq);
      if (entry.kind === 'created' && entry.title && !chat.title) chat.title = entry.title;
      this.#membership(chat, entry);
    }
    if (!this.isShown(chat.id)) this.trim(chat);
    this.#count(chat);
    this.onChange();
    return fresh;
  }

  #membership(chat, entry) {
    if (!entry.users?.includes(this.me.id)) return;
    if (entry.kind === 'joined' && entry.seq >= chat.leftSeq) chat.leftSeq = 0;
    if (entry.kind === 'left' || entry.kind === 'removed') {
      if (entry.seq >= chat.visibleFrom) chat.leftSeq = entry.seq + 1;
    }
  }

  /** Unread is what the server counted, less what was read since, plus the messages of others that came since. */
  #count(chat) {
    const { base, readSeq, log } = chat;
    let unread = base.unread;
    if (readSeq >= base.lastSeq) {
      unread = 0;
    } else if (readSeq > base.readSeq) {
      const entry = log.at(readSeq);
      if (entry) unread = Math.max(0, base.msgNo - entry.msgNo);
    }
    const after = Math.max(base.lastSeq, readSeq);
    for (let i = log.entries.length - 1; i >= 0 && log.entries[i].seq > after; i -= 1) {
      const { kind, sender } = log.entries[i];
      if (kind === 'message' && sender !== this.me.id) unread += 1;
    }
    chat.unread = unread;
  }
}

const EMPTY = {
  title: '', peer: null, memberCount: 0, firstSeq: 0, visibleFrom: 0, leftSeq: 0, lastSeq: 0, lastMsgNo: 0,
  readSeq: 0, peerReadSeq: 0, unread: 0, lastEntry: null,
};

function newer(one, other) {
  if (!one || !other) return one ?? other;
  return other.seq >= one.seq ? other : one;
}

/** The last seq the user may see. */
function visibleEnd(view, seq) {
  return view.leftSeq > 0 ? Math.min(seq, view.leftSeq - 1) : seq;
}
