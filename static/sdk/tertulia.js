/**
 * The client for Tertulia: rooms over one WebSocket that comes back by itself, and the REST API beside it.
 *
 * What it promises: a message that `send` took reaches the room once, however often the connection is lost meanwhile; the
 * messages of a joined room arrive once each and in order, also over a gap; nothing is tried again that cannot succeed.
 */
import { Kept } from "./kept.js";
import { Emitter, Login, TertuliaError, request } from "./login.js";
import { toMessage, told, uuid } from "./message.js";
import { Order, PLACES } from "./order.js";

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
/** A connection that is not open after this may have been refused without a word. */
const DOUBTFUL_MS = 3_000;
/** The hub takes 100 frames at once and 50 a second; this stays below. One that takes less says so, and gets less. */
const BURST = 90;
const FRAMES_A_SECOND = 45;
const FEWEST_A_SECOND = 2;
const PUMP_MS = 100;

/** Rejects, without ending a Node.js process that did not wait for it: that the client is closed says its `state`. */
function unheard({ promise, reject }, error) {
  promise.catch(() => {});
  reject(error);
}

export class Tertulia extends Emitter {
  state = "closed";
  #url;
  #token;
  #socket = null;
  #present = null; // the token of the present connection
  #rooms = new Map(); // id -> {seq, pos, presence, joined, until, filling: "", "asked" or "answered"}
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
  #pace = FRAMES_A_SECOND;
  #heldUntil = 0; // too much was said
  #outbox; // messages that outlive the page: {room, payload}
  #Socket;
  #over = null; // why nothing is asked any more: an error, until `connect` is called again

  /**
   * `token` or `getToken({refused})` or `login`. `storage`: where unsent messages outlive the page, under `outbox`.
   * `WebSocket`: what makes a connection where the surroundings have nothing for it.
   */
  constructor({ url = globalThis.location?.origin, token, getToken, login, WebSocket, storage = null, outbox = "tertulia.outbox" }) {
    super();
    this.#Socket = WebSocket;
    this.#url = url;
    this.#token = login ? (how) => login.token(how) : (getToken ?? (() => token));
    this.#outbox = new Kept(storage, outbox);
    this.#queueKept();
  }

  // --- what a program asks

  connect() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    if (this.#over) {
      this.#over = null;
      this.#queueKept();
    }
    this.#surroundings("addEventListener");
    this.#open();
  }

  /** Ends the connection for good; what was not sent stays in `storage`, if there is one. */
  close() {
    this.#wanted = false;
    this.#drop();
    this.#giveUp("The client was closed", "asked");
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
    if (!this.#rooms.delete(room) || this.#over) return Promise.resolve();
    const gone = new TertuliaError("not_joined", "The room was left");
    for (const [key, job] of this.#jobs) if (job.type === "join_session" && job.room === room) this.#settle(key, gone);
    return this.#ask("leave_session", { session_id: room });
  }

  /** Resolves with the message once it is stored. Rejects if the hub will not have it, or if the client is closed. */
  send(room, message) {
    const { client_message_id = uuid(), ...rest } = typeof message === "string" ? { text: message } : message;
    const payload = { session_id: room, ...rest, client_message_id };
    this.#outbox.change((list) => [...list.filter((it) => it.payload.client_message_id !== client_message_id), { room, payload }]);
    return this.#ask("send_message", payload);
  }

  /** What was taken by `send` and is not stored yet: `{room, payload}`, oldest first. */
  get unsent() {
    if (this.#over) return this.#outbox.all;
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
    const Socket = this.#Socket ?? globalThis.WebSocket;
    if (!Socket) return this.#end("no_websocket", "There is no WebSocket here: use Node.js 22 or newer, or pass one as the option WebSocket");
    let socket;
    try {
      const url = new URL("/api/v1/ws/messages", this.#url);
      url.protocol = url.protocol.replace("http", "ws");
      socket = this.#socket = new Socket(url.href, ["bearer", this.#present]);
    } catch (error) {
      return this.#end("invalid_address", `No connection can be made with this address and token: ${error.message}`);
    }
    this.#timers.opening = setTimeout(() => this.#closed(1006, "no answer"), ANSWER_MS * 2);
    // Some clients say nothing at all when they are not let in; the REST API knows whether it is the token.
    const isRefused = (error) => this.#socket === socket && [401, 403].includes(error.status) && this.#end("login_needed");
    this.#timers.doubtful = setTimeout(() => this.rest("GET", "/api/v1/auth/profile").catch(isRefused), DOUBTFUL_MS);
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#socket === socket && this.#closed(code, reason);
    // Not every client tells of this as a close.
    socket.onerror = () => this.#socket === socket && !this.#openedAt && this.#closed(1006, "not let in");
  }

  #opened() {
    clearTimeout(this.#timers.opening);
    clearTimeout(this.#timers.doubtful);
    this.#never = false;
    this.#openedAt = Date.now();
    this.#budget = this.#pace * (BURST / FRAMES_A_SECOND);
    this.#heldUntil = 0;
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
  #end(reason, why = `The connection was given up: ${reason}`) {
    this.#wanted = false;
    this.#drop();
    this.#giveUp(why, reason);
    this.#state("closed", reason);
  }

  /** Nobody waits for an answer that cannot come. What was to be sent stays in the storage. */
  #giveUp(why, reason) {
    this.#over = new TertuliaError("closed", why, { reason });
    for (const { waiters } of this.#jobs.values()) for (const waiter of waiters) unheard(waiter, this.#over);
    this.#jobs.clear();
    this.#surroundings("removeEventListener");
  }

  /** They tell when the way is lost, and when it may be free again: as long as a connection is wanted, that is heard. */
  #surroundings(listen) {
    globalThis[listen]?.("online", this.#wake);
    globalThis[listen]?.("offline", this.#doubt);
    globalThis.document?.[listen]("visibilitychange", this.#wake);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    for (const timer of ["opening", "doubtful", "answer", "retry", "pump"]) clearTimeout(this.#timers[timer]);
    clearInterval(this.#timers.beat);
    this.#timers = {};
    for (const room of this.#rooms.values()) Object.assign(room, { joined: false, filling: "" });
    for (const job of this.#jobs.values()) job.sent = false;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.onerror = () => {}; // closed before it was open, `ws` reports that, and throws if nobody listens
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
    const waiter = {};
    waiter.promise = new Promise((resolve, reject) => Object.assign(waiter, { resolve, reject }));
    const key = type === "send_message" ? payload.client_message_id : `ask ${this.#next++}`;
    const waiting = slot && [...this.#jobs.values()].find((job) => job.slot === slot && !job.sent);
    if (this.#over) unheard(waiter, this.#over);
    else if (waiting) {
      waiting.payload = payload;
      waiting.waiters.push(waiter);
    } else if (this.#jobs.has(key)) this.#jobs.get(key).waiters.push(waiter); // the same message again
    else this.#jobs.set(key, { type, payload, room: payload?.session_id, slot, sent: false, tries: 0, waiters: [waiter] });
    this.#pump();
    return waiter.promise;
  }

  #join(room) {
    const state = this.#rooms.get(room);
    const payload = { session_id: room, presence: state.presence };
    if (state.pos != null) payload.after_pos = state.pos;
    else if (state.seq != null) payload.after_seq = state.seq;
    return this.#ask("join_session", payload, `join ${room}`);
  }

  #queueKept() {
    for (const { payload } of this.#outbox.all) this.#ask("send_message", payload).catch(() => {});
  }

  #pump() {
    if (this.state !== "open" || this.#timers.pump) return;
    const order = new Order();
    for (const [key, job] of this.#jobs) {
      // What is said to a room waits until one is in it, so that its answer stands in the room's order.
      const state = PLACES.has(job.type) ? null : this.#rooms.get(job.room);
      const waits = (job.notBefore ?? 0) > Date.now() || (state && !state.joined) || order.holds(job);
      if (!job.sent && !waits) {
        if (this.#budget < 1 || this.#heldUntil > Date.now()) break;
        this.#budget--;
        job.sent = true;
        this.#frame(job.type, job.payload, key);
      }
      order.passed(job);
    }
    const most = this.#pace * (BURST / FRAMES_A_SECOND);
    if (this.#budget >= most && [...this.#jobs.values()].every((job) => job.sent)) return;
    this.#timers.pump = setTimeout(() => {
      this.#timers.pump = undefined;
      if (this.#heldUntil <= Date.now()) this.#budget = Math.min(most, this.#budget + (this.#pace * PUMP_MS) / 1_000);
      this.#pump();
    }, PUMP_MS);
  }

  /** The hub takes less than was thought. What was refused at the same time counts once. */
  #slower(ms) {
    if (this.#heldUntil > Date.now()) return;
    this.#heldUntil = Date.now() + ms;
    this.#budget = 0;
    this.#pace = Math.max(FEWEST_A_SECOND, this.#pace / 2);
  }

  #frame(type, payload, message_id) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify({ type, payload, message_id }));
  }

  #settle(key, error, answer) {
    const job = this.#jobs.get(key);
    if (!job) return;
    this.#jobs.delete(key);
    if (job.type === "send_message") this.#outbox.change((list) => list.filter((it) => it.payload.client_message_id !== key));
    for (const waiter of job.waiters) error ? waiter.reject(error) : waiter.resolve(answer);
  }

  #refused(key, { code, message, details, retry_after_ms }) {
    const job = this.#jobs.get(key);
    if (!job) return this.emit("error", { code, message, details });
    // A message is tried for as long as it takes; what is only asked, a few times.
    if (TRY_AGAIN.has(code) && (job.type === "send_message" || job.type === "join_session" || job.tries++ < 5)) {
      const ms = retry_after_ms ?? 1_000;
      if (code === "rate_limited") this.#slower(Math.max(ms, PUMP_MS));
      Object.assign(job, { sent: false, notBefore: Date.now() + ms, refusal: code });
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
      case "token_expiring":
        this.#refresh();
        break;
      case "server_restarting":
        this.#restart = payload.reconnect_after_ms;
        break;
      case "error":
        return this.#refused(key, payload);
      default:
        for (const [name, event] of told(type, payload)) this.emit(name, event);
    }
    if (key !== undefined) this.#settle(key, null, payload);
  }

  #joined(key, { session_id, last_seq, last_pos, members }) {
    const room = this.#rooms.get(session_id);
    if (!room) return; // left meanwhile
    if (!room.joined) Object.assign(room, { joined: true, until: last_seq }); // what is older than that is replayed
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
        this.emit("message", { room: id, message, replayed: seq <= room.until });
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
}
