/** The messages of one room as far as they are known here: a stretch without gaps up to the latest, and what is unsent. */

export const PAGE = 50;

export class Timeline {
  /** In the order of `seq`. A message that changes is replaced, never changed. */
  messages = [];
  /** What was written here and is not stored yet: `{client_message_id, content, reply_to_id, created_at, error?}`. */
  pending = [];
  /** Whether the first message of the room is here. */
  complete = false;
  loaded = false;
  loading = false;
  /** When older messages could not be had: not asked for again at once. */
  failedAt = 0;
  error = null;
  /** Before this message stands the marker of what is new. */
  firstNew = null;
  /** Where the unread messages begin is further up than what is here. */
  moreNew = false;
  /** How far others have read and received. */
  readSeq = 0;
  deliveredSeq = 0;

  get last() {
    return this.messages.at(-1);
  }

  byId(id) {
    return this.messages.find((message) => message.id === id);
  }

  /** Takes in messages from wherever, in any order; what is known with the same `seq` is replaced. */
  merge(messages) {
    const bySeq = new Map(this.messages.map((message) => [message.seq, message]));
    for (const message of messages) bySeq.set(message.seq, message);
    this.messages = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
    const stored = new Set(messages.map((message) => message.client_message_id).filter(Boolean));
    this.pending = this.pending.filter((it) => !stored.has(it.client_message_id));
  }

  /** A message that has just been said. The text is known as it was written, where it was written here. */
  append(message) {
    const own = this.pending.find((it) => it.client_message_id && it.client_message_id === message.client_message_id);
    if (own) message = { ...message, content: { ...message.content, text: own.content.text } };
    this.merge([message]);
  }

  /** Puts what `change` makes of a message in its place. */
  replace(id, change) {
    this.messages = this.messages.map((message) => (message.id === id ? { ...message, ...change(message) } : message));
  }

  react(id, { emoji, user_id, count, present }) {
    this.replace(id, (message) => {
      const known = message.reactions.find((it) => it.emoji === emoji) ?? { emoji, user_ids: [] };
      const others = known.user_ids.filter((it) => it !== user_id);
      const now = { emoji, count, user_ids: present ? [...others, user_id] : others };
      const at = message.reactions.indexOf(known);
      const reactions = at < 0 ? [...message.reactions, now] : message.reactions.with(at, now);
      return { reactions: reactions.filter((it) => it.count > 0) };
    });
  }

  /** sent, delivered or read: what its sender is told with one tick or two. */
  statusOf(message) {
    if (message.status === "read" || message.seq <= this.readSeq) return "read";
    return message.status === "delivered" || message.seq <= this.deliveredSeq ? "delivered" : "sent";
  }

  /** After which `seq` messages are missing, if this is to reach to `last` without a gap; null: nowhere. */
  gapBefore(last) {
    const at = this.messages.findIndex((it, i) => i > 0 && it.seq !== this.messages[i - 1].seq + 1);
    if (at > 0) return this.messages[at - 1].seq;
    return (this.last?.seq ?? 0) < (last ?? 0) ? (this.last?.seq ?? 0) : null;
  }

  /** How many messages of others stand after `seq`. */
  othersAfter(seq, me) {
    return this.messages.filter((it) => it.seq > seq && it.sender_id !== me && !it.deleted_at).length;
  }

  /** The oldest of the last `count` messages of others; whoever has spoken has seen what came before. */
  firstOf(count, me) {
    const own = this.messages.findLastIndex((it) => it.sender_id === me);
    const others = this.messages.slice(own + 1).filter((it) => !it.deleted_at);
    return count ? (others.at(-count) ?? others[0] ?? null) : null;
  }
}
