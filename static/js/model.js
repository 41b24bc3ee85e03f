/** Everything that the page knows and does. Views read it, follow its topics, and call its verbs. */
import { Tertulia, uuid } from "../sdk/tertulia.js";
import { Emitter } from "../sdk/login.js";
import { PAGE, Timeline } from "./timeline.js";
import { preview } from "./text.js";
import { t, tOr } from "./words.js";

const TYPING_ENDS_MS = 5_000;
/** The hub lets a connection be in 1,000 rooms. */
const MOST_ROOMS = 900;
const PAUSE_MS = 5_000;
/** The API gives so many messages at once. */
const MOST_AT_ONCE = 200;

const api = (path) => `/api/v1/chat${path}`;

export class Model extends Emitter {
  rooms = new Map();
  current = null;
  connection = { state: "connecting" };
  /** What is known of who is there: user id -> online, busy, away or offline. */
  presence = new Map();
  ready = false;
  problem = null;
  toasts = [];
  #login;
  #ends = [];
  #deliver = new Map();

  constructor(login) {
    super();
    this.#login = login;
    this.me = login.user;
    const key = (name) => `tertulia.${name}.${this.me.id}`;
    this.keys = { room: key("room"), draft: key("draft"), outbox: key("outbox") };
    this.hub = new Tertulia({ login, storage: localStorage, outbox: this.keys.outbox });
    const on = (type, listener) => this.#ends.push(this.hub.on(type, listener));
    on("state", (state) => this.#connection(state));
    on("message", ({ room, message }) => this.#heard(room, message));
    on("edited", ({ room, message }) => this.#change(room, (it) => it.replace(message.id, () => message)));
    on("as_written", ({ room, id, content }) => this.#change(room, (it) => it.replace(id, () => ({ content }))));
    on("deleted", ({ room, id, deleted_at }) => this.#change(room, (it) => it.replace(id, () => ({ deleted_at, content: {}, reactions: [] }))));
    on("reaction", (reaction) => this.#change(reaction.room, (it) => it.react(reaction.id, reaction)));
    on("read", (mark) => this.#marked(mark, "readSeq"));
    on("delivered", (mark) => this.#marked(mark, "deliveredSeq"));
    on("typing", (typing) => this.#typing(typing));
    on("came", ({ user_id }) => this.#seen(user_id, "online"));
    on("went", ({ user_id }) => this.loadPresence([user_id]));
    on("status", ({ user_id, status }) => this.#seen(user_id, status));
    on("room_added", ({ room }) => this.loadRoom(room));
    on("room_removed", ({ room }) => this.#lost(room));
    on("room_lost", ({ room }) => this.#lost(room));
    on("room_updated", ({ room, name, kind, archived_at }) => this.#patch(room, { name, kind, archived_at }));
    on("send_refused", ({ room, payload, error }) => this.#unsendable(room, payload, error));
  }

  async start() {
    this.hub.connect();
    this.hub.watch();
    const last = roomInAddress() ?? localStorage.getItem(this.keys.room);
    // The room that was open last is fetched beside the list, not after it.
    const early = last && this.#history(last).catch(() => null);
    await this.loadRooms();
    if (last && this.rooms.has(last)) await this.open(last, early);
    else if (roomInAddress()) await this.open(roomInAddress());
  }

  stop() {
    this.#ends.forEach((end) => end());
    this.hub.close();
  }

  // --- rooms

  async loadRooms() {
    try {
      let next = null;
      const mine = new Set();
      do {
        const page = await this.rest("GET", api(`/rooms?filter=mine&limit=100${next ? `&cursor=${encodeURIComponent(next)}` : ""}`));
        page.items.forEach((room) => mine.add(this.#known(room).id));
        next = page.next;
      } while (next && mine.size < MOST_ROOMS);
      if (!next) for (const { id, membership } of [...this.rooms.values()]) if (membership && !mine.has(id)) this.#lost(id);
      this.problem = null;
      this.ready = true;
    } catch (error) {
      this.problem = error;
    }
    this.emit("rooms");
    this.loadPresence([...this.rooms.values()].map((room) => room.peer?.id).filter(Boolean));
  }

  async loadRoom(id) {
    try {
      this.#known(await this.rest("GET", api(`/rooms/${id}`)));
      this.emit("rooms");
      this.emit(`room ${id}`);
    } catch (error) {
      if (error.status !== 404 && error.status !== 403) this.toast(error);
    }
    return this.rooms.get(id);
  }

  /** What the API says of a room, beside what is known here; a room that one is in is listened to. */
  #known(item) {
    const known = this.rooms.get(item.id);
    const room = { typing: new Map(), timeline: new Timeline(), readSeq: 0, joined: false, ...known, ...item };
    this.rooms.set(item.id, room);
    if (!known) {
      for (const { room: id, payload } of this.hub.unsent) if (id === item.id) this.#showPending(room, payload);
    }
    if (room.membership && !room.joined) {
      room.joined = true;
      const presence = room.kind === "direct" || this.current === room.id;
      this.hub.join(room.id, { afterSeq: room.last_seq, presence }).catch(() => {});
    }
    return room;
  }

  #patch(id, change) {
    const room = this.rooms.get(id);
    if (!room) return;
    Object.assign(room, change);
    this.emit("rooms");
    this.emit(`room ${id}`);
  }

  #lost(id) {
    const room = this.rooms.get(id);
    if (!room) return;
    this.rooms.delete(id);
    this.hub.leave(id).catch(() => {});
    if (!room.leaving) this.toast(t("room_lost", { name: this.nameOf(room) }));
    if (this.current === id) this.close();
    this.emit("rooms");
  }

  /** The newest talk first. */
  get sorted() {
    const time = (room) => room.last_message?.created_at ?? room.created_at ?? "";
    return [...this.rooms.values()].filter((room) => room.membership).sort((a, b) => time(b).localeCompare(time(a)));
  }

  nameOf(room) {
    if (room.kind === "direct") return room.peer?.name ?? room.name ?? t("direct");
    return room.name || t(room.kind);
  }

  get unread() {
    return this.sorted.reduce((sum, room) => sum + (room.unread ?? 0), 0);
  }

  /** Shows a room. `early`: its history, if somebody asked for it already. */
  async open(id, early) {
    const room = this.rooms.get(id) ?? (await this.loadRoom(id));
    if (!room) return this.close();
    this.current = id;
    localStorage.setItem(this.keys.room, id);
    if (roomInAddress() !== id) history.pushState(null, "", `#${id}`);
    if (room.membership) this.hub.join(id, { presence: true }).catch(() => {});
    this.emit("current");
    const { timeline } = room;
    if (timeline.loaded) timeline.firstNew = timeline.firstOf(room.unread, this.me.id)?.seq ?? null;
    else await this.#fill(room, early);
    this.emit(`room ${id}`);
  }

  close() {
    this.current = null;
    localStorage.removeItem(this.keys.room);
    if (roomInAddress()) history.pushState(null, "", location.pathname);
    this.emit("current");
  }

  #history(id, before, limit = PAGE) {
    return this.rest("GET", api(`/rooms/${id}/messages?limit=${limit}${before ? `&before=${before}` : ""}`));
  }

  async #fill(room, early) {
    const { timeline } = room;
    if (timeline.loading) return;
    timeline.loading = true;
    try {
      // Enough to begin where the unread messages begin, if they are not very many.
      const limit = Math.min(MOST_AT_ONCE, Math.max(PAGE, (room.unread ?? 0) + 10));
      const page = (limit === PAGE && (await early)) || (await this.#history(room.id, null, limit));
      timeline.merge(page.items);
      timeline.loaded = true;
      timeline.complete = !page.next;
      timeline.firstNew = timeline.firstOf(room.unread, this.me.id)?.seq ?? null;
      timeline.error = null;
    } catch (error) {
      timeline.error = error;
    }
    timeline.loading = false;
    this.emit(`room ${room.id}`);
  }

  /** Loads what is older than the oldest message that is here. */
  async older(room) {
    const { timeline } = room;
    if (!timeline.loaded) return this.#fill(room);
    if (timeline.loading || timeline.complete || Date.now() - timeline.failedAt < PAUSE_MS) return;
    timeline.loading = true;
    this.emit(`room ${room.id}`);
    try {
      const page = await this.#history(room.id, timeline.messages[0]?.seq);
      timeline.merge(page.items);
      timeline.complete = !page.next;
    } catch (error) {
      timeline.failedAt = Date.now();
      this.toast(error);
    }
    timeline.loading = false;
    this.emit(`room ${room.id}`);
  }

  // --- messages

  send(room, text, reply_to_id = null) {
    const payload = { text, client_message_id: uuid(), ...(reply_to_id && { reply_to_id }) };
    this.#showPending(room, payload);
    this.emit(`room ${room.id}`);
    this.#push(room, payload);
  }

  #push(room, payload) {
    this.hub.send(room.id, payload).then(
      (message) => {
        // The answer to a repetition comes outside the order: it may be the first that is heard of the message.
        if (!room.timeline.byId(message.id)) room.timeline.append(message);
        this.emit(`room ${room.id}`);
      },
      () => {}, // see `send_refused`
    );
  }

  #showPending(room, { text, client_message_id, reply_to_id = null }) {
    const created_at = new Date().toISOString();
    const own = { client_message_id, content: { text }, reply_to_id, created_at, sender_id: this.me.id };
    room.timeline.pending = [...room.timeline.pending, own];
  }

  #unsendable(id, payload, error) {
    this.#change(id, (timeline) => {
      const mark = (it) => (it.client_message_id === payload.client_message_id ? { ...it, error: error.message } : it);
      timeline.pending = timeline.pending.map(mark);
    });
  }

  discard(room, pending) {
    room.timeline.pending = room.timeline.pending.filter((it) => it !== pending);
    this.emit(`room ${room.id}`);
  }

  again(room, pending) {
    this.discard(room, pending);
    this.send(room, pending.content.text, pending.reply_to_id);
  }

  edit(room, message, text) {
    return this.#try(this.hub.edit(room.id, message.id, text));
  }

  delete(room, message) {
    return this.#try(this.hub.delete(room.id, message.id));
  }

  toggle(room, message, emoji) {
    const mine = message.reactions.find((it) => it.emoji === emoji)?.user_ids.includes(this.me.id);
    return this.#try(mine ? this.hub.unreact(room.id, message.id, emoji) : this.hub.react(room.id, message.id, emoji));
  }

  #heard(id, message) {
    const room = this.rooms.get(id);
    if (!room) return;
    const mine = message.sender_id === this.me.id;
    room.timeline.append(message);
    room.typing.delete(message.sender_id);
    room.last_seq = Math.max(room.last_seq ?? 0, message.seq);
    if (message.seq >= (room.last_message?.seq ?? 0)) room.last_message = message;
    if (!mine && !message.deleted_at) {
      room.unread = (room.unread ?? 0) + 1;
      if (message.content.text?.toLowerCase().includes(`@${this.me.name.toLowerCase()}`)) room.mentions = (room.mentions ?? 0) + 1;
      // Where the reader does not look, the marker of what is new waits for the return.
      const isSeen = this.current === id && document.visibilityState === "visible" && document.hasFocus();
      if (!isSeen && room.timeline.firstNew === null) room.timeline.firstNew = message.seq;
      this.#delivered(id, message.seq);
    }
    if (mine) room.timeline.firstNew = null;
    this.emit("rooms");
    this.emit(`room ${id}`);
  }

  /** Several that come at once are marked at once. */
  #delivered(id, seq) {
    if (!this.#deliver.has(id)) {
      setTimeout(() => {
        this.hub.markDelivered(id, this.#deliver.get(id));
        this.#deliver.delete(id);
      }, 300);
    }
    this.#deliver.set(id, seq);
  }

  /** The reader has seen everything up to `seq`. */
  seen(room, seq) {
    if (!room.membership || seq <= room.readSeq) return;
    const isOthers = room.timeline.messages.some((it) => it.seq > room.readSeq && it.seq <= seq && it.sender_id !== this.me.id);
    room.readSeq = seq;
    if (!isOthers) return; // one's own messages need no mark
    room.unread = room.timeline.othersAfter(seq, this.me.id);
    if (!room.unread) room.mentions = 0;
    this.hub.markRead(room.id, seq);
    this.emit("rooms");
  }

  #marked({ room: id, user_id, up_to_seq }, what) {
    const room = this.rooms.get(id);
    if (!room) return;
    if (user_id !== this.me.id) {
      room.timeline[what] = Math.max(room.timeline[what], up_to_seq);
    } else if (what === "readSeq" && up_to_seq > room.readSeq) {
      room.readSeq = up_to_seq; // read in another window
      room.unread = room.timeline.othersAfter(up_to_seq, this.me.id);
      if (!room.unread) room.mentions = 0;
      this.emit("rooms");
    }
    this.emit(`room ${id}`);
  }

  #change(id, change) {
    const room = this.rooms.get(id);
    if (!room) return;
    change(room.timeline);
    const last = room.last_message && room.timeline.byId(room.last_message.id);
    if (last) room.last_message = last;
    this.emit("rooms");
    this.emit(`room ${id}`);
  }

  #typing({ room: id, user_id, user_name, is_typing }) {
    const { typing } = this.rooms.get(id) ?? {};
    if (!typing || user_id === this.me.id) return;
    clearTimeout(typing.get(user_id)?.timer);
    const gone = () => typing.delete(user_id) && this.emit(`typing ${id}`);
    if (is_typing) typing.set(user_id, { name: user_name, timer: setTimeout(gone, TYPING_ENDS_MS) });
    else typing.delete(user_id);
    this.emit(`typing ${id}`);
  }

  // --- people

  #seen(user, status) {
    this.presence.set(user, status);
    this.emit("presence");
  }

  async loadPresence(users) {
    for (let at = 0; at < users.length; at += 100) {
      const ids = users.slice(at, at + 100).join(",");
      const { items } = await this.rest("GET", `/api/v1/users/presence?ids=${ids}`).catch(() => ({ items: [] }));
      for (const { user_id, online, status } of items) this.#seen(user_id, online ? status : "offline");
    }
  }

  people(q = "") {
    return this.rest("GET", `/api/v1/users?limit=50&q=${encodeURIComponent(q)}`);
  }

  async members(room) {
    const page = await this.rest("GET", api(`/rooms/${room.id}/members?limit=200`));
    if (!page.next) this.#patch(room.id, { members_count: page.items.length });
    return page.items;
  }

  async setStatus(status) {
    const user = await this.#try(this.rest("PUT", "/api/v1/auth/profile", { status }));
    if (!user) return;
    this.me = this.#login.user = { ...this.me, status };
    this.emit("me");
  }

  // --- what is done to rooms; each resolves with something true if it worked

  /** Rooms that one may join and is not in: open ones, and for those who serve customers their conversations. */
  async findRooms(q) {
    const kinds = ["admin", "agent"].includes(this.me.role) ? ["filter=public", "kind=conversation"] : ["filter=public"];
    const find = (kind) => this.rest("GET", api(`/rooms?${kind}&limit=50&q=${encodeURIComponent(q)}`));
    const pages = await Promise.all(kinds.map(find));
    return pages.flatMap((page) => page.items).filter((room) => !room.membership);
  }

  async create(room) {
    return this.#known(await this.rest("POST", api("/rooms"), room));
  }

  async direct(user) {
    const room = await this.#try(this.rest("POST", api(`/direct/${user.id}`)));
    return room && this.#enter(room.id);
  }

  async enter(room) {
    const done = await this.#try(this.addMember(room, this.me.id));
    return done && this.#enter(room.id);
  }

  async #enter(id) {
    await this.loadRoom(id);
    await this.open(id);
    return true;
  }

  addMember(room, user_id) {
    return this.rest("POST", api(`/rooms/${room.id}/members`), { user_id });
  }

  setMember(room, user_id, change) {
    return this.#try(this.rest("PUT", api(`/rooms/${room.id}/members/${user_id}`), change));
  }

  async removeMember(room, user_id) {
    if (user_id === this.me.id) room.leaving = true;
    const done = await this.#try(this.rest("DELETE", api(`/rooms/${room.id}/members/${user_id}`)).then(() => true));
    if (done && user_id === this.me.id) this.#lost(room.id);
    return done;
  }

  // --- the rest

  rest(method, path, body) {
    return this.hub.rest(method, path, body);
  }

  async #try(promise) {
    try {
      return (await promise) ?? true;
    } catch (error) {
      this.toast(error);
      return null;
    }
  }

  /** Says something for a few seconds. */
  toast(what) {
    const text = typeof what === "string" ? what : what.message || t("something_wrong", { detail: what.code });
    const toast = { id: uuid(), text };
    this.toasts = [...this.toasts, toast].slice(-3);
    this.emit("toasts");
    setTimeout(() => {
      this.toasts = this.toasts.filter((it) => it !== toast);
      this.emit("toasts");
    }, 6_000);
  }

  #connection(state) {
    const was = this.connection.state;
    this.connection = state;
    // Rooms may have come and gone, and people too, while nobody listened.
    if (state.state === "open" && was !== "open" && this.ready) this.loadRooms();
    this.emit("connection");
  }

  get ended() {
    const { state, reason } = this.connection;
    return state === "closed" && reason !== "asked" ? tOr(`give_up_${reason}`, "give_up", { reason }) : null;
  }

  draft(id) {
    return localStorage.getItem(`${this.keys.draft}.${id}`) ?? "";
  }

  keepDraft(id, text) {
    const key = `${this.keys.draft}.${id}`;
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  }

  preview = (message) => preview(message, t);
}

/** The room that the address names: `/#<id>`. */
export function roomInAddress() {
  const id = location.hash.slice(1);
  return /^[0-9a-f-]{36}$/.test(id) ? id : null;
}
