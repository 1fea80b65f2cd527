// The open chat: its head, its messages and the composer.

import { avatar, byId, element, reconcile, setText } from './dom.js';
import { messageRows } from './message-rows.js';
import { Scroller } from './scroller.js';
import { presenceLine, titleOf } from './words.js';

const COMPOSER_PX = 160;
const TOP_LINES = { loading: 'Loading earlier messages…', more: '', none: 'This is the beginning', failed: '' };
const part = (id) => document.getElementById(id);

export class ChatView {
  #client = null;
  #chat = null;
  #log = '';
  #unreadFrom = 0;
  #newest = 0;
  #fresh = false;
  #section = byId('chat');
  #rows = byId('messages');
  #text = byId('composer-text');
  #members = byId('members');
  #scroller;

  constructor(leave) {
    this.#scroller = new Scroller(part('scroller'), this.#rows, () => this.#moved());
    part('back').addEventListener('click', leave);
    part('jump').addEventListener('click', () => this.#scroller.toBottom());
    part('bar-connect').addEventListener('click', () => this.#client.socket.start());
    part('members-toggle').addEventListener('click', () => this.#showMembers(part('members').hidden));
    part('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener('input', () => this.#fit());
    this.#text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
  }

  render(client) {
    this.#client = client;
    const chat = client.store.get(client.store.openId) ?? null;
    if (chat !== this.#chat) this.#change(chat);
    if (!chat) return;
    // Who is there is asked when the chat is opened, and when its first message made it.
    const log = `${chat.id} ${chat.draft}`;
    if (log !== this.#log) client.presence.refresh();
    this.#log = log;
    this.#head(chat);
    this.#bar(client.connection);
    this.#messages(chat);
    this.#moved();
  }

  reset() {
    if (this.#client) this.#change(null);
    this.#client = null;
    this.#log = '';
  }

  #change(chat) {
    if (this.#chat) this.#chat.text = this.#text.value;
    this.#chat = chat;
    this.#section.hidden = !chat;
    part('no-chat').hidden = Boolean(chat);
    reconcile(this.#rows, []);
    this.#showMembers(false);
    this.#fresh = false;
    this.#newest = 0;
    this.#text.value = chat?.text ?? '';
    if (!chat) return;
    this.#unreadFrom = chat.unread ? chat.readSeq + 1 : 0;
    this.#fit();
    this.#scroller.toBottom();
    if (matchMedia('(pointer: fine)').matches) this.#text.focus();
  }

  #head(chat) {
    const title = titleOf(chat);
    setText(byId('chat-title'), title);
    avatar(part('chat-avatar'), chat.peer?.id ?? chat.id, title);
    const { state, text } = presenceLine(chat);
    const status = byId('chat-peer-status');
    status.dataset.state = state;
    setText(status, text);
    const known = chat.kind === 'group' && chat.members ? chat.members.members : [];
    part('members-toggle').hidden = !known.length;
    if (!known.length) this.#showMembers(false);
    reconcile(this.#members, known.map((member) => memberRow(member, this.#client.me.id)));
    part('composer').hidden = chat.leftSeq > 0;
    part('closed').hidden = chat.leftSeq === 0;
  }

  #bar({ state, why }) {
    const texts = {
      connecting: 'Connecting…',
      reconnecting: 'The connection is lost. Reconnecting…',
      stopped: why || 'Not connected.',
    };
    part('bar').hidden = state === 'connected';
    part('bar-connect').hidden = state !== 'stopped';
    setText(part('bar-text'), texts[state] ?? '');
  }

  #messages(chat) {
    const { outbox } = this.#client;
    const act = { retry: (item) => outbox.retry(item), discard: (item) => outbox.discard(item) };
    const rows = messageRows(chat, this.#client, this.#unreadFrom, act);
    this.#scroller.keep(() => reconcile(this.#rows, [this.#top(chat, rows.length), ...rows]));
    const newest = chat.log.shown().at(-1);
    if (newest && newest.seq > this.#newest) {
      const away = this.#newest > 0 && !this.#scroller.atBottom;
      if (away && newest.sender !== this.#client.me.id) this.#fresh = true;
      this.#newest = newest.seq;
    }
  }

  /** The row above all others: what is known of older messages. */
  #top(chat, count) {
    const text = count || chat.older !== 'none' ? TOP_LINES[chat.older] : 'No messages yet. Write the first one.';
    return {
      key: 'top',
      look: `${chat.older} ${text}`,
      make: () => element('li', 'top-line'),
      update: (node) => {
        node.replaceChildren(element('span', '', text));
        if (chat.older !== 'failed') return;
        const again = element('button', 'link', 'Earlier messages could not be loaded. Try again');
        again.type = 'button';
        again.addEventListener('click', () => this.#client.loadOlder(chat));
        node.replaceChildren(again);
      },
    };
  }

  #moved() {
    const chat = this.#chat;
    if (!chat) return;
    if (this.#scroller.nearTop && chat.older === 'more') this.#client.loadOlder(chat);
    if (this.#scroller.atBottom) this.#fresh = false;
    part('jump').hidden = this.#scroller.atBottom || !this.#fresh;
    if (this.#scroller.atBottom && this.#client.store.isShown(chat.id)) this.#client.store.trim(chat);
  }

  #send() {
    this.#text.setCustomValidity('');
    const text = this.#text.value.trim();
    if (!text || !this.#chat) return;
    if (!this.#client.send(this.#chat.id, text)) {
      this.#text.setCustomValidity('Too many messages wait to be sent here. Wait until they are through.');
      this.#text.reportValidity();
      return;
    }
    this.#text.value = '';
    this.#unreadFrom = 0;
    this.#fit();
    this.#scroller.toBottom();
    this.#text.focus();
  }

  /** The composer is as high as its text, up to a limit. */
  #fit() {
    this.#text.setCustomValidity('');
    this.#text.style.height = 'auto';
    const borders = this.#text.offsetHeight - this.#text.clientHeight;
    this.#text.style.height = `${Math.min(this.#text.scrollHeight + borders, COMPOSER_PX)}px`;
  }

  #showMembers(shown) {
    part('members').hidden = !shown;
    part('members-toggle').setAttribute('aria-expanded', String(shown));
  }
}

function memberRow({ user, role, online }, myId) {
  const label = user.id === myId ? `${user.displayName} (you)` : user.displayName;
  const rank = { ROLE_OWNER: 'owner', ROLE_ADMIN: 'admin' }[role] ?? '';
  return {
    key: user.id,
    look: `${label} ${rank} ${online}`,
    make: () => {
      const node = element('li', 'member');
      node.dataset.testid = 'member';
      node.append(...['avatar', 'member-name', 'rank', 'presence'].map((name) => element('span', name)));
      return node;
    },
    update: (node) => {
      node.dataset.online = String(online);
      avatar(node.querySelector('.avatar'), user.id, user.displayName);
      setText(node.querySelector('.member-name'), label);
      setText(node.querySelector('.rank'), rank);
      setText(node.querySelector('.presence'), online ? 'online' : 'offline');
    },
  };
}
