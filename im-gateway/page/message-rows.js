// The rows of an open chat: days, system lines and messages, each as `{key, look, make, update}` for `reconcile`.

import { avatar, dayKey, dayName, element, setText, timeOf } from './dom.js';
import { messageText, systemLine } from './words.js';

const CLUSTER_MS = 5 * 60_000;
const MARKS = { pending: ['…', 'being sent'], failed: ['!', 'not sent'], sent: ['✓', 'sent'], seen: ['✓✓', 'seen'] };

/** `unreadFrom` is the first seq that was unread when the chat was opened, or 0. `act` has `retry(item)` and `discard(item)`. */
export function messageRows(chat, { outbox, people, me }, unreadFrom, act) {
  const rows = [];
  let [before, day, marked] = [null, 0, !unreadFrom];
  for (const line of linesOf(chat, outbox, me)) {
    const text = line.kind === 'message' ? '' : systemLine(line, people, me.id);
    if (line.kind !== 'message' && !text) continue;
    if (dayKey(line.at) !== day) {
      day = dayKey(line.at);
      rows.push(plainRow(`day ${day}`, 'day', dayName(line.at)));
      before = null;
    }
    if (!marked && line.seq >= unreadFrom && line.sender !== me.id) {
      marked = true;
      rows.push(plainRow('unread', 'unread-mark', 'New messages'));
      before = null;
    }
    if (text) {
      rows.push(plainRow(`seq ${line.seq}`, 'system', text));
      before = null;
      continue;
    }
    const first = !before || before.sender !== line.sender || line.at - before.at > CLUSTER_MS;
    rows.push(messageRow(line, look(line, chat, first, people, me), act));
    before = line;
  }
  return rows;
}

/** Entries, own messages that are stored but not yet in the log, and those on their way, in the order to show them. */
function linesOf(chat, outbox, me) {
  const own = outbox.items(chat.id).map((item) => ({ ...item, kind: 'message', sender: me.id, item }));
  const stored = own.filter((line) => line.state === 'sent');
  const waiting = own.filter((line) => line.state !== 'sent');
  const entries = chat.log.shown();
  const known = stored.length ? [...entries, ...stored].sort((a, b) => a.seq - b.seq) : entries;
  return [...known, ...waiting];
}

function look(line, chat, first, people, me) {
  const own = line.sender === me.id;
  const state = line.state ?? 'sent';
  return {
    own,
    first,
    state,
    seq: line.seq,
    sender: own ? 'You' : people.name(line.sender),
    face: !own && chat.kind === 'group',
    text: messageText(line),
    plain: line.custom === undefined,
    at: line.at,
    mark: own && state === 'sent' && chat.kind === 'direct' && line.seq <= chat.peerReadSeq ? 'seen' : state,
    error: line.error ?? '',
  };
}

function messageRow(line, seen, act) {
  const mine = seen.own && line.commandId;
  return {
    key: mine ? `command ${line.commandId}` : `seq ${line.seq}`,
    look: JSON.stringify(seen),
    make: () => makeMessage(),
    update: (node) => updateMessage(node, line, seen, act),
  };
}

function makeMessage() {
  const node = element('li', 'message');
  node.dataset.testid = 'message';
  const bubble = element('div', 'bubble');
  const text = element('div', 'text');
  text.dataset.testid = 'message-text';
  const meta = element('span', 'meta');
  meta.append(element('time'), element('span', 'mark'));
  const sender = element('span', 'sender');
  sender.dataset.testid = 'message-sender';
  bubble.append(sender, text, meta);
  node.append(element('span', 'avatar'), bubble, element('div', 'problem'));
  return node;
}

function updateMessage(node, line, seen, act) {
  node.className = `message${seen.own ? ' own' : ''}${seen.first ? ' first' : ''}${seen.face ? ' with-face' : ''}`;
  node.dataset.state = seen.state;
  if (seen.seq) node.dataset.seq = String(seen.seq);
  if (seen.face) avatar(node.querySelector('.avatar'), line.sender, seen.sender);
  const sender = node.querySelector('.sender');
  sender.classList.toggle('for-ears', seen.own || !seen.first);
  setText(sender, seen.sender);
  const text = node.querySelector('.text');
  text.classList.toggle('odd', !seen.plain);
  setText(text, seen.text);
  const time = node.querySelector('time');
  time.dateTime = new Date(seen.at).toISOString();
  time.title = new Date(seen.at).toLocaleString();
  setText(time, timeOf(seen.at));
  const [mark, said] = MARKS[seen.mark];
  const badge = node.querySelector('.mark');
  badge.hidden = !seen.own;
  badge.classList.toggle('seen', seen.mark === 'seen');
  setText(badge, mark);
  badge.setAttribute('role', 'img');
  badge.setAttribute('aria-label', said);
  problem(node.querySelector('.problem'), line.item, seen, act);
}

function problem(node, item, seen, act) {
  node.hidden = seen.state !== 'failed';
  node.replaceChildren();
  if (node.hidden) return;
  const why = element('span', 'why', seen.error || 'The message was not sent.');
  why.dataset.testid = 'message-error';
  const again = button('Try again', 'message-retry', () => act.retry(item));
  const remove = button('Remove', 'message-remove', () => act.discard(item));
  node.append(why, again, remove);
}

function button(label, testId, pressed) {
  const node = element('button', 'link', label);
  node.type = 'button';
  node.dataset.testid = testId;
  node.addEventListener('click', pressed);
  return node;
}

function plainRow(key, className, text) {
  return {
    key,
    look: text,
    make: () => {
      const node = element('li', className);
      node.append(element('span'));
      return node;
    },
    update: (node) => setText(node.firstElementChild, text),
  };
}
