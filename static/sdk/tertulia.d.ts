/** Types of `/sdk/tertulia.js`. */

export type Uuid = string;
/** RFC 3339 in UTC. */
export type Time = string;

export interface Reaction {
  emoji: string;
  count: number;
  /** The first 50. */
  user_ids: Uuid[];
}

export interface Message {
  id: Uuid;
  room_id: Uuid;
  /** The message's number in its room: 1, 2, 3 … without gaps. */
  seq: number;
  /** Its last change's number in the organization. */
  pos?: number;
  sender_id: Uuid | null;
  sender_name: string | null;
  /** Whether one wrote it oneself; the REST API does not say. */
  from_me?: boolean;
  message_type: "text" | "image" | "video" | "audio" | "document";
  /** Plain text, not HTML: put it into pages as text nodes. */
  content: { text?: string; media_url?: string; filename?: string; caption?: string };
  status: "pending" | "sent" | "delivered" | "read" | "failed";
  reply_to_id: Uuid | null;
  client_message_id: string | null;
  created_at: Time;
  edited_at: Time | null;
  deleted_at: Time | null;
  reactions: Reaction[];
}

export interface Draft {
  text?: string;
  reply_to_id?: Uuid;
  content_type?: Message["message_type"];
  media_url?: string;
  filename?: string;
  caption?: string;
  /** Made if it is missing. Sending twice with the same one is sending once. */
  client_message_id?: string;
}

export interface User {
  id: Uuid;
  organization_id: Uuid;
  name: string;
  email: string | null;
  role: "admin" | "agent" | "member" | "bot";
  status: "online" | "busy" | "away" | "offline";
  avatar_url: string | null;
  created_at: Time;
}

export type State = "connecting" | "open" | "waiting" | "closed";

/** What `Tertulia.on` tells of. */
export interface Events {
  /**
   * `retryAt`: when a waiting client tries again, in milliseconds since 1970. `reason` of `closed`: why it gave up: `asked`,
   * `login_needed`, `no_websocket`, `invalid_address`, or the words of the close code.
   */
  state: { state: State; reason: string; retryAt: number | null };
  connected: { client_id: string; user_id: Uuid; heartbeat_interval: number };
  joined: { room: Uuid; last_seq: number; members: number };
  /**
   * A message of a joined room, one's own too: once each, in the order of `seq`. `replayed`: it was in the room before this
   * connection came into it, so what was counted or listed meanwhile holds it already; else it is new to everybody.
   */
  message: { room: Uuid; message: Message; replayed: boolean };
  /** The socket had left out what looks like markup; this is the message's content as it was written. */
  as_written: { room: Uuid; id: Uuid; content: Message["content"] };
  edited: { room: Uuid; message: Message; by?: Uuid };
  deleted: { room: Uuid; id: Uuid; seq: number; deleted_at: Time };
  reaction: { room: Uuid; id: Uuid; seq: number; emoji: string; count: number; present: boolean; user_id: Uuid; user_name: string };
  read: { room: Uuid; up_to_seq: number; user_id: Uuid };
  delivered: { room: Uuid; up_to_seq: number; user_id: Uuid };
  typing: { room: Uuid; is_typing: boolean; user_id: Uuid; user_name: string };
  /** Who comes, goes and changes status, in rooms that were joined with `presence`. */
  came: { room: Uuid; user_id: Uuid; user_name: string };
  went: { room: Uuid; user_id: Uuid; user_name: string };
  status: { room: Uuid; user_id: Uuid; status: User["status"] };
  /** The room has another name or kind, or was archived. */
  room_updated: { room: Uuid; name: string | null; kind: string; updated_at: Time; archived_at: Time | null };
  /** After `watch()`: one has a place in a room, or has lost it. */
  room_added: { room: Uuid; name: string | null; kind: string; role: string };
  room_removed: { room: Uuid };
  /** A room that was joined is closed to this user: `code` says why. */
  room_lost: { room: Uuid; code: string };
  /** A message that the hub will not have, whoever sent it and when. */
  send_refused: { room: Uuid; payload: Draft; error: TertuliaError };
  /** A refusal of something to which nobody waits for an answer. */
  error: { code: string; message: string; details?: ErrorDetails };
}

export interface ErrorDetails {
  field?: string;
  retry_after_ms?: number;
  [more: string]: unknown;
}

export class TertuliaError extends Error {
  /** From the hub's catalogue (`forbidden`, `not_found` …), or `offline`, or `closed`: the client gave up, or was closed. */
  code: string;
  /** Of `closed`: the same as in the event `state`. */
  reason?: string;
  /** What the hub said beside code and message, on the socket. */
  details?: ErrorDetails;
  /** Of an HTTP answer. */
  status?: number;
  /** The field at fault. */
  field?: string;
  retry_after_ms?: number;
}

/** A person's login in a browser, kept in `storage` for all tabs and renewed in time. */
export class Login {
  constructor(options?: { url?: string; storage?: Keeper; key?: string });
  readonly user: User | null;
  login(email: string, password: string): Promise<User>;
  /** Who may register. `first`: nobody has yet, and whoever does is the administrator. */
  registration(): Promise<{ registration: "open" | "invite" | "closed"; first: boolean }>;
  register(person: { email: string; password: string; name: string; organization?: string; setup_token?: string; invite?: string }): Promise<User>;
  /** Ends the login here at once; at the hub too, and if that cannot be reached, as soon as it can. */
  logout(): Promise<void>;
  /** A good access token. `refused`: one that was not taken, so another is needed. */
  token(how?: { refused?: string }): Promise<string>;
  on(type: "change", listener: (user: User | null) => void): () => void;
  on(type: "ended", listener: (reason: string) => void): () => void;
}

/** As much of a browser's `Storage` as is needed. */
export interface Keeper {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Options {
  /** The hub's address; the page's own by default. */
  url?: string;
  /** One of these three. */
  token?: string;
  getToken?: (how: { refused?: string }) => string | Promise<string>;
  login?: Login;
  /** Where messages that are not stored yet outlive the page, under the key `outbox`. */
  storage?: Keeper | null;
  outbox?: string;
  /** What opens a connection, as `WebSocket` of browsers does: for Node.js before 22, that of `ws` or `undici`. */
  WebSocket?: new (url: string, protocols: string[]) => object;
}

export class Tertulia {
  constructor(options: Options);
  readonly state: State;
  /** What `send` took and the hub has not stored yet, oldest first. */
  readonly unsent: { room: Uuid; payload: Draft }[];
  connect(): void;
  /** Whoever still waits for an answer is told `closed`; with a `storage`, what was not sent is kept for the next time. */
  close(): void;
  /** Hears a room over every reconnection; first what came after `afterSeq` or `afterPos`. */
  join(room: Uuid, from?: { afterSeq?: number; afterPos?: number; presence?: boolean }): Promise<{ room: Uuid; last_seq: number; members: number }>;
  leave(room: Uuid): Promise<void>;
  /** Resolves once the message is stored, however long there is no connection; rejects on a real refusal, or when the client is closed. */
  send(room: Uuid, message: string | Draft): Promise<Message>;
  edit(room: Uuid, message_id: Uuid, text: string): Promise<void>;
  delete(room: Uuid, message_id: Uuid): Promise<void>;
  react(room: Uuid, message_id: Uuid, emoji: string): Promise<void>;
  unreact(room: Uuid, message_id: Uuid, emoji: string): Promise<void>;
  markRead(room: Uuid, up_to_seq: number): void;
  markDelivered(room: Uuid, up_to_seq: number): void;
  typing(room: Uuid, is_typing: boolean): void;
  presence(room: Uuid): Promise<{ users: { user_id: Uuid; user_name: string }[]; total: number }>;
  /** Tells of rooms that one gets or loses a place in. */
  watch(): Promise<void>;
  /** The REST API; a GET of which a busy hub says when to ask again is, twice at most: `rest("GET", "/api/v1/chat/rooms")`. */
  rest<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** Returns what ends the listening. */
  on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void;
}

export function uuid(): Uuid;
