// Small tools to build the page. Text goes in as text, never as markup.

const pageLocale = navigator.language?.startsWith('en') ? navigator.language : 'en-GB';
const clock = new Intl.DateTimeFormat(navigator.language, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(pageLocale, { weekday: 'short' });
const shortDate = new Intl.DateTimeFormat(navigator.language, { day: 'numeric', month: 'numeric', year: '2-digit' });
const longDate = new Intl.DateTimeFormat(pageLocale, { weekday: 'long', day: 'numeric', month: 'long' });
const fullDate = new Intl.DateTimeFormat(pageLocale, { dateStyle: 'full' });
const DAY_MS = 86_400_000;

/** The element with that data-testid. */
export function byId(testId) {
  return document.querySelector(`[data-testid="${testId}"]`);
}

export function element(tag, className = '', text = '') {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

/** Sets text only where it changes, so that screen readers do not repeat it. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of `parent` match `rows` of `{key, look, make, update}`. Nodes live on under their key; `update` runs
 * when `look` differs from last time. The focus stays where it was.
 */
export function reconcile(parent, rows) {
  const held = (parent.rows ??= new Map());
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(rows.map((row) => row.key));
  for (const [key, { node }] of held) {
    if (wanted.has(key)) continue;
    node.remove();
    held.delete(key);
  }
  let place = parent.firstElementChild;
  for (const row of rows) {
    if (!held.has(row.key)) held.set(row.key, { node: row.make(), look: null });
    const entry = held.get(row.key);
    if (entry.look !== row.look) {
      row.update(entry.node);
      entry.look = row.look;
    }
    if (entry.node === place) place = place.nextElementSibling;
    else parent.insertBefore(entry.node, place);
  }
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** A round badge with initials, in one of eight quiet colours that stays with the id. */
export function avatar(node, id, label) {
  const words = label.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...word][0]) : [...(words[0] ?? '?')].slice(0, 2);
  let hash = 0x811c9dc5;
  for (const char of id) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193);
  node.className = `avatar hue-${(hash ^ (hash >>> 15)) & 7}`;
  setText(node, letters.join('').toUpperCase());
  node.setAttribute('aria-hidden', 'true');
}

export function timeOf(ms) {
  return clock.format(ms);
}

const midnight = (ms) => new Date(ms).setHours(0, 0, 0, 0);

/** A key that is equal for all times of one day. */
export const dayKey = midnight;

export function dayName(ms) {
  const days = Math.round((midnight(Date.now()) - midnight(ms)) / DAY_MS);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 180 && days > 0 ? longDate.format(ms) : fullDate.format(ms);
}

/** As short as it can be said: a time today, a weekday this week, else a date. */
export function shortTime(ms) {
  const days = Math.round((midnight(Date.now()) - midnight(ms)) / DAY_MS);
  if (days <= 0) return clock.format(ms);
  return days < 7 ? weekday.format(ms) : shortDate.format(ms);
}
