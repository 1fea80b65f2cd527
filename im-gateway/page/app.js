// Starts the page: the form to log in, or the chats. The open conversation is in the address, after the '#', so that going
// back, reloading and bookmarks work.

import * as api from './api.js';
import { AuthView } from './auth-view.js';
import { Client } from './client.js';
import { clear, load, onElsewhere } from './session.js';
import { View } from './view.js';

let client = null;

const auth = new AuthView({
  login: async (name, password) => {
    await api.login(name, password);
    begin(load());
  },
  register: async (name, password, displayName) => {
    await api.register(name, password, displayName);
    begin(load());
  },
});

const view = new View({
  logout: () => {
    api.logout();
    history.replaceState(null, '', location.pathname);
    end('', { forget: true });
  },
  leave: () => go(''),
  open: (id) => go(id),
  direct: async (name) => go(await client.startDirect(name)),
  group: async (title, names) => go(await client.createGroup(title, names)),
});

/** The chats of whoever the tokens belong to. */
function begin(pair) {
  if (client) return;
  client = new Client(pair.user_id, {
    change: () => changed(),
    arrived: (chat, entry) => view.announce(chat, entry),
    sessionEnded: (why) => sessionEnded(why),
  });
  view.show(client);
  client.start();
  route();
}

/** Back to the form; `forget` drops what was not sent yet, else it waits for the next login in this tab. */
function end(why, { forget = false } = {}) {
  client?.stop(forget);
  client = null;
  view.show(null);
  auth.show(why);
}

function sessionEnded(why) {
  clear();
  end(why);
}

function changed() {
  view.changed();
  const { store } = client ?? {};
  // An address that leads nowhere.
  if (store?.settled && store.openId && !store.get(store.openId)) go('');
}

function go(id) {
  if (id) location.hash = encodeURIComponent(id);
  else history.replaceState(null, '', location.pathname + location.search);
  route();
}

function route() {
  let id = '';
  try {
    id = decodeURIComponent(location.hash.slice(1));
  } catch {
    // Not an address this page wrote.
  }
  client?.open(id || null);
}

api.onSessionEnded(sessionEnded);
addEventListener('hashchange', route);
onElsewhere((pair) => {
  if (client && !pair) end('You logged out in another tab.');
  if (client && pair.user_id !== client.me.id) end('');
  if (!client && pair) begin(pair);
});

if (load()) begin(load());
else end('');
