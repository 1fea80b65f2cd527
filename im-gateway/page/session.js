// Who is logged in on this browser: the tokens and the device, kept in localStorage and shared by all tabs. Nothing here
// is cached in memory, so a tab always uses what another tab refreshed.

import { ApiError, request } from './http.js';
import { newId } from './ids.js';

const SESSION = 'gochat.session';
const DEVICE = 'gochat.device';
const LEASE = 'gochat.refreshing';
const LEASE_MS = 20_000;
const SPREAD_MS = 250;

/** The token pair, or null. */
export function load() {
  try {
    return JSON.parse(localStorage.getItem(SESSION));
  } catch {
    return null;
  }
}

export function save(pair) {
  localStorage.setItem(SESSION, JSON.stringify(pair));
}

export function clear() {
  localStorage.removeItem(SESSION);
}

export function device() {
  let id = localStorage.getItem(DEVICE);
  if (!id) {
    id = newId();
    localStorage.setItem(DEVICE, id);
  }
  return { device_id: id, platform: 'web' };
}

/** Calls back when another tab logged in or out. */
export function onElsewhere(changed) {
  addEventListener('storage', (event) => {
    if (event.key === SESSION || event.key === null) changed(load());
  });
}

/**
 * A pair newer than the refused access token. A refresh token works once, so one tab refreshes and the others take what
 * it got. Throws a 401 when there is nothing left to do but to log in.
 */
export function refresh(refused) {
  return new Promise((resolve, reject) => {
    exclusively(async () => {
      try {
        resolve(await renewed(refused));
      } catch (error) {
        reject(error);
      }
      // Browsers carry localStorage from tab to tab in the background. The next tab goes ahead when it can see the result.
      await pause(SPREAD_MS);
    }).catch(reject);
  });
}

async function renewed(refused) {
  const held = load();
  if (!held) throw new ApiError({ code: 'signed_out', detail: 'You are logged out.', status: 401 });
  if (held.access_token !== refused) return held;
  const pair = await request('POST', '/v1/auth/refresh', { body: { refresh_token: held.refresh_token } });
  if (load()?.refresh_token === held.refresh_token) save(pair);
  return pair;
}

let queue = Promise.resolve();

function exclusively(work) {
  if (navigator.locks) return navigator.locks.request(LEASE, work);
  const done = queue.then(() => leased(work));
  queue = done.catch(() => {});
  return done;
}

/** Without the Web Locks API (plain http): a lease in localStorage, written, and read back after a moment. */
async function leased(work) {
  const id = newId();
  for (;;) {
    const [, until] = (localStorage.getItem(LEASE) ?? ':0').split(':');
    if (Number(until) < Date.now()) {
      localStorage.setItem(LEASE, `${id}:${Date.now() + LEASE_MS}`);
      await pause(SPREAD_MS);
      if (localStorage.getItem(LEASE)?.startsWith(id)) break;
    }
    await pause(50 + Math.random() * 100);
  }
  try {
    await work();
  } finally {
    if (localStorage.getItem(LEASE)?.startsWith(id)) localStorage.removeItem(LEASE);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
