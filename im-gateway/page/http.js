// One HTTP request, and the one kind of error that comes of it.

const TIMEOUT_MS = 15_000;

/** An error with a stable code and an English sentence that says what to do. */
export class ApiError extends Error {
  constructor({ code, detail, status = 0, params = {}, retryAfterMs = 0 }) {
    const named = code === 'invalid_argument' ? Object.entries(params).map(([k, v]) => `${k}: ${v}`).join(', ') : '';
    super(named ? `${detail} (${named})` : detail);
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Codes after which the same request, unchanged, may succeed. */
const RETRYABLE = new Set([
  'rate_limited', 'overloaded', 'outcome_unknown', 'unavailable', 'deadline_exceeded', 'retry_in_order', 'unreachable',
]);

export const isRetryable = (code) => RETRYABLE.has(code);

/** Sends JSON, returns JSON. Throws nothing but `ApiError`. */
export async function request(method, path, { body, token, key } = {}) {
  const headers = { accept: 'application/json, application/problem+json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (token) headers.authorization = `Bearer ${token}`;
  if (key) headers['idempotency-key'] = key;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(path, { method, headers, body: sent, signal: stop.signal, cache: 'no-store' });
    const text = await response.text();
    if (!response.ok) throw problem(response.status, text);
    return text ? JSON.parse(text) : {};
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError({ code: 'unreachable', detail: 'The server did not answer. Check the connection and try again.' });
  } finally {
    clearTimeout(timer);
  }
}

function problem(status, text) {
  let said = {};
  try {
    said = JSON.parse(text) ?? {};
  } catch {
    // Something between the page and the server answered in its own words.
  }
  return new ApiError({
    code: said.code ?? (status >= 502 ? 'unavailable' : 'internal'),
    detail: said.detail || said.title || `The server answered with status ${status}.`,
    status,
    params: said.params ?? {},
    retryAfterMs: Number(said.retry_after_ms ?? 0),
  });
}
