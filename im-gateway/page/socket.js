// One WebSocket at a time: says hello, keeps itself alive, and comes back when it is lost. What the frames mean is decided
// elsewhere.

import { device, load, refresh } from './session.js';

const SUBPROTOCOL = 'gochat.v1.json';
const WELCOME_MS = 10_000;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;
const STEADY_MS = 5_000;
const CLOSE = { badToken: 4401, expired: 4402, revoked: 4403, kicked: 4409 };

export class Socket {
  #on;
  #ws = null;
  #timer = 0;
  #beat = 0;
  #heardAt = 0;
  #welcomedAt = 0;
  #failures = 0;
  #wanted = false;
  #comeBackMs = null;
  #state = '';

  /** `on` has `state(name, why)`, `welcome(frame)`, `frame(name, body)`, `lost(code)` and `sessionEnded(why)`. */
  constructor(on) {
    this.#on = on;
    this.wake = this.wake.bind(this);
  }

  start() {
    this.#wanted = true;
    this.#failures = 0;
    addEventListener('online', this.wake);
    document.addEventListener('visibilitychange', this.wake);
    this.#setState('connecting');
    this.#open();
  }

  /** Leaves for good; `why` is shown. */
  stop(why = '') {
    this.#wanted = false;
    removeEventListener('online', this.wake);
    document.removeEventListener('visibilitychange', this.wake);
    this.#leave();
    clearTimeout(this.#timer);
    this.#setState('stopped', why);
  }

  get connected() {
    return this.#state === 'connected';
  }

  /** False where there is no connection to send on. */
  send(frame) {
    if (!this.connected || this.#ws?.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(JSON.stringify(frame));
    return true;
  }

  /** Somebody is looking, or the network is back: do not wait out a long pause, and find a dead connection early. */
  wake() {
    if (!this.#wanted || document.hidden) return;
    if (!this.#ws && this.#comeBackMs === null) this.#schedule(Math.random() * BACKOFF_MIN_MS);
    else if (this.connected) this.send({ ping: { data: 'wake' } });
  }

  #open() {
    if (this.#ws) return undefined;
    const pair = load();
    if (!pair) return this.#on.sessionEnded('You are logged out.');
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const ws = new WebSocket(`${scheme}://${location.host}/ws`, SUBPROTOCOL);
    const token = pair.access_token;
    this.#ws = ws;
    this.#welcomedAt = 0;
    this.#comeBackMs = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(1006, '', token), WELCOME_MS);
    ws.onopen = () => ws.send(JSON.stringify({ hello: { access_token: token, ...device() } }));
    ws.onmessage = (event) => ws === this.#ws && this.#heard(event.data);
    ws.onclose = (event) => ws === this.#ws && this.#lost(event.code, event.reason, token);
    return undefined;
  }

  #heard(data) {
    this.#heardAt = Date.now();
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    const [name, body] = Object.entries(frame ?? {})[0] ?? [];
    if (name === 'welcome') this.#welcomed(body);
    else if (name === 'kicked') this.stop(body.message || 'The server ended this connection.');
    else if (name === 'reconnect') this.#comeBack(Number(body.after_ms ?? 0));
    else if (name === 'notice' && body.code === 'token_expiring') this.#renew();
    else if (name && name !== 'pong') this.#on.frame(name, body);
  }

  #welcomed(welcome) {
    clearTimeout(this.#timer);
    this.#welcomedAt = Date.now();
    const heartbeatMs = Number(welcome.heartbeat_ms ?? 0) || 30_000;
    clearInterval(this.#beat);
    this.#beat = setInterval(() => {
      if (Date.now() - this.#heardAt > heartbeatMs) this.#lost(1006, '', '');
      else this.send({ ping: { data: String(Date.now()) } });
    }, heartbeatMs / 2);
    this.#setState('connected');
    this.#on.welcome(welcome);
  }

  /** The server drains: leave now, come back at the time it gave. */
  #comeBack(afterMs) {
    this.#comeBackMs = afterMs;
    this.#lost(1001, '', '');
  }

  async #renew() {
    const refused = load()?.access_token;
    try {
      const pair = await refresh(refused);
      this.send({ auth: { access_token: pair.access_token } });
    } catch {
      // The server closes with `token expired` in time, and that road says what is wrong.
    }
  }

  #leave() {
    const ws = this.#ws;
    this.#ws = null;
    clearInterval(this.#beat);
    clearTimeout(this.#timer);
    if (ws) ws.close();
  }

  /** The connection is over, whoever ended it. A dead one is not waited for. */
  #lost(code, reason, token) {
    const lived = this.#welcomedAt ? Date.now() - this.#welcomedAt : 0;
    this.#leave();
    if (!this.#wanted) return;
    this.#on.lost(code);
    if (code === CLOSE.badToken || code === CLOSE.revoked) {
      this.#on.sessionEnded(reason || 'The session was ended. Log in again.');
    } else if (code === CLOSE.kicked) {
      this.stop(reason || 'A newer connection of this device took over.');
    } else {
      this.#setState(this.#state === 'connecting' ? 'connecting' : 'reconnecting');
      this.#failures = lived > STEADY_MS ? 0 : this.#failures + 1;
      if (code === CLOSE.expired) this.#refreshThenOpen(token);
      else this.#schedule(this.#comeBackMs ?? this.#backoff());
    }
  }

  async #refreshThenOpen(token) {
    try {
      await refresh(token || load()?.access_token);
    } catch (error) {
      if (error.status === 401 && this.#wanted) return this.#on.sessionEnded(error.message);
    }
    return this.#schedule(this.#backoff());
  }

  /** Exponential, with full jitter. */
  #backoff() {
    const doublings = Math.min(Math.max(this.#failures - 1, 0), 10);
    return Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** doublings);
  }

  #schedule(ms) {
    if (!this.#wanted || this.#ws) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), ms);
  }

  #setState(state, why = '') {
    if (state === this.#state && !why) return;
    this.#state = state;
    this.#on.state(state, why);
  }
}
