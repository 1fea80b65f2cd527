// What the server sends, put into the store: sync after each welcome, pushes as they come, and holes asked for.

import * as api from './api.js';
import { isRetryable } from './http.js';
import { isPersonal, parseConversation, parseEntry } from './wire.js';

const HOLE_MIN_MS = 500;
const HOLE_SPREAD_MS = 1_500;
const HOLE_SOON_MS = 50;
const FETCH_ANSWER_MS = 8_000;
const SYNC_ANSWER_MS = 10_000;
const READ_EVERY_MS = 1_000;

export class Feed {
  /** Called with entries of others that came by push just now. */
  onArrived = () => {};
  #store;
  #outbox;
  #people;
  #send;
  #epoch = '';
  #syncTimer = 0;
  #synced = new Set();
  #holes = new Map();
  #asking = new Set();
  #doubts = new Map();
  #reads = new Map();
  #stopped = false;

  constructor({ store, outbox, people, send }) {
    this.#store = store;
    this.#outbox = outbox;
    this.#people = people;
    this.#send = send;
  }

  /** A connection stands. */
  welcome({ store_epoch: epoch = '', resumed = false }) {
    if (this.#epoch && epoch !== this.#epoch) {
      this.#store.clear();
      this.#reads.clear();
    }
    this.#epoch = epoch;
    this.#forgetHoles();
    if (resumed) this.#settle();
    else this.#sync();
    this.#outbox.resume();
  }

  /** The connection is gone, and with it what was asked on it. */
  lost() {
    clearTimeout(this.#syncTimer);
    this.#forgetHoles();
  }

  stop() {
    this.#stopped = true;
    this.lost();
    for (const read of this.#reads.values()) clearTimeout(read.timer);
  }

  frame(name, body) {
    const handlers = {
      sync_page: () => this.#syncPage(body),
      entry: () => this.#pushed(parseEntry(body)),
      entries: () => this.#entries(body),
      ack: () => this.#ack(body),
      error: () => this.#error(body),
      receipt: () => this.#store.receipt(body.conversation_id, body.user_id ?? '0', Number(body.read_seq ?? 0)),
      resync: () => this.#sync(),
    };
    handlers[name]?.();
  }

  /** Entries of a conversation were seen: the cursor moves here at once, and at the server at most once a second. */
  seen(chat) {
    const seq = chat.log.high;
    if (chat.draft || seq <= chat.readSeq) return;
    this.#store.read(chat, seq);
    this.#sendRead(chat);
  }

  #sendRead(chat) {
    const read = this.#reads.get(chat.id) ?? { timer: 0, sent: 0 };
    this.#reads.set(chat.id, read);
    if (read.timer || read.sent >= chat.readSeq) return;
    const frame = { read: { conversation_id: chat.id, read_seq: String(chat.readSeq) } };
    if (!this.#send(frame)) return;
    read.sent = chat.readSeq;
    read.timer = setTimeout(() => {
      read.timer = 0;
      this.#sendRead(chat);
    }, READ_EVERY_MS);
  }

  #sync() {
    this.#synced.clear();
    clearTimeout(this.#syncTimer);
    if (this.#send({ sync: { known: [] } })) this.#syncTimer = setTimeout(() => this.#list(), SYNC_ANSWER_MS);
  }

  #syncPage({ items = [], gone = [], done = false }) {
    clearTimeout(this.#syncTimer);
    for (const item of items) {
      if (item.conversation) this.#merge(parseConversation(item.conversation), (item.entries ?? []).map(parseEntry));
    }
    for (const id of gone) this.#store.remove(id);
    if (done) this.#settle();
    else this.#syncTimer = setTimeout(() => this.#list(), SYNC_ANSWER_MS);
  }

  /** The same over HTTP, where the server does not sync. */
  async #list() {
    clearTimeout(this.#syncTimer);
    try {
      for (const view of await api.conversations()) this.#merge(view, []);
      this.#settle();
    } catch {
      if (!this.#stopped) this.#syncTimer = setTimeout(() => this.#list(), SYNC_ANSWER_MS);
    }
  }

  #merge(view, entries) {
    if (this.#stopped) return;
    this.#people.add(view.peer);
    const chat = this.#store.merge(view, entries);
    if (!chat) return;
    this.#synced.add(chat.id);
    this.#outbox.stored(chat, entries);
    // A cursor the server lost with a connection is told again.
    const read = this.#reads.get(chat.id);
    if (read && view.readSeq < chat.readSeq) read.sent = view.readSeq;
    if (view.readSeq < chat.readSeq) this.#sendRead(chat);
    this.#mend(chat);
  }

  /** The list is complete: what it does not have is gone, but for chats that wait for their first message. */
  #settle() {
    for (const chat of this.#store.all()) {
      if (this.#synced.size && !chat.draft && !this.#synced.has(chat.id)) this.#ask(chat.id);
      this.#mend(chat);
    }
    this.#store.settled = true;
    this.#store.onChange();
  }

  #pushed(entry) {
    const id = entry.conversationId;
    if (isPersonal(id)) return;
    const fresh = this.#store.apply(id, [entry]);
    const chat = this.#store.get(id);
    this.#outbox.stored(chat, [entry]);
    const mine = entry.users?.includes(this.#store.me.id);
    if (chat.draft || (mine && fresh.length)) this.#ask(id);
    this.#mend(chat);
    if (fresh.length && entry.kind !== 'unknown' && entry.sender !== this.#store.me.id) this.onArrived(chat, entry);
  }

  /** The server's view of a conversation the page knows nothing or something old about. */
  async #ask(id) {
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    try {
      this.#merge(await api.conversation(id), []);
    } catch (error) {
      if (error.status === 404 && !this.#stopped) this.#store.remove(id);
    } finally {
      this.#asking.delete(id);
    }
  }

  #ack({ conversation_id: id, command_id: commandId, seq, created_at_ms: at }) {
    const number = Number(seq ?? 0);
    this.#outbox.ack(id, commandId, number, Number(at ?? 0));
    const chat = this.#store.get(id);
    if (!chat) return;
    // The cursor stays: other entries may lie below. What lies below is known to exist.
    chat.log.expect(number - 1);
    this.#outbox.stored(chat, []);
    if (chat.draft) this.#ask(id);
    this.#store.read(chat, number);
    this.#mend(chat);
  }

  #error({ error = {}, conversation_id: id, command_id: commandId }) {
    const { code = 'internal', message = 'The server refused this.', retry_after_ms: wait } = error;
    if (commandId) this.#outbox.refused(id, commandId, { code, message, retryAfterMs: Number(wait ?? 0) });
    else if (id) this.#giveUp(id, code);
    else if (code === 'unknown_frame' || code === 'unsupported') this.#list();
  }

  /** Asks for the first hole after a random pause: often what is missing comes by itself. */
  #mend(chat, soon = false) {
    if (this.#holes.has(chat.id) || !chat.log.hole()) return;
    const state = { asked: null, timer: 0 };
    this.#holes.set(chat.id, state);
    const ask = () => {
      const hole = chat.log.hole();
      const range = hole && { conversation_id: chat.id, from_seq: String(hole.from), to_seq: String(hole.to) };
      if (!hole || !this.#send({ fetch: range })) return this.#holes.delete(chat.id);
      state.asked = hole;
      state.timer = setTimeout(ask, FETCH_ANSWER_MS);
      return true;
    };
    state.timer = setTimeout(ask, soon ? HOLE_SOON_MS : HOLE_MIN_MS + Math.random() * HOLE_SPREAD_MS);
  }

  #entries({ conversation_id: id, entries = [], visible_from: from, visible_to: to }) {
    const chat = this.#store.get(id);
    if (!chat) return;
    const list = entries.map(parseEntry);
    const state = this.#holes.get(id);
    const hole = state?.asked;
    const answered = hole && (!list.length || list[0].seq <= hole.to);
    if (answered) {
      clearTimeout(state.timer);
      this.#holes.delete(id);
      if (Number(from ?? 0) > 1) chat.log.skipTo(Number(from) - 1);
      if (Number(to ?? 0) > 0) chat.log.endAt(Number(to));
      this.#skipAbsent(chat, hole, list);
    }
    this.#store.apply(id, list);
    this.#outbox.stored(chat, list);
    this.#store.onChange();
    this.#mend(chat, answered && list.length > 0);
  }

  /** What two answers in a row lack at their start is not there to be had. */
  #skipAbsent(chat, hole, list) {
    const absentTo = list.length ? list[0].seq - 1 : hole.to;
    if (absentTo <= chat.log.high) return void this.#doubts.delete(chat.id);
    if (this.#doubts.get(chat.id) === hole.from) chat.log.skipTo(absentTo);
    return void this.#doubts.set(chat.id, hole.from);
  }

  /** A range that is refused for good is not asked for again until something new comes. */
  #giveUp(id, code) {
    const state = this.#holes.get(id);
    if (!state?.asked || isRetryable(code)) return;
    clearTimeout(state.timer);
    this.#holes.delete(id);
    this.#store.get(id)?.log.endAt(0);
  }

  #forgetHoles() {
    for (const hole of this.#holes.values()) clearTimeout(hole.timer);
    this.#holes.clear();
  }
}
