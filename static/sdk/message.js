/** Messages as programs want them: plain text, and one shape for socket and REST. Part of `tertulia.js`. */

/** A random UUID, also on pages without TLS, where `crypto.randomUUID` is missing. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The socket tells text so that it is safe as HTML; programs want it plain. */
export const plain = (text) =>
  typeof text === "string" ? text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]) : text;

/** A message of the socket in the shape that the REST API has for it. */
export function toMessage(it) {
  const content = { text: plain(it.text) };
  for (const key of ["media_url", "filename", "caption"]) if (it[key] != null) content[key] = plain(it[key]);
  return {
    id: it.message_id,
    room_id: it.session_id,
    seq: it.seq,
    pos: it.pos,
    sender_id: it.agent_id ?? it.contact_id ?? null,
    sender_name: plain(it.agent_name) ?? null,
    from_me: it.from_me,
    message_type: it.content_type,
    content,
    status: it.status,
    reply_to_id: it.reply_to_id ?? null,
    client_message_id: it.client_message_id ?? null,
    created_at: it.timestamp,
    edited_at: it.edited_at ?? null,
    deleted_at: it.deleted_at ?? null,
    reactions: it.reactions ?? [],
  };
}

/** What a frame tells a program that asked for nothing: the event's name and the event, or nothing at all. */
export function told(type, payload) {
  const room = payload.session_id;
  const by = () => ({ user_id: payload.user_id, user_name: plain(payload.user_name) });
  switch (type) {
    case "message_deleted":
      return [["deleted", { room, id: payload.message_id, seq: payload.seq, deleted_at: payload.deleted_at }]];
    case "reaction_added":
    case "reaction_removed": {
      const { message_id: id, seq, emoji, count } = payload;
      return [["reaction", { room, id, seq, emoji: plain(emoji), count, present: type === "reaction_added", ...by() }]];
    }
    case "message_read":
    case "message_delivered":
      return [[type === "message_read" ? "read" : "delivered", { room, up_to_seq: payload.up_to_seq, user_id: payload.user_id }]];
    case "user_typing":
      return [["typing", { room, is_typing: payload.is_typing, ...by() }]];
    case "user_joined":
    case "user_left":
      return [[type === "user_joined" ? "came" : "went", { room, ...by() }]];
    case "user_status":
      return [["status", { room, user_id: payload.user_id, status: payload.status }]];
    case "session_updated":
      return [["room_updated", { room, ...payload, name: plain(payload.name) }]];
    case "session_added":
      return [["room_added", { room, ...payload, name: plain(payload.name) }]];
    case "session_removed":
      return [["room_removed", { room }]];
    default:
      return [];
  }
}
