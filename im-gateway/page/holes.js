// Missing entries of a log: asked for after a random pause, because often they come by themselves, one range of a
// conversation at a time.

import { isRetryable } from './http.js';

const PAUSE_MIN_MS = 500;
const PAUSE_SPREAD_MS = 1_500;
const PAUSE_SOON_MS = 50;
const ANSWER_MS = 8_000;

export class Holes {
  #send;
  #open = new Map();
  #doubts = new Map();

  constructor(send) {
    this.#send = send;
  }

  /** Looks at a conversation after something changed; `soon`: an answer just came, and there is more. */
  mend(chat, soon = false) {
    if (this.#open.has(chat.id) || !chat.log.hole()) return;
    const state = { asked: null, timer: 0 };
    this.#open.set(chat.id, state);
    const ask = () => {
      const hole = chat.log.hole();
      const range = hole && { conversation_id: chat.id, from_seq: String(hole.from), to_seq: String(hole.to) };
      if (!hole || !this.#send({ fetch: range })) return this.#open.delete(chat.id);
      state.asked = hole;
      state.timer = setTimeout(ask, ANSWER_MS);
      return true;
    };
    state.timer = setTimeout(ask, soon ? PAUSE_SOON_MS : PAUSE_MIN_MS + Math.random() * PAUSE_SPREAD_MS);
  }

  /** Entries came, with the bounds of what the user may see. True if they answer what was asked. */
  answered(chat, entries, visibleFrom, visibleTo) {
    const state = this.#open.get(chat.id);
    const hole = state?.asked;
    if (!hole || (entries.length && entries[0].seq > hole.to)) return false;
    clearTimeout(state.timer);
    this.#open.delete(chat.id);
    if (visibleFrom > 1) chat.log.skipTo(visibleFrom - 1);
    if (visibleTo > 0) chat.log.endAt(visibleTo);
    this.#skipAbsent(chat, hole, entries);
    return true;
  }

  /** A range that is refused for good is not asked for again until something new comes. */
  refused(chat, code) {
    const state = this.#open.get(chat.id);
    if (!state?.asked || isRetryable(code)) return;
    clearTimeout(state.timer);
    this.#open.delete(chat.id);
    chat.log.endAt(0);
  }

  clear() {
    for (const { timer } of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
  }

  /** What two answers in a row lack at their start is not there to be had. */
  #skipAbsent(chat, hole, entries) {
    const absentTo = entries.length ? entries[0].seq - 1 : hole.to;
    if (absentTo <= chat.log.high) {
      this.#doubts.delete(chat.id);
      return;
    }
    if (this.#doubts.get(chat.id) === hole.from) chat.log.skipTo(absentTo);
    this.#doubts.set(chat.id, hole.from);
  }
}
