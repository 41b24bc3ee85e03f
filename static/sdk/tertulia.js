/**
 * The client for Tertulia: rooms over one WebSocket that comes back by itself, and the REST API beside it.
 *
 * What it promises: a message that `send` took reaches the room once, however often the connection is lost meanwhile; the
 * messages of a joined room arrive once each and in order, also over a gap; nothing is tried again that cannot succeed.
 */
import { Emitter, Login, TertuliaError, request } from "./login.js";
import { plain, toMessage, uuid } from "./message.js";

export { Login, TertuliaError, uuid };

/** How a close code is to be answered; all others mean: come back. */
const GIVE_UP = new Set([1002, 1003, 1007, 1009, 4400, 4403, 4409]);
const NEEDS_TOKEN = 4401;
const TOO_FAST = 4429;

/** Refusals that another try may overcome. */
const TRY_AGAIN = new Set(["rate_limited", "send_failed", "unavailable", "internal"]);

const LONGEST_WAIT_MS = 30_000;
const QUIET_MS = 25_000;
const ANSWER_MS = 8_000;
/** The hub takes 100 frames at once and 50 a second; this stays below. */
const BURST = 60;
const FRAME_EVERY_MS = 25;

export class Tertulia extends Emitter {
  state = "closed";
  #url;
  #token;
  #socket = null;
  #present = null; // the token of the present connection
  #rooms = new Map(); // id -> {seq, pos, presence, joined, filling: "", "asked" or "answered"}
  #jobs = new Map(); // what is asked and not answered, in the order in which it was asked
  #next = 1;
  #attempt = 0;
  #never = false; // the last try did not even open
  #restart = null; // ms that the hub asked for
  #patient = false; // the hub asked for time: nothing wakes before
  #timers = {};
  #heard = 0;
  #openedAt = 0;
  #wanted = false;
  #watching = false;
  #budget = BURST;
  #storage;
  #outbox;

  /** `token` or `getToken({refused})` or `login`. `storage`: where unsent messages outlive the page, under `outbox`. */
  constructor({ url = globalThis.location?.origin, token, getToken, login, storage = null, outbox = "tertulia.outbox" }) {
    super();
    this.#url = url;
    this.#token = login ? (how) => login.token(how) : (getToken ?? (() => token));
    this.#storage = storage;
    this.#outbox = outbox;
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.addEventListener?.("offline", this.#doubt);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    for (const { room, payload } of this.#kept()) this.#queueSend(room, payload).catch(() => {});
  }

  // --- what a program asks

  connect() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    this.#open();
  }

  /** Ends the connection for good; what was not sent stays in `storage`, if there is one. */
  close() {
    this.#wanted = false;
    this.#drop();
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.removeEventListener?.("offline", this.#doubt);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#state("closed", "asked");
  }

  /**
   * Hears the room's messages from now on, over every reconnection; those after `afterSeq` or `afterPos` first.
   * Resolves when the hub has let one in.
   */
  join(room, { afterSeq, afterPos, presence = false } = {}) {
    const known = this.#rooms.get(room);
    if (known) known.presence = presence;
    else this.#rooms.set(room, { seq: afterSeq, pos: afterPos, presence, joined: false, filling: "" });
    return this.#join(room);
  }

  leave(room) {
    if (!this.#rooms.delete(room)) return Promise.resolve();
    const gone = new TertuliaError("not_joined", "The room was left");
    for (const [key, job] of this.#jobs) if (job.type === "join_session" && job.room === room) this.#settle(key, gone);
    return this.#ask("leave_session", { session_id: room });
  }

  /** Resolves with the message once it is stored. Rejects only if the hub will not have it. */
  send(room, message) {
    const { client_message_id = uuid(), ...rest } = typeof message === "string" ? { text: message } : message;
    const payload = { session_id: room, ...rest, client_message_id };
    this.#keep((list) => [...list, { room, payload }]);
    return this.#queueSend(room, payload);
  }

  /** What was taken by `send` and is not stored yet: `{room, payload}`, oldest first. */
  get unsent() {
    return [...this.#jobs.values()].filter((job) => job.type === "send_message").map(({ room, payload }) => ({ room, payload }));
  }

  edit(room, message_id, text) {
    return this.#ask("edit_message", { session_id: room, message_id, text });
  }

  delete(room, message_id) {
    return this.#ask("delete_message", { session_id: room, message_id });
  }

  react(room, message_id, emoji) {
    return this.#ask("react", { session_id: room, message_id, emoji });
  }

  unreact(room, message_id, emoji) {
    return this.#ask("unreact", { session_id: room, message_id, emoji });
  }

  /** Marks merge: of several that wait, the last counts. */
  markRead(room, up_to_seq) {
    this.#ask("mark_read", { session_id: room, up_to_seq }, `read ${room}`).catch(() => {});
  }

  markDelivered(room, up_to_seq) {
    this.#ask("mark_delivered", { session_id: room, up_to_seq }, `delivered ${room}`).catch(() => {});
  }

  /** Worth nothing later, so it is dropped while there is no connection. */
  typing(room, is_typing) {
    if (this.#rooms.get(room)?.joined) this.#frame("typing", { session_id: room, is_typing });
  }

  presence(room) {
    return this.#ask("get_presence", { session_id: room });
  }

  /** Tells of rooms that one gets or loses a place in (`room_added`, `room_removed`). */
  watch() {
    this.#watching = true;
    return this.#ask("watch_sessions", undefined, "watch").catch(() => {}); // an older hub: nothing is told
  }

  /** The REST API: the answer's JSON, or a `TertuliaError` with the problem's code and detail. */
  async rest(method, path, body) {
    const token = await this.#token({});
    try {
      return await request(this.#url, method, path, body, token);
    } catch (error) {
      if (error.status !== 401) throw error;
      const fresh = await this.#token({ refused: token });
      if (!fresh || fresh === token) throw error;
      return request(this.#url, method, path, body, fresh);
    }
  }

  // --- the connection

  async #open() {
    clearTimeout(this.#timers.retry);
    this.#drop();
    this.#state("connecting");
    const mine = (this.#socket = { close() {} }); // holds the place while the token is fetched
    let refused = false;
    try {
      if (this.#never) await this.rest("GET", "/api/v1/auth/profile"); // a browser does not say why it was not let in
      this.#present = await this.#token({});
      refused = !this.#present;
    } catch (error) {
      refused = error.status === 401 || error.status === 403;
      if (this.#socket === mine && !refused) return this.#closed(1006, error.message);
    }
    if (this.#socket !== mine) return;
    if (refused) return this.#end("login_needed");
    const url = new URL("/api/v1/ws/messages", this.#url);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(url, ["bearer", this.#present]));
    this.#timers.opening = setTimeout(() => this.#closed(1006, "no answer"), ANSWER_MS * 2);
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#socket === socket && this.#closed(code, reason);
    // Not every client tells of this as a close.
    socket.onerror = () => this.#socket === socket && !this.#openedAt && this.#closed(1006, "not let in");
  }

  #opened() {
    clearTimeout(this.#timers.opening);
    this.#never = false;
    this.#openedAt = Date.now();
    this.#budget = BURST;
    this.#timers.beat = setInterval(() => Date.now() - this.#heard > QUIET_MS && this.#doubt(), 5_000);
    this.#state("open");
    for (const room of this.#rooms.keys()) this.#join(room).catch(() => {});
    if (this.#watching) this.watch();
    this.#pump();
  }

  #closed(code, reason) {
    const was = this.#openedAt;
    this.#drop();
    if (!this.#wanted) return;
    if (GIVE_UP.has(code)) return this.#end(reason || String(code));
    if (was && Date.now() - was > 5_000) this.#attempt = 0;
    this.#never = !was;
    const backoff = Math.random() * Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#attempt++);
    const ms = this.#restart ?? (code === TOO_FAST ? 60_000 : backoff);
    this.#patient = this.#restart !== null || code === TOO_FAST;
    this.#restart = null;
    if (code === NEEDS_TOKEN) {
      const refused = this.#present;
      this.#state("connecting");
      const again = () => this.#wanted && this.#open();
      Promise.resolve(this.#token({ refused })).then(
        (token) => (token && token !== refused ? again() : this.#end(reason || "token_expired")),
        (error) => (error.status === 401 || error.status === 403 ? this.#end(reason) : this.#closed(1006, error.message)),
      );
      return;
    }
    this.#state("waiting", reason, Date.now() + ms);
    this.#timers.retry = setTimeout(() => this.#open(), ms);
  }

  /** Coming back by oneself would not help. */
  #end(reason) {
    this.#wanted = false;
    this.#drop();
    this.#state("closed", reason);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    for (const timer of ["opening", "answer", "retry", "pump"]) clearTimeout(this.#timers[timer]);
    clearInterval(this.#timers.beat);
    this.#timers = {};
    for (const room of this.#rooms.values()) Object.assign(room, { joined: false, filling: "" });
    for (const job of this.#jobs.values()) job.sent = false;
    if (socket) {
      socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
  }

  #state(state, reason = "", retryAt = null) {
    this.state = state;
    this.emit("state", { state, reason, retryAt });
  }

  /** Something suggests that the way may be free again. */
  #wake = () => {
    if (!this.#wanted || globalThis.document?.visibilityState === "hidden") return;
    if (this.state === "waiting" && !this.#patient) this.#open();
    else if (this.state === "open") this.#doubt();
  };

  /** Asks whether the hub is still there; without an answer the connection is lost, whatever the browser thinks. */
  #doubt = () => {
    if (this.state !== "open" || this.#timers.answer) return;
    this.#frame("ping");
    this.#timers.answer = setTimeout(() => this.#closed(1006, "silent"), ANSWER_MS);
  };

  // --- what is asked, and the answers

  /** Of what has the same `slot` and was not sent yet, only the last is: it answers for all of them. */
  #ask(type, payload, slot) {
    return new Promise((resolve, reject) => {
      const waiting = slot && [...this.#jobs.values()].find((job) => job.slot === slot && !job.sent);
      if (waiting) {
        waiting.payload = payload;
        waiting.waiters.push({ resolve, reject });
      } else {
        const key = type === "send_message" ? payload.client_message_id : `ask ${this.#next++}`;
        const room = payload?.session_id;
        this.#jobs.set(key, { type, payload, room, slot, sent: false, tries: 0, waiters: [{ resolve, reject }] });
      }
      this.#pump();
    });
  }

  #join(room) {
    const state = this.#rooms.get(room);
    const payload = { session_id: room, presence: state.presence };
    if (state.pos != null) payload.after_pos = state.pos;
    else if (state.seq != null) payload.after_seq = state.seq;
    return this.#ask("join_session", payload, `join ${room}`);
  }

  #queueSend(room, payload) {
    return this.#ask("send_message", payload, payload.client_message_id);
  }

  #pump() {
    if (this.state !== "open" || this.#timers.pump) return;
    for (const [key, job] of this.#jobs) {
      // What is said to a room waits until one is in it, so that its answer stands in the room's order.
      const state = job.room && job.type !== "join_session" ? this.#rooms.get(job.room) : null;
      if (job.sent || (job.notBefore ?? 0) > Date.now() || (state && !state.joined)) continue;
      if (this.#budget <= 0) break;
      this.#budget--;
      job.sent = true;
      this.#frame(job.type, job.payload, key);
    }
    const later = [...this.#jobs.values()].some((job) => !job.sent);
    if (!later && this.#budget >= BURST) return;
    this.#timers.pump = setTimeout(() => {
      this.#timers.pump = undefined;
      this.#budget = Math.min(BURST, this.#budget + 4);
      this.#pump();
    }, FRAME_EVERY_MS * 4);
  }

  #frame(type, payload, message_id) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify({ type, payload, message_id }));
  }

  #settle(key, error, answer) {
    const job = this.#jobs.get(key);
    if (!job) return;
    this.#jobs.delete(key);
    if (job.type === "send_message") this.#keep((list) => list.filter((it) => it.payload.client_message_id !== key));
    for (const waiter of job.waiters) error ? waiter.reject(error) : waiter.resolve(answer);
  }

  #refused(key, { code, message, details, retry_after_ms }) {
    const job = this.#jobs.get(key);
    if (!job) return this.emit("error", { code, message, details });
    // A message is tried for as long as it takes; what is only asked, a few times.
    if (TRY_AGAIN.has(code) && (job.type === "send_message" || job.type === "join_session" || job.tries++ < 5)) {
      const ms = retry_after_ms ?? 1_000;
      Object.assign(job, { sent: false, notBefore: Date.now() + ms });
      return this.#pump();
    }
    const error = new TertuliaError(code, message, { details, field: details?.field });
    if (job.type === "join_session") {
      this.#rooms.delete(job.room);
      this.emit("room_lost", { room: job.room, code });
      for (const [other, it] of this.#jobs) if (it.room === job.room && other !== key) this.#settle(other, error);
    }
    if (job.type === "send_message") this.emit("send_refused", { room: job.room, payload: job.payload, error });
    this.#settle(key, error);
  }

  // --- what the hub says

  #hear({ type, payload = {}, in_reply_to: key }) {
    this.#heard = Date.now();
    clearTimeout(this.#timers.answer);
    this.#timers.answer = undefined;
    const room = payload.session_id;
    const by = () => ({ user_id: payload.user_id, user_name: plain(payload.user_name) });
    switch (type) {
      case "connected":
        this.emit("connected", payload);
        return this.#opened();
      case "session_joined":
        return this.#joined(key, payload);
      case "session_left":
        if (key === undefined && this.#rooms.delete(room)) this.emit("room_lost", { room, code: "forbidden" });
        return this.#settle(key, null, payload);
      case "message_sent":
      case "new_message":
        return this.#message(key, payload, type === "message_sent");
      case "message_edited":
        this.emit("edited", { room, message: toMessage(payload), by: payload.edited_by });
        this.#asWritten(payload);
        break;
      case "message_deleted":
        this.emit("deleted", { room, id: payload.message_id, seq: payload.seq, deleted_at: payload.deleted_at });
        break;
      case "reaction_added":
      case "reaction_removed": {
        const { message_id: id, seq, emoji, count } = payload;
        this.emit("reaction", { room, id, seq, emoji: plain(emoji), count, present: type === "reaction_added", ...by() });
        break;
      }
      case "message_read":
      case "message_delivered":
        this.emit(type === "message_read" ? "read" : "delivered", { room, up_to_seq: payload.up_to_seq, user_id: payload.user_id });
        break;
      case "user_typing":
        this.emit("typing", { room, is_typing: payload.is_typing, ...by() });
        break;
      case "user_joined":
      case "user_left":
        this.emit(type === "user_joined" ? "came" : "went", { room, ...by() });
        break;
      case "user_status":
        this.emit("status", { room, user_id: payload.user_id, status: payload.status });
        break;
      case "session_updated":
        this.emit("room_updated", { room, ...payload, name: plain(payload.name) });
        break;
      case "session_added":
        this.emit("room_added", { room, ...payload, name: plain(payload.name) });
        break;
      case "session_removed":
        this.emit("room_removed", { room });
        break;
      case "token_expiring":
        this.#refresh();
        break;
      case "server_restarting":
        this.#restart = payload.reconnect_after_ms;
        break;
      case "error":
        return this.#refused(key, payload);
    }
    if (key !== undefined) this.#settle(key, null, payload);
  }

  #joined(key, { session_id, last_seq, last_pos, members }) {
    const room = this.#rooms.get(session_id);
    if (!room) return; // left meanwhile
    room.joined = true;
    room.seq ??= last_seq;
    if (room.filling === "asked") room.filling = "answered";
    // Only messages move the cursor, but where none is missing, everything up to here is known.
    if (room.pos == null && last_seq <= room.seq) room.pos = last_pos;
    this.emit("joined", { room: session_id, last_seq, members });
    this.#settle(key, null, { room: session_id, last_seq, members });
    this.#pump();
  }

  #message(key, payload, mine) {
    const message = toMessage(payload);
    const { room_id: id, seq, client_message_id } = message;
    const room = this.#rooms.get(id);
    const isAnswer = mine || this.#jobs.get(client_message_id)?.type === "send_message"; // or it was lost with a connection
    // A duplicate's place in the order is elsewhere: it was heard there, or will be.
    if (room && !payload.duplicate && seq > room.seq) {
      if (seq > room.seq + 1 && !room.filling) {
        Object.assign(room, { filling: "asked", pos: null });
        this.#join(id).catch(() => {});
      }
      if (room.filling !== "asked") {
        Object.assign(room, { seq, pos: payload.pos ?? room.pos, filling: "" });
        this.emit("message", { room: id, message });
        this.#asWritten(payload);
      } // else it comes again, in its place
    }
    if (isAnswer) this.#settle(mine ? (key ?? client_message_id) : client_message_id, null, message);
  }

  /** The socket leaves out what looks like markup; where it did, the REST API has the text as it was written. */
  async #asWritten({ altered, session_id: room, message_id: id }) {
    if (!altered) return;
    const message = await this.rest("GET", `/api/v1/chat/messages/${id}`).catch(() => null);
    if (message && !message.deleted_at) this.emit("as_written", { room, id, content: message.content });
  }

  async #refresh() {
    try {
      const token = await this.#token({ refused: this.#present });
      if (!token || token === this.#present) return;
      await this.#ask("refresh_token", { token }, "refresh");
      this.#present = token;
    } catch {
      // The connection ends with its token, and then asks for another one.
    }
  }

  // --- messages that outlive the page

  #kept() {
    try {
      return JSON.parse(this.#storage?.getItem(this.#outbox)) ?? [];
    } catch {
      return [];
    }
  }

  #keep(change) {
    if (!this.#storage) return;
    const list = change(this.#kept());
    if (list.length) this.#storage.setItem(this.#outbox, JSON.stringify(list));
    else this.#storage.removeItem(this.#outbox);
  }
}
