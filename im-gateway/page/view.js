// The page as a whole: which part is shown, the state of the connection, and drawing at most once in a while.

import { byId, avatar, element, setText } from './dom.js';
import { ChatView } from './chat-view.js';
import { ListView } from './list-view.js';
import { messageText, systemLine, titleOf } from './words.js';

const DRAW_AFTER_MS = 16;
const CONNECTION = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
  stopped: 'Not connected',
};

export class View {
  #client = null;
  #timer = 0;
  #chat;
  #list;

  /** `on` has `logout()`, `leave()`, `open(id)`, `direct(name)` and `group(title, names)`. */
  constructor(on) {
    this.#chat = new ChatView(on.leave);
    this.#list = new ListView(on);
    byId('logout').addEventListener('click', on.logout);
    document.addEventListener('visibilitychange', () => this.changed());
  }

  /** Shows the chats of a client, or with null the form to log in. */
  show(client) {
    this.#client = client;
    document.getElementById('auth').hidden = Boolean(client);
    document.getElementById('shell').hidden = !client;
    document.title = 'GoChat';
    setText(document.getElementById('announcer'), '');
    this.#chat.reset();
    this.#list.reset();
    if (client) this.#draw();
  }

  /** Something changed: draw soon, once for all changes until then. */
  changed() {
    this.#timer ||= setTimeout(() => this.#draw(), DRAW_AFTER_MS);
  }

  /** Says an entry to those who listen to the page instead of looking at it. */
  announce(chat, entry) {
    const { people, me } = this.#client;
    const text = entry.kind === 'message'
      ? `${people.name(entry.sender)}: ${messageText(entry)}`
      : systemLine(entry, people, me.id);
    if (!text) return;
    const where = this.#client.store.isShown(chat.id) || chat.kind === 'direct' ? '' : ` (in ${titleOf(chat)})`;
    document.getElementById('announcer').replaceChildren(element('p', '', text.slice(0, 300) + where));
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const client = this.#client;
    if (!client) return;
    const { me } = client;
    setText(byId('me-name'), me.displayName);
    byId('me-name').title = me.name;
    avatar(document.getElementById('me-avatar'), me.id, me.displayName);
    const state = byId('connection-state');
    state.dataset.state = client.connection.state;
    state.title = client.connection.why;
    setText(state, CONNECTION[client.connection.state]);
    document.body.dataset.pane = client.store.get(client.store.openId) ? 'chat' : 'list';
    this.#chat.render(client);
    client.seen();
    this.#list.render(client);
    const unread = client.store.all().reduce((sum, { unread: count }) => sum + count, 0);
    document.title = unread ? `(${unread}) GoChat` : 'GoChat';
  }
}
