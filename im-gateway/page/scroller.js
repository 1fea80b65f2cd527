// Scrolling of a list that grows at both ends: it stays at the bottom if it was there, else what is being read stays
// where it is.

const NEAR_BOTTOM_PX = 60;
const NEAR_TOP_PX = 400;

export class Scroller {
  #view;
  #list;
  #sticks = true;

  /** `moved()` is called after the user scrolled. */
  constructor(view, list, moved) {
    this.#view = view;
    this.#list = list;
    view.addEventListener('scroll', () => {
      this.#sticks = this.#below() < NEAR_BOTTOM_PX;
      moved();
    }, { passive: true });
    new ResizeObserver(() => this.#sticks && this.toBottom()).observe(view);
  }

  get atBottom() {
    return this.#sticks;
  }

  get nearTop() {
    return this.#view.scrollTop < NEAR_TOP_PX;
  }

  toBottom() {
    this.#sticks = true;
    this.#view.scrollTop = this.#view.scrollHeight;
  }

  /** Runs a change of the list and puts the view where it belongs. */
  keep(change) {
    const anchor = this.#sticks ? null : this.#anchor();
    change();
    if (this.#sticks) this.toBottom();
    else if (anchor?.row.isConnected) this.#view.scrollTop += bottomOf(anchor.row) - anchor.bottom;
  }

  #below() {
    return this.#view.scrollHeight - this.#view.scrollTop - this.#view.clientHeight;
  }

  /** The first message in view. Its lower edge counts: its upper part changes when an older neighbour comes. */
  #anchor() {
    const top = this.#view.scrollTop;
    for (const row of this.#list.children) {
      if (row.dataset.testid === 'message' && bottomOf(row) > top) return { row, bottom: bottomOf(row) };
    }
    return null;
  }
}

function bottomOf(row) {
  return row.offsetTop + row.offsetHeight;
}
