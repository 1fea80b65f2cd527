// Read cursors: moved here at once, and told to the server at most once a second for each conversation.

const TELL_EVERY_MS = 1_000;

export class Cursors {
  #store;
  #send;
  #told = new Map();

  constructor(store, send) {
    this.#store = store;
    this.#send = send;
  }

  /** Everything held of a conversation without a hole was seen. */
  seen(chat) {
    const seq = chat.log.high;
    if (chat.draft || seq <= chat.readSeq) return;
    this.#store.read(chat, seq);
    this.#tell(chat);
  }

  /** The server's cursor is `serverSeq`; one it lost with a connection is told again. */
  compare(chat, serverSeq) {
    if (serverSeq >= chat.readSeq) return;
    const told = this.#told.get(chat.id);
    if (told) told.seq = serverSeq;
    this.#tell(chat);
  }

  clear() {
    for (const told of this.#told.values()) clearTimeout(told.timer);
    this.#told.clear();
  }

  #tell(chat) {
    const told = this.#told.get(chat.id) ?? { timer: 0, seq: 0 };
    this.#told.set(chat.id, told);
    if (told.timer || told.seq >= chat.readSeq) return;
    if (!this.#send({ read: { conversation_id: chat.id, read_seq: String(chat.readSeq) } })) return;
    told.seq = chat.readSeq;
    told.timer = setTimeout(() => {
      told.timer = 0;
      this.#tell(chat);
    }, TELL_EVERY_MS);
  }
}
