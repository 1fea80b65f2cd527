// Messages on their way out. One command of a conversation is in flight at a time, so they are stored in the order they
// were written. A command keeps its id whatever happens: the server answers a resend with the outcome it already has.
// What is not sent yet survives a reload of this tab.

import { isRetryable } from './http.js';
import { newId } from './ids.js';

const TRIES_MAX = 5;
const RETRY_MS = 1_000;
const ANSWER_MS = 20_000;
const WAITING_MAX = 100;

export class Outbox {
  onChange = () => {};
  #queues = new Map();
  #send;
  #key;

  /** `send(frame)` is false where there is no connection. */
  constructor(userId, send) {
    this.#send = send;
    this.#key = `gochat.outbox.${userId}`;
    for (const item of this.#saved()) this.#queue(item.conversationId).push({ ...item, inFlight: false, tries: 0 });
  }

  /** What of a conversation is not in its log yet: first the acknowledged in seq order, then the rest as written. */
  items(conversationId) {
    return this.#queues.get(conversationId) ?? [];
  }

  conversations() {
    return [...this.#queues.keys()];
  }

  /** Queues a text. False where too much waits already. */
  add(conversationId, text) {
    const queue = this.#queue(conversationId);
    if (queue.filter((item) => item.state !== 'sent').length >= WAITING_MAX) return false;
    const item = { conversationId, commandId: newId(), text, at: Date.now(), state: 'pending', seq: 0, error: '' };
    queue.push({ ...item, inFlight: false, tries: 0, timer: 0 });
    this.#changed();
    this.#pump(conversationId);
    return true;
  }

  /** The user tries a failed message again: the same command, at the end of the line. */
  retry(item) {
    const queue = this.#queue(item.conversationId);
    queue.splice(queue.indexOf(item), 1);
    queue.push(item);
    Object.assign(item, { state: 'pending', error: '', tries: 0 });
    this.#changed();
    this.#pump(item.conversationId);
  }

  discard(item) {
    this.#drop(item);
    this.#changed();
  }

  /** A new connection: everything without an outcome is sent again, in order. */
  resume() {
    for (const [id, queue] of this.#queues) {
      for (const item of queue) this.#rest(item);
      this.#pump(id);
    }
  }

  /** No connection: nothing is in flight any more. `refused` says why the server closed over what was in flight. */
  pause(refused = '') {
    for (const queue of this.#queues.values()) {
      for (const item of queue) {
        if (refused && item.inFlight) Object.assign(item, { state: 'failed', error: refused });
        this.#rest(item);
      }
    }
    this.#changed();
  }

  /** Returns the item that was stored, if it is one of these. */
  ack(conversationId, commandId, seq, at) {
    const item = this.#find(conversationId, commandId);
    if (!item) return null;
    this.#rest(item);
    Object.assign(item, { state: 'sent', seq, at: at || item.at, error: '' });
    this.#changed();
    this.#pump(conversationId);
    return item;
  }

  refused(conversationId, commandId, { code, message, retryAfterMs }) {
    const item = this.#find(conversationId, commandId);
    if (!item || item.state !== 'pending') return;
    this.#rest(item);
    item.tries += 1;
    if (isRetryable(code) && item.tries <= TRIES_MAX) {
      item.timer = setTimeout(() => {
        item.timer = 0;
        this.#pump(conversationId);
      }, retryAfterMs || RETRY_MS);
      return;
    }
    Object.assign(item, { state: 'failed', error: message });
    // After a refusal for now the server holds back what follows, until it hears that this one was given up.
    if (isRetryable(code)) this.#send({ abandon: { conversation_id: conversationId, command_id: commandId } });
    this.#changed();
    this.#pump(conversationId);
  }

  /** What has come into the log is shown from there and leaves the outbox. */
  stored({ id, log }, entries) {
    const ids = new Set(entries.map((entry) => entry.commandId));
    const inLog = (item) => ids.has(item.commandId) || (item.state === 'sent' && item.seq <= log.high);
    const done = this.items(id).filter(inLog);
    if (!done.length) return;
    for (const item of done) this.#drop(item);
    this.#changed();
    this.#pump(id);
  }

  stop() {
    this.onChange = () => {};
    for (const queue of this.#queues.values()) queue.forEach((item) => this.#rest(item));
    this.#queues.clear();
  }

  /** Nothing of this user stays behind after a logout. */
  forget() {
    this.stop();
    sessionStorage.removeItem(this.#key);
  }

  #pump(conversationId) {
    const item = this.items(conversationId).find(({ state }) => state === 'pending');
    if (!item || item.inFlight || item.timer) return;
    const content = { text: { text: item.text } };
    const send = { conversation_id: conversationId, command_id: item.commandId, content };
    if (!this.#send({ send })) return;
    item.inFlight = true;
    const late = { code: 'outcome_unknown', message: 'The server did not answer in time.', retryAfterMs: 0 };
    item.timer = setTimeout(() => this.refused(conversationId, item.commandId, late), ANSWER_MS);
  }

  #rest(item) {
    clearTimeout(item.timer);
    item.timer = 0;
    item.inFlight = false;
  }

  #drop(item) {
    this.#rest(item);
    const queue = this.#queue(item.conversationId);
    const at = queue.indexOf(item);
    if (at >= 0) queue.splice(at, 1);
  }

  #find(conversationId, commandId) {
    return this.items(conversationId).find((item) => item.commandId === commandId);
  }

  #queue(conversationId) {
    if (!this.#queues.has(conversationId)) this.#queues.set(conversationId, []);
    return this.#queues.get(conversationId);
  }

  #saved() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key)) ?? [];
    } catch {
      return [];
    }
  }

  #changed() {
    const unsent = [...this.#queues.values()].flat().filter((item) => item.state !== 'sent');
    const kept = unsent.map(({ conversationId, commandId, text, at, state, seq, error }) => (
      { conversationId, commandId, text, at, state, seq, error }));
    try {
      if (kept.length) sessionStorage.setItem(this.#key, JSON.stringify(kept));
      else sessionStorage.removeItem(this.#key);
    } catch {
      // Storage is full or refused: the messages stay in memory.
    }
    this.onChange();
  }
}
