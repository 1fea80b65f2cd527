// Names of users, looked up together a moment after they were first asked for, and kept.

const ASK_AFTER_MS = 30;
const ASK_MAX = 100;
const ASK_AGAIN_MS = 30_000;

export class People {
  onChange = () => {};
  #known = new Map();
  #asked = new Map();
  #wanted = new Set();
  #timer = 0;
  #lookup;

  /** `lookup(ids)` answers with users. */
  constructor(lookup) {
    this.#lookup = lookup;
  }

  add(user) {
    if (user && user.id !== '0') this.#known.set(user.id, user);
  }

  /** What to call a user; "Someone" until it is known. */
  name(id) {
    const user = this.#known.get(id);
    if (user) return user.displayName;
    this.#want(id);
    return 'Someone';
  }

  stop() {
    clearTimeout(this.#timer);
    this.onChange = () => {};
  }

  #want(id) {
    if (id === '0' || Date.now() - (this.#asked.get(id) ?? 0) < ASK_AGAIN_MS) return;
    this.#asked.set(id, Date.now());
    this.#wanted.add(id);
    if (this.#wanted.size === 1) this.#timer = setTimeout(() => this.#ask(), ASK_AFTER_MS);
  }

  async #ask() {
    const ids = [...this.#wanted].slice(0, ASK_MAX);
    for (const id of ids) this.#wanted.delete(id);
    if (this.#wanted.size) this.#timer = setTimeout(() => this.#ask(), ASK_AFTER_MS);
    try {
      for (const user of await this.#lookup(ids)) this.add(user);
      this.onChange();
    } catch {
      // A name is asked for again when it is shown again later.
    }
  }
}
