// How conversations and entries are put into words.

export function titleOf(chat) {
  if (chat.kind === 'direct') return chat.peer?.displayName || 'Direct chat';
  return chat.title || 'Group';
}

/** The line for an entry that is no message, or '' where nobody needs to see it. */
export function systemLine(entry, people, myId) {
  const name = (id) => (id === myId ? 'you' : people.name(id));
  const users = (entry.users ?? []).filter((id) => entry.kind !== 'created' || id !== entry.sender);
  const named = listed(users.map(name));
  const bySender = entry.sender !== '0' && !users.includes(entry.sender);
  const lines = {
    created: () => `${name(entry.sender)} ${entry.title ? `created “${entry.title}”` : 'started this chat'}`
      + (entry.title && users.length ? ` with ${named}` : ''),
    joined: () => (bySender ? `${name(entry.sender)} added ${named}` : `${named} joined`),
    left: () => `${named} left`,
    removed: () => (bySender ? `${name(entry.sender)} removed ${named}` : `${named} left`),
  };
  return (lines[entry.kind]?.() ?? '').replace(/^you /, 'You ');
}

/** A message as plain text. */
export function messageText(entry) {
  return entry.text ?? `This kind of message (${entry.custom}) cannot be shown here.`;
}

/** The second line in the list of conversations. */
export function preview(chat, unsent, people, myId) {
  if (unsent) return `You: ${oneLine(unsent.text)}`;
  const entry = chat.lastEntry;
  if (!entry) return chat.draft ? 'No messages yet' : '';
  if (entry.kind !== 'message') return systemLine(entry, people, myId);
  const text = oneLine(messageText(entry));
  if (entry.sender === myId) return `You: ${text}`;
  return chat.kind === 'direct' ? text : `${people.name(entry.sender)}: ${text}`;
}

/** Who is there, for the line below the title. */
export function presenceLine(chat) {
  if (chat.leftSeq) return { state: 'unknown', text: 'You are not in this group any more' };
  const isGroup = chat.kind === 'group';
  if (!chat.members) return { state: 'unknown', text: isGroup && chat.memberCount ? counted(chat.memberCount) : '' };
  const { members, more } = chat.members;
  if (!isGroup) {
    const online = members.some(({ user, online: on }) => user.id === chat.peer?.id && on);
    return online ? { state: 'online', text: 'online' } : { state: 'offline', text: 'offline' };
  }
  const online = members.filter((member) => member.online).length;
  const count = more ? Math.max(chat.memberCount, members.length + 1) : members.length;
  return { state: online > 1 ? 'online' : 'offline', text: `${counted(count)}, ${online}${more ? ' or more' : ''} online` };
}

const counted = (count) => (count === 1 ? '1 member' : `${count} members`);
const oneLine = (text) => text.slice(0, 200).replace(/\s+/g, ' ').trim();

function listed(names) {
  const shown = names.length > 4 ? [...names.slice(0, 3), `${names.length - 3} others`] : names;
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}` : shown[0] ?? 'nobody';
}
