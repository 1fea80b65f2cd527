// What the server sends, put into the store: sync after each welcome, then pushes as they come.

import * as api from './api.js';
import { Cursors } from './cursors.js';
import { Holes } from './holes.js';
import { isPersonal, parseConversation, parseEntry } from './wire.js';

const SYNC_ANSWER_MS = 10_000;

export class Feed {
  /** Called with an entry of somebody else that came by push just now. */
  onArrived = () => {};
  #store;
  #outbox;
  #people;
  #send;
  #cursors;
  #holes;
  #epoch = '';
  #syncTimer = 0;
  #synced = new Set();
  #asking = new Set();
  #stopped = false;

  constructor({ store, outbox, people, send }) {
    this.#store = store;
    this.#outbox = outbox;
    this.#people = people;
    this.#send = send;
    this.#cursors = new Cursors(store, send);
    this.#holes = new Holes(send);
  }

  /** A connection stands. After a restore the server has another epoch, and what is held here may never have been. */
  welcome({ store_epoch: epoch = '', resumed = false }) {
    if (this.#epoch && epoch !== this.#epoch) {
      this.#store.clear();
      this.#cursors.clear();
    }
    this.#epoch = epoch;
    this.#holes.clear();
    if (resumed) this.#settle();
    else this.#sync();
    this.#outbox.resume();
  }

  /** The connection is gone, and with it what was asked on it. */
  lost() {
    clearTimeout(this.#syncTimer);
    this.#holes.clear();
  }

  stop() {
    this.#stopped = true;
    this.lost();
    this.#cursors.clear();
  }

  /** The conversation is on the screen. */
  seen(chat) {
    this.#cursors.seen(chat);
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

  #sync() {
    this.#synced.clear();
    clearTimeout(this.#syncTimer);
    if (this.#send({ sync: { known: [] } })) this.#listLater();
  }

  #syncPage({ items = [], gone = [], done = false }) {
    clearTimeout(this.#syncTimer);
    for (const { conversation, entries = [] } of items) {
      if (conversation) this.#merge(parseConversation(conversation), entries.map(parseEntry));
    }
    for (const id of gone) this.#store.remove(id);
    if (done) this.#settle();
    else this.#listLater();
  }

  #listLater() {
    this.#syncTimer = setTimeout(() => this.#list(), SYNC_ANSWER_MS);
  }

  /** The same over HTTP, where the server does not sync. */
  async #list() {
    clearTimeout(this.#syncTimer);
    try {
      for (const view of await api.conversations()) this.#merge(view, []);
      if (!this.#stopped) this.#settle();
    } catch {
      if (!this.#stopped) this.#listLater();
    }
  }

  #merge(view, entries) {
    if (this.#stopped) return;
    this.#people.add(view.peer);
    const chat = this.#store.merge(view, entries);
    if (!chat) return;
    this.#synced.add(chat.id);
    this.#outbox.stored(chat, entries);
    this.#cursors.compare(chat, view.readSeq);
    this.#holes.mend(chat);
  }

  /** All conversations came. About one that did not the server is asked; a chat without a first message may stay. */
  #settle() {
    for (const chat of this.#store.all()) {
      if (this.#synced.size && !chat.draft && !this.#synced.has(chat.id)) this.#ask(chat.id);
      this.#holes.mend(chat);
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
    const aboutMe = entry.users?.includes(this.#store.me.id);
    if (chat.draft || (aboutMe && fresh.length)) this.#ask(id);
    this.#holes.mend(chat);
    if (fresh.length && entry.kind !== 'unknown' && entry.sender !== this.#store.me.id) this.onArrived(chat, entry);
  }

  #entries({ conversation_id: id, entries = [], visible_from: from, visible_to: to }) {
    const chat = this.#store.get(id);
    if (!chat) return;
    const list = entries.map(parseEntry);
    const answered = this.#holes.answered(chat, list, Number(from ?? 0), Number(to ?? 0));
    this.#store.apply(id, list);
    this.#outbox.stored(chat, list);
    this.#store.onChange();
    this.#holes.mend(chat, answered && list.length > 0);
  }

  #ack({ conversation_id: id, command_id: commandId, seq, created_at_ms: at }) {
    const number = Number(seq ?? 0);
    this.#outbox.ack(id, commandId, number, Number(at ?? 0));
    const chat = this.#store.get(id);
    if (!chat || chat.draft) this.#ask(id);
    if (!chat) return;
    // The cursor stays where it is: entries of others may lie below. That they exist is known now.
    chat.log.expect(number - 1);
    this.#outbox.stored(chat, []);
    this.#store.read(chat, number);
    this.#holes.mend(chat);
  }

  #error({ error = {}, conversation_id: id, command_id: commandId }) {
    const { code = 'internal', message = 'The server refused this.', retry_after_ms: wait } = error;
    const chat = this.#store.get(id);
    if (commandId) this.#outbox.refused(id, commandId, { code, message, retryAfterMs: Number(wait ?? 0) });
    else if (chat) this.#holes.refused(chat, code);
    else if (!id && (code === 'unknown_frame' || code === 'unsupported')) this.#list();
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
}
