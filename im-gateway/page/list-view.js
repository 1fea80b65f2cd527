// The list of conversations and the two forms that start a new one.

import { avatar, byId, element, reconcile, setText, shortTime } from './dom.js';
import { preview, titleOf } from './words.js';

export class ListView {
  #list = byId('conversation-list');
  #empty = document.getElementById('list-empty');
  #error = byId('start-error');

  /** `on` has `open(id)`, and `direct(name)` and `group(title, names)`, which are async. */
  constructor(on) {
    this.#list.addEventListener('click', (event) => {
      const item = event.target.closest('[data-conversation-id]');
      if (item) on.open(item.dataset.conversationId);
    });
    this.#form('new-direct', 'new-direct-submit', () => {
      const name = byId('new-direct-name').value.trim();
      if (!name) throw new Error('Give the user name of the person to chat with.');
      return on.direct(name);
    });
    this.#form('new-group', 'new-group-submit', () => {
      const title = byId('new-group-title').value.trim();
      const names = byId('new-group-names').value.split(',').map((name) => name.trim()).filter(Boolean);
      if (!title) throw new Error('Give the group a title.');
      if (!names.length) throw new Error('Give the user names of the members, separated by commas.');
      return on.group(title, names);
    });
  }

  render(client) {
    const { store, outbox } = client;
    const chats = store.all().map((chat) => {
      const own = outbox.items(chat.id).at(-1);
      const unsent = own && (own.state !== 'sent' || own.seq > (chat.lastEntry?.seq ?? 0)) ? own : null;
      const at = Math.max(chat.lastEntry?.at ?? 0, unsent?.at ?? 0);
      return { chat, unsent, at };
    }).filter(({ chat, unsent }) => !chat.draft || unsent || chat.lastEntry || store.openId === chat.id);
    // A chat that was just started is on top until it has its first message.
    const rank = ({ chat, at }) => at || (chat.draft ? Number.MAX_SAFE_INTEGER : 0);
    chats.sort((a, b) => rank(b) - rank(a));
    reconcile(this.#list, chats.map((item) => this.#row(item, client)));
    this.#empty.hidden = chats.length > 0 || !store.settled;
  }

  reset() {
    reconcile(this.#list, []);
    for (const id of ['new-direct', 'new-group']) document.getElementById(id).reset();
    this.#say('');
  }

  #row({ chat, unsent, at }, { store, people, me }) {
    const title = titleOf(chat);
    const line = preview(chat, unsent, people, me.id);
    const unread = store.isShown(chat.id) ? 0 : chat.unread;
    const time = at ? shortTime(at) : '';
    const open = store.openId === chat.id;
    const failed = unsent?.state === 'failed';
    return {
      key: chat.id,
      look: JSON.stringify([title, line, unread, time, open, failed]),
      make: () => makeRow(chat),
      update: (row) => {
        avatar(row.querySelector('.avatar'), chat.peer?.id ?? chat.id, title);
        setText(row.querySelector('.title'), title);
        setText(row.querySelector('.line'), failed ? `Not sent: ${unsent.text}` : line);
        row.querySelector('.line').classList.toggle('failed', failed);
        setText(row.querySelector('.when'), time);
        showUnread(row.querySelector('.unread'), unread);
        const button = row.firstElementChild;
        if (open) button.setAttribute('aria-current', 'true');
        else button.removeAttribute('aria-current');
      },
    };
  }

  #form(id, submitId, act) {
    const form = document.getElementById(id);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const submit = byId(submitId);
      if (submit.disabled) return;
      submit.disabled = true;
      this.#say('');
      try {
        await act();
        form.reset();
      } catch (error) {
        this.#say(error.message);
      } finally {
        submit.disabled = false;
      }
    });
  }

  #say(text) {
    setText(this.#error, text);
    this.#error.hidden = !text;
  }
}

function makeRow(chat) {
  const row = element('li');
  const button = element('button', 'conversation');
  button.type = 'button';
  button.dataset.testid = 'conversation';
  button.dataset.conversationId = chat.id;
  const text = element('span', 'conversation-text');
  const top = element('span', 'top');
  top.append(element('span', 'title'), element('span', 'when'));
  const bottom = element('span', 'bottom');
  const unread = element('span', 'unread');
  unread.dataset.testid = 'conversation-unread';
  bottom.append(element('span', 'line'), unread);
  text.append(top, bottom);
  button.append(element('span', 'avatar'), text);
  row.append(button);
  return row;
}

function showUnread(badge, unread) {
  badge.hidden = unread === 0;
  setText(badge, unread > 99 ? '99+' : unread ? String(unread) : '');
  badge.setAttribute('role', 'img');
  badge.setAttribute('aria-label', `${unread} unread`);
}
