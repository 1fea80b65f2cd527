// The HTTP API as functions. Every call of a logged-in user renews an expired token once and goes on.

import { ApiError, isRetryable, request } from './http.js';
import { clear, device, load, refresh, save } from './session.js';
import { parseConversation, parseEntry, parseMember, parseUser } from './wire.js';

const COMMAND_TRIES = 5;
const PAGES_MAX = 200;
let ended = () => {};

/** Called when a request shows that the session is over. */
export function onSessionEnded(callback) {
  ended = callback;
}

async function call(method, path, options = {}) {
  let token = load()?.access_token;
  try {
    return await request(method, path, { ...options, token });
  } catch (error) {
    if (error.status !== 401) throw error;
    try {
      if (error.code !== 'token_expired') throw error;
      token = (await refresh(token)).access_token;
      return await request(method, path, { ...options, token });
    } catch (final) {
      // An answer to a session that was left meanwhile says nothing about the one of now.
      if (final.status === 401 && load()?.access_token === token) ended(final.message);
      throw final;
    }
  }
}

export async function register(name, password, displayName) {
  const body = { name, password, display_name: displayName || name, device: device() };
  save(await request('POST', '/v1/auth/register', { body }));
}

export async function login(name, password) {
  save(await request('POST', '/v1/auth/login', { body: { name, password, device: device() } }));
}

/** Logs out here at once, and at the server if it can be reached. */
export async function logout() {
  const token = load()?.access_token;
  clear();
  await request('POST', '/v1/auth/logout', { token }).catch(() => {});
}

export async function me() {
  return parseUser(await call('GET', '/v1/me'));
}

/** The user of that name, or null. */
export async function userByName(name) {
  const page = await call('GET', `/v1/users?name=${encodeURIComponent(name)}`);
  return page.items?.length ? parseUser(page.items[0]) : null;
}

export async function usersByIds(ids) {
  const page = await call('GET', `/v1/users?ids=${ids.map(encodeURIComponent).join(',')}`);
  return (page.items ?? []).map(parseUser);
}

/** All conversations, page by page. */
export async function conversations() {
  const found = [];
  let cursor = '';
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const answer = await call('GET', `/v1/conversations?limit=50${query}`);
    found.push(...(answer.items ?? []).map(parseConversation));
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  return found;
}

const at = (id) => `/v1/conversations/${encodeURIComponent(id)}`;

export async function conversation(id) {
  return parseConversation(await call('GET', at(id)));
}

/** The first members, as many as one page holds. */
export async function members(id) {
  const page = await call('GET', `${at(id)}/members?limit=200`);
  return { members: (page.items ?? []).map(parseMember), more: Boolean(page.next_cursor) };
}

/** The entries before a seq in ascending order; 0: the newest. */
export async function messages(id, before, limit) {
  const from = before > 0 ? `&before=${before}` : '';
  const page = await call('GET', `${at(id)}/messages?limit=${limit}${from}`);
  return { entries: (page.items ?? []).map(parseEntry), more: Boolean(page.next_cursor) };
}

/** Makes a group and returns its id. The same key never makes a second one, so a lost answer is asked for again. */
export async function createGroup(key, title, memberIds) {
  const body = { title, member_ids: memberIds, open: false };
  for (let tries = 1; ; tries += 1) {
    try {
      const made = await call('POST', '/v1/groups', { body, key });
      return made.conversation_id;
    } catch (error) {
      const again = error instanceof ApiError && isRetryable(error.code) && tries < COMMAND_TRIES;
      if (!again) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs || 1000));
    }
  }
}
