// Identifiers the page makes itself.

/** A random UUID; `crypto.randomUUID` is missing where the page came over plain http from another host. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The conversation of two users: the lower id comes first, as a number and not as text. */
export function directId(one, other) {
  const [a, b] = [BigInt(one), BigInt(other)];
  return a < b ? `d:${a}:${b}` : `d:${b}:${a}`;
}
