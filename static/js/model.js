/** Everything that the page knows and does. Views read it, follow its topics, and call its verbs. */
import { Tertulia, uuid } from "../sdk/tertulia.js";
import { LIST, early, historyOf } from "./early.js";
import { PAGE, Timeline } from "./timeline.js";
import { preview } from "./text.js";
import { Verbs, api, isPassing } from "./verbs.js";
import { explain, t, tOr } from "./words.js";

const TYPING_ENDS_MS = 5_000;
/** The hub lets a connection be in 1,000 rooms. */
const MOST_ROOMS = 900;
const PAUSE_MS = 5_000;
const SECOND_LIST_MS = 10_000;
/** The API gives so many messages at once. */
const MOST_AT_ONCE = 200;
/** It counts so many that are unread, and no more. */
const MOST_UNREAD = 1_000;

export class Model extends Verbs {
  connection = { state: "connecting" };
  ready = false;
  problem = null;
  /** A room that was asked for and that there is not, or not for oneself. */
  missing = null;
  /** One that could not be asked for just now. */
  delayed = null;
  #wasOpen = false;
  #second;
  #ends = [];
  #deliver = new Map();

  constructor(login) {
    super();
    this.login = login;
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
    on("came", ({ room, user_id }) => (this.seen(user_id, "online"), this.moved(room, user_id)));
    on("went", ({ room, user_id }) => (this.loadPresence([user_id]), this.moved(room, user_id)));
    on("status", ({ user_id, status }) => (this.seen(user_id, status), this.known({ ...this.me, id: user_id, status })));
    on("room_added", ({ room }) => this.added(room));
    on("room_removed", ({ room }) => this.lost(room));
    on("room_lost", ({ room }) => this.lost(room));
    on("room_updated", ({ room, name, kind, archived_at }) => this.patch(room, { name, kind, archived_at }));
    this.#ends.push(login.on("change", (user) => user && this.known(user))); // also from another window
    on("send_refused", ({ room, payload, error }) => this.#unsendable(room, payload, error));
  }

  async start() {
    this.hub.connect();
    this.hub.watch();
    history.replaceState(null, ""); // how one came here is not known any more
    await this.loadRooms();
  }

  stop() {
    super.stop();
    clearTimeout(this.#second);
    this.#ends.forEach((end) => end());
    this.hub.close();
  }

  /** The list is here: now to the room of the address, or to the one that was open last. */
  async #arrive() {
    const last = roomInAddress() ?? localStorage.getItem(this.keys.room);
    if (last && (this.rooms.has(last) || roomInAddress())) await this.open(last);
  }

  // --- rooms

  async loadRooms() {
    // Where one gets a place while the pages are read, they need not tell of it.
    const before = [...this.rooms.values()].filter((room) => room.membership);
    try {
      let next = null;
      const mine = new Set();
      do {
        const path = next ? `${LIST}&cursor=${encodeURIComponent(next)}` : LIST;
        const page = (await early(path)) ?? (await this.rest("GET", path));
        page.items.forEach((room) => mine.add(this.take(room).id));
        next = page.next;
      } while (next && mine.size < MOST_ROOMS);
      if (!next) for (const { id } of before) if (!mine.has(id)) this.lost(id);
      this.problem = null;
    } catch (error) {
      this.problem = error;
    }
    this.later("rooms", this.problem, () => this.loadRooms());
    this.emit("rooms");
    if (!this.ready && !this.problem) {
      this.ready = true;
      await this.#arrive();
    }
    this.loadPresence([...this.rooms.values()].map((room) => room.peer?.id).filter(Boolean));
  }

  async loadRoom(id) {
    try {
      this.take(await this.rest("GET", api(`/rooms/${id}`)));
      this.later(id);
      this.emit("rooms");
      this.emit(`room ${id}`);
    } catch (error) {
      if (isPassing(error)) this.toast(error);
      this.delayed = isPassing(error) ? id : null;
      this.later(id, error, () => (this.missing === id ? this.open(id) : this.loadRoom(id)));
    }
    return this.rooms.get(id);
  }

  /** What the API says of a room, beside what is known here; a room that one is in is listened to. */
  take(item) {
    const known = this.rooms.get(item.id);
    const room = { typing: new Map(), timeline: new Timeline(), readSeq: 0, joined: false, ...known, ...item };
    // The answer may be older than what was heard, and than what was read here.
    if (known && (known.last_seq > item.last_seq || known.readSeq >= item.last_seq)) {
      const { last_seq, last_message, timeline } = known;
      const isRead = known.readSeq >= item.last_seq;
      Object.assign(room, { last_seq: Math.max(last_seq, item.last_seq), last_message: last_message ?? item.last_message });
      room.unread = (isRead ? 0 : item.unread) + timeline.othersAfter(Math.max(item.last_seq, known.readSeq), this.me.id);
      if (isRead) room.mentions = room.unread ? known.mentions : 0;
    }
    this.rooms.set(item.id, room);
    if (!known) {
      for (const { room: id, payload } of this.hub.unsent) if (id === item.id) this.#showPending(room, payload);
    }
    if (room.membership && !room.joined) {
      room.joined = true;
      const presence = room.kind === "direct" || this.current === room.id;
      // Whoever looked in before joining has messages already: what was said since then comes first.
      const afterSeq = room.timeline.loaded ? (room.timeline.last?.seq ?? 0) : room.last_seq;
      this.hub.join(room.id, { afterSeq, presence }).catch(() => {});
    }
    if (room.peer && !known) this.presence.set(room.peer.id, room.peer.online ? room.peer.status : "offline");
    return room;
  }

  patch(id, change) {
    const room = this.rooms.get(id);
    if (!room) return;
    Object.assign(room, change);
    this.emit("rooms");
    this.emit(`room ${id}`);
    if (this.showsMembers === id && "kind" in change) this.emit(`members ${id}`);
  }

  lost(id) {
    const room = this.rooms.get(id);
    if (!room?.membership) return;
    this.rooms.delete(id);
    this.hub.leave(id).catch(() => {});
    if (!room.leaving) this.toast(t("room_lost", { name: this.nameOf(room) }));
    if (this.current === id) this.close();
    this.emit("rooms");
  }

  /** The newest talk first. */
  get sorted() {
    const time = (room) => room.last_message?.created_at ?? room.created_at ?? "";
    // That somebody may write to one is no news before they do.
    const isEmpty = (room) => room.kind === "direct" && !room.last_message && !room.timeline.pending.length && room.id !== this.current;
    return [...this.rooms.values()].filter((room) => room.membership && !isEmpty(room)).sort((a, b) => time(b).localeCompare(time(a)));
  }

  nameOf(room) {
    if (room.kind === "direct") return room.peer?.name ?? room.name ?? t("direct");
    return room.name || t(room.kind);
  }

  get unread() {
    return this.sorted.reduce((sum, room) => sum + (room.unread ?? 0), 0);
  }

  /** Shows a room. */
  async open(id) {
    const was = this.current;
    this.wanted = id;
    const room = this.rooms.get(id) ?? (await this.#find(id));
    if (this.wanted !== id) return; // another was asked for meanwhile, or none
    this.missing = room ? null : id;
    if (!room) {
      this.current = null;
      return this.emit("current");
    }
    this.current = id;
    localStorage.setItem(this.keys.room, id);
    if (roomInAddress() !== id) history.pushState({ fromList: !was }, "", `#${id}`);
    if (room.membership) this.hub.join(id, { presence: true }).catch(() => {});
    this.emit("current");
    const { timeline } = room;
    if (timeline.loaded && room.membership) timeline.firstNew = timeline.firstOf(room.unread, this.me.id)?.seq ?? null;
    else await this.#fill(room);
    this.emit(`room ${id}`);
  }

  /** A room that one has no place in. The list is asked first: a browser complains of what it is refused. */
  async #find(id) {
    const page = await this.rest("GET", api("/rooms?filter=public&limit=100")).catch(() => ({ next: true }));
    const found = page.items?.find((room) => room.id === id);
    if (found) return this.take(found);
    return page.next || this.me.role !== "member" ? this.loadRoom(id) : undefined;
  }

  /** Back to the list; `back`: as the browser's own button would. */
  close({ back = false } = {}) {
    if (back && history.state?.fromList) return history.back();
    this.current = this.wanted = this.missing = null;
    localStorage.removeItem(this.keys.room);
    if (roomInAddress()) history.replaceState(null, "", location.pathname);
    this.emit("current");
  }

  async #history(id, { before, after, limit = PAGE } = {}) {
    const path = historyOf(id, limit) + (before ? `&before=${before}` : "") + (after === undefined ? "" : `&after=${after}`);
    return (await early(path)) ?? this.rest("GET", path);
  }

  /** Loads the latest messages: from where the unread ones begin, if the hub has counted them. */
  async #fill(room) {
    const { timeline } = room;
    if (timeline.loading) return;
    timeline.loading = true;
    try {
      const unread = room.unread ?? 0;
      const limit = Math.min(MOST_AT_ONCE, Math.max(PAGE, unread + 10));
      let page = await this.#history(room.id, { limit });
      const all = [...page.items];
      const isEnough = () => all.length >= MOST_UNREAD + PAGE || all.filter((it) => it.sender_id !== this.me.id).length > unread;
      while (page.next && unread && !isEnough()) {
        page = await this.#history(room.id, { before: Math.min(...all.map((it) => it.seq)), limit: MOST_AT_ONCE });
        all.push(...page.items);
      }
      timeline.merge(all);
      timeline.complete = !page.next;
      await this.#mend(room);
      timeline.loaded = true;
      // Of more than are counted, nobody knows here where they begin.
      timeline.moreNew = unread >= MOST_UNREAD && !timeline.complete;
      timeline.firstNew = timeline.firstOf(room.unread, this.me.id)?.seq ?? null;
      timeline.error = null;
    } catch (error) {
      timeline.error = error;
    }
    this.later(`fill ${room.id}`, timeline.error, () => this.#fill(room));
    timeline.loading = false;
    this.emit(`room ${room.id}`);
  }

  /** What was said between two answers stands in neither: it is asked for. */
  async #mend(room) {
    for (let i = 0; i < 10; i++) {
      const gap = room.timeline.gapBefore(room.last_seq);
      if (gap === null) return;
      const { items } = await this.#history(room.id, { after: gap, limit: MOST_AT_ONCE });
      if (!items.length) return;
      room.timeline.merge(items);
    }
  }

  /** Loads what is older than the oldest message that is here. */
  async older(room) {
    const { timeline } = room;
    if (!timeline.loaded) return this.#fill(room);
    if (timeline.loading || timeline.complete || Date.now() - timeline.failedAt < PAUSE_MS) return;
    timeline.loading = true;
    this.emit(`room ${room.id}`);
    try {
      const page = await this.#history(room.id, { before: timeline.messages[0]?.seq });
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
      const mark = (it) => (it.client_message_id === payload.client_message_id ? { ...it, error: explain(error) } : it);
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

  /** Shown at once; what the hub does not have yet is `waiting`, and what it will not have is as it was. */
  async #changed(room, message, now, asked) {
    this.#change(room.id, (it) => it.replace(message.id, () => ({ ...now, waiting: true })));
    const done = await this.attempt(asked);
    this.#change(room.id, (it) => it.replace(message.id, () => ({ ...(done ? {} : message), waiting: false })));
    return done;
  }

  edit(room, message, text) {
    const now = { content: { ...message.content, text }, edited_at: new Date().toISOString() };
    return this.#changed(room, message, now, this.hub.edit(room.id, message.id, text));
  }

  delete(room, message) {
    const now = { deleted_at: new Date().toISOString(), content: {}, reactions: [] };
    return this.#changed(room, message, now, this.hub.delete(room.id, message.id));
  }

  async toggle(room, message, emoji) {
    const known = message.reactions.find((it) => it.emoji === emoji);
    const present = !known?.user_ids.includes(this.me.id);
    const show = (present) =>
      this.#change(room.id, (it) => {
        const { count = 0, user_ids = [] } = it.byId(message.id)?.reactions.find((one) => one.emoji === emoji) ?? {};
        if (user_ids.includes(this.me.id) === present) return;
        it.react(message.id, { emoji, user_id: this.me.id, present, count: count + (present ? 1 : -1) });
      });
    show(present);
    const done = await this.attempt(present ? this.hub.react(room.id, message.id, emoji) : this.hub.unreact(room.id, message.id, emoji));
    if (!done) show(!present);
  }

  #heard(id, message) {
    const room = this.rooms.get(id);
    if (!room) return;
    const mine = message.sender_id === this.me.id;
    room.timeline.append(message);
    this.#silent(room.typing, message.sender_id);
    const isCounted = message.seq <= (room.last_seq ?? 0); // the list was asked after this was said
    room.last_seq = Math.max(room.last_seq ?? 0, message.seq);
    if (message.seq >= (room.last_message?.seq ?? 0)) room.last_message = message;
    if (!mine && !message.deleted_at) this.#delivered(id, message.seq);
    if (!mine && !message.deleted_at && !isCounted && message.seq > room.readSeq) {
      room.unread = (room.unread ?? 0) + 1;
      if (message.content.text?.toLowerCase().includes(`@${this.me.name.toLowerCase()}`)) room.mentions = (room.mentions ?? 0) + 1;
      // Where the reader does not look, the marker of what is new waits for the return.
      const isSeen = this.current === id && document.visibilityState === "visible" && document.hasFocus();
      if (!isSeen && room.timeline.firstNew === null) room.timeline.firstNew = message.seq;
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

  /** The reader has seen everything up to `seq`. `all`: and wants to have seen what is not here, too. */
  read(room, seq, { all = false } = {}) {
    if (!room.membership || seq <= room.readSeq) return;
    const { timeline } = room;
    if (all || timeline.complete) timeline.moreNew = false;
    if (timeline.moreNew) return; // what stands between was never shown
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
    this.#silent(typing, user_id);
    const gone = () => typing.delete(user_id) && this.emit(`typing ${id}`);
    if (is_typing) typing.set(user_id, { name: user_name, timer: setTimeout(gone, TYPING_ENDS_MS) });
    this.emit(`typing ${id}`);
  }

  /** With its timer, which would end the next time that they type. */
  #silent(typing, user_id) {
    clearTimeout(typing.get(user_id)?.timer);
    typing.delete(user_id);
  }

  // --- the rest

  #connection(state) {
    const was = this.connection.state;
    this.connection = state;
    // Rooms may have come and gone, and people too, while nobody listened.
    if (state.state === "open" && was !== "open" && this.#wasOpen) this.loadRooms();
    // So may they between the first list and the first moment of listening: that is looked up when nobody waits for it.
    else if (state.state === "open" && !this.#wasOpen) this.#second = setTimeout(() => this.loadRooms(), SECOND_LIST_MS);
    if (state.state === "open") this.#wasOpen = true;
    this.emit("connection");
  }

  get ended() {
    const { state, reason } = this.connection;
    return state === "closed" && reason !== "asked" ? tOr(`give_up_${reason}`, "give_up", { reason }) : null;
  }

  preview = (message) => preview(message, t);
}

/** The room that the address names: `/#<id>`. */
export function roomInAddress() {
  const id = location.hash.slice(1);
  return /^[0-9a-f-]{36}$/.test(id) ? id : null;
}
