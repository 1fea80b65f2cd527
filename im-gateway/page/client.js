// Everything that runs while a user is logged in, put together, and what the user can do.

import * as api from './api.js';
import { ApiError } from './http.js';
import { directId, newId } from './ids.js';
import { Feed } from './feed.js';
import { Outbox } from './outbox.js';
import { People } from './people.js';
import { Presence } from './presence.js';
import { Socket } from './socket.js';
import { Store } from './store.js';

const PAGE = 50;
const GROUP_NAMES_MAX = 100;
const TOO_BIG = new Set([4400, 4413]);

export class Client {
  connection = { state: 'connecting', why: '' };
  #groupCommand = { form: '', key: '' };

  /** `on` has `change()`, `arrived(chat, entry)` and `sessionEnded(why)`. */
  constructor(myId, on) {
    this.me = { id: myId, name: '', displayName: '' };
    this.store = new Store(this.me);
    this.people = new People(api.usersByIds);
    this.socket = new Socket({
      state: (state, why) => {
        this.connection = { state, why };
        if (state === 'connected') this.#connected();
        on.change();
      },
      welcome: (welcome) => this.feed.welcome(welcome),
      frame: (name, body) => this.feed.frame(name, body),
      lost: (code) => {
        this.feed.lost();
        this.outbox.pause(TOO_BIG.has(code) ? 'The server does not take this message; it may be too long.' : '');
      },
      sessionEnded: on.sessionEnded,
    });
    const send = (frame) => this.socket.send(frame);
    this.outbox = new Outbox(myId, send);
    this.feed = new Feed({ store: this.store, outbox: this.outbox, people: this.people, send });
    this.presence = new Presence(this.store, this.people);
    this.store.onChange = on.change;
    this.outbox.onChange = on.change;
    this.people.onChange = on.change;
    this.feed.onArrived = (chat, entry) => {
      if (entry.users && this.store.openId === chat.id) this.presence.refresh();
      on.arrived(chat, entry);
    };
  }

  start() {
    this.#introduce();
    this.socket.start();
  }

  /** `forget`: the user logged out, so unsent messages go too. */
  stop(forget) {
    this.store.onChange = () => {};
    if (forget) this.outbox.forget();
    else this.outbox.stop();
    this.socket.stop();
    this.feed.stop();
    this.presence.stop();
    this.people.stop();
  }

  open(id) {
    if (this.store.openId === id) return;
    const before = this.store.get(this.store.openId);
    if (before) this.store.trim(before);
    this.store.openId = id;
    this.store.onChange();
  }

  /** The open chat is on the screen: what came in counts as read. */
  seen() {
    const chat = this.store.get(this.store.openId);
    if (chat && this.store.isShown(chat.id)) this.feed.seen(chat);
  }

  send(id, text) {
    return this.outbox.add(id, text);
  }

  /** Pages in what is older than the block. */
  async loadOlder(chat) {
    if (chat.older === 'none' || chat.older === 'loading') return;
    const { log } = chat;
    this.store.setOlder(chat, 'loading');
    try {
      const { entries, more } = await api.messages(chat.id, log.low, PAGE);
      // Meanwhile a long absence may have started the log anew.
      if (chat.log !== log) return this.store.setOlder(chat, 'more');
      this.store.prepend(chat, entries, !entries.length || (entries.length < PAGE && !more));
    } catch {
      this.store.setOlder(chat, chat.log === log ? 'failed' : 'more');
    }
    return undefined;
  }

  /** The id of the direct chat with the user of that name. */
  async startDirect(name) {
    const user = await this.#user(name);
    if (user.id === this.me.id) throw refuse('That is you. Give the name of somebody else.');
    this.people.add(user);
    return this.store.draft(directId(this.me.id, user.id), user).id;
  }

  /** Makes a group of the user and the named others. The same form sent again makes no second group. */
  async createGroup(title, names) {
    const wanted = [...new Set(names)];
    if (wanted.length > GROUP_NAMES_MAX) throw refuse(`Give at most ${GROUP_NAMES_MAX} names.`);
    const users = [];
    for (const name of wanted) users.push(await this.#user(name));
    const ids = users.map(({ id }) => id).filter((id) => id !== this.me.id);
    const form = JSON.stringify([title, ids]);
    if (this.#groupCommand.form !== form) this.#groupCommand = { form, key: newId() };
    const id = await api.createGroup(this.#groupCommand.key, title, ids);
    this.#groupCommand = { form: '', key: '' };
    this.store.merge(await api.conversation(id));
    return id;
  }

  /** What could not be had without a network is asked for again. */
  #connected() {
    if (!this.me.name) this.#introduce();
    for (const chat of this.store.all()) {
      if (chat.older === 'failed') this.store.setOlder(chat, 'more');
    }
    this.presence.refresh();
  }

  async #introduce() {
    try {
      Object.assign(this.me, await api.me());
      this.people.add(this.me);
      this.store.onChange();
    } catch {
      // An ended session is told by the API itself; for the rest there is the next connection.
    }
  }

  async #user(name) {
    const user = await api.userByName(name);
    if (!user) throw refuse(`There is no user named "${name}".`);
    return user;
  }
}

function refuse(detail) {
  return new ApiError({ code: 'refused_here', detail });
}
