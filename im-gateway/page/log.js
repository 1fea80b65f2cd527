// What is held of one conversation's log. `entries` is one ascending block without holes that ends at the cursor `high`;
// entries that came early wait in `ahead`. Pure: no clock, no network, no page.

const FETCH_MAX = 200;
const TRIM_ABOVE = 600;
const TRIM_TO = 300;

export class Log {
  entries = [];
  high = 0;
  #ahead = new Map();
  #target = 0;

  constructor(high) {
    this.high = high;
  }

  /** The seq below which older entries would be paged in. */
  get low() {
    return this.entries.length ? this.entries[0].seq : this.high + 1;
  }

  /** Everything that can be shown, in order. */
  shown() {
    if (!this.#ahead.size) return this.entries;
    return [...this.entries, ...[...this.#ahead.values()].sort((a, b) => a.seq - b.seq)];
  }

  /** The newest entry of the block at or below a seq. */
  at(seq) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].seq <= seq) low = middle + 1;
      else high = middle;
    }
    return this.entries[low - 1];
  }

  /** Takes entries from the server; returns those that were not held yet. What is below the block is not wanted. */
  apply(entries) {
    const fresh = entries.filter((entry) => entry.seq > this.high && !this.#ahead.has(entry.seq));
    for (const entry of fresh) this.#ahead.set(entry.seq, entry);
    this.#absorb();
    return fresh;
  }

  /** An entry of this seq exists, though it has not come yet. */
  expect(seq) {
    this.#target = Math.max(this.#target, seq);
  }

  /** Nothing up to this seq is left to be had: cut by retention, or not for this user's eyes. */
  skipTo(seq) {
    if (seq <= this.high) return;
    this.high = seq;
    for (const early of [...this.#ahead.keys()].sort((a, b) => a - b)) {
      if (early > seq) break;
      this.entries.push(this.#ahead.get(early));
      this.#ahead.delete(early);
    }
    this.#absorb();
  }

  /** Nothing above this seq is there for this user. */
  endAt(seq) {
    this.#target = Math.min(this.#target, Math.max(seq, this.high));
  }

  /** The first range that is missing, or null. */
  hole() {
    const early = this.#ahead.size ? Math.min(...this.#ahead.keys()) - 1 : this.#target;
    if (early <= this.high) return null;
    return { from: this.high + 1, to: Math.min(early, this.high + FETCH_MAX) };
  }

  /** An older page in front of the block. */
  prepend(entries) {
    this.entries.unshift(...entries.filter((entry) => entry.seq < this.low));
  }

  /** Forgets the oldest of a long log; they can be paged in again. True if it did. */
  trim() {
    if (this.entries.length <= TRIM_ABOVE) return false;
    this.entries.splice(0, this.entries.length - TRIM_TO);
    return true;
  }

  #absorb() {
    for (let next = this.#ahead.get(this.high + 1); next; next = this.#ahead.get(this.high + 1)) {
      this.entries.push(next);
      this.#ahead.delete(next.seq);
      this.high = next.seq;
    }
  }
}
