// From the wire's JSON to the page's own shapes. Fields at their default are left out on the wire, 64-bit numbers come as
// text: seqs and times become numbers (they stay below 2^53), ids of users and messages stay text.

const number = (value) => Number(value ?? 0);

export function parseUser(raw) {
  return { id: raw.user_id ?? '0', name: raw.name ?? '', displayName: raw.display_name || raw.name || '' };
}

export function parseMember(raw) {
  return { user: parseUser(raw.user ?? {}), role: raw.role ?? 'ROLE_MEMBER', online: raw.online === true };
}

/** One line of a log. `kind` is what its body is; a body this page does not know has the kind `unknown`. */
export function parseEntry(raw) {
  return {
    conversationId: raw.conversation_id ?? '',
    seq: number(raw.seq),
    sender: raw.sender_id ?? '0',
    commandId: raw.command_id ?? '',
    at: number(raw.created_at_ms),
    msgNo: number(raw.msg_no),
    ...parseBody(raw.body ?? {}),
  };
}

function parseBody(body) {
  if (body.message) {
    const { text, custom } = body.message;
    return text ? { kind: 'message', text: text.text ?? '' } : { kind: 'message', custom: custom?.kind ?? 'unknown' };
  }
  if (body.created) {
    return { kind: 'created', title: body.created.title ?? '', users: body.created.member_ids ?? [] };
  }
  if (body.joined) return { kind: 'joined', users: body.joined.user_ids ?? [] };
  if (body.left) return { kind: 'left', users: [body.left.user_id ?? '0'] };
  if (body.removed) return { kind: 'removed', users: [body.removed.user_id ?? '0'] };
  return { kind: 'unknown' };
}

/** A conversation as the server sees it at this moment. */
export function parseConversation(raw) {
  return {
    id: raw.conversation_id ?? '',
    kind: raw.kind === 'CONVERSATION_KIND_DIRECT' ? 'direct' : 'group',
    title: raw.title ?? '',
    peer: raw.peer ? parseUser(raw.peer) : null,
    memberCount: number(raw.member_count),
    firstSeq: number(raw.first_seq),
    visibleFrom: number(raw.visible_from),
    leftSeq: number(raw.left_seq),
    lastSeq: number(raw.last_seq),
    lastMsgNo: number(raw.last_msg_no),
    readSeq: number(raw.read_seq),
    peerReadSeq: number(raw.peer_read_seq),
    unread: number(raw.unread),
    lastEntry: raw.last_entry ? parseEntry(raw.last_entry) : null,
  };
}

/** A personal log is a conversation of one, of no use in a list of chats. */
export function isPersonal(id) {
  return id.startsWith('u:');
}
