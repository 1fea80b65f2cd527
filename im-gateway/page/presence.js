// Who of the open chat is connected: asked when it is opened, and again every 15 s while somebody looks.

import * as api from './api.js';

const EVERY_MS = 15_000;

export class Presence {
  #store;
  #people;
  #timer = 0;
  #asked = 0;

  constructor(store, people) {
    this.#store = store;
    this.#people = people;
    this.refresh = this.refresh.bind(this);
    document.addEventListener('visibilitychange', this.refresh);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    document.removeEventListener('visibilitychange', this.refresh);
  }

  async refresh() {
    clearTimeout(this.#timer);
    const id = this.#store.openId;
    const chat = this.#store.get(id);
    if (document.hidden || !id) return;
    this.#timer = setTimeout(this.refresh, EVERY_MS);
    if (!chat || chat.draft || chat.leftSeq) return;
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const found = await api.members(id);
      if (asked !== this.#asked) return;
      for (const { user } of found.members) this.#people.add(user);
      chat.members = found;
    } catch {
      if (asked !== this.#asked) return;
      chat.members = null;
    }
    this.#store.onChange();
  }
}
