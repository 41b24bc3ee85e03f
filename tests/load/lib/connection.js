/**
 * One connection to the hub's `messages` WebSocket: connects, joins, sends, comes back, closes; and keeps count of everything.
 *
 * What it sends is unacknowledged until the hub answers, and is sent again, under the same key, when it comes back. What it
 * hears is held against the numbers of the room. docs/messages.md has the frames.
 */
import { WebSocket } from "k6/websockets";
import { alarm, now } from "./clock.js";
import { complain, note, requests, times } from "./ledger.js";
import { RoomLog } from "./room_log.js";
import { token } from "./tokens.js";

const PATIENCE_MS = 30_000;
/** How many messages share one look at how far the script is behind. */
const LOOK_EVERY = 64;

const WORDS = "the quick brown fox jumps over the lazy dog ";

const KNOWN_FRAMES = 256;
const known = new Map();

/** A room hears the same bytes: connections that share a virtual user read them once, which halves what k6 has to do. */
function parsed(data) {
  let frame = known.get(data);
  if (frame === undefined) {
    frame = JSON.parse(data);
    if (known.size >= KNOWN_FRAMES) known.clear();
    known.set(data, frame);
  }
  return frame;
}

export const address = ({ HUB }) => `${HUB.replace(/^http/, "ws")}/api/v1/ws/messages`;
export const handshake = ({ token }) => ({ headers: { Authorization: `Bearer ${token}` }, tags: { name: "hub" } });

/** Filled up to `size` bytes. */
function padded(text, size) {
  const wanted = size - text.length;
  return wanted > 0 ? text + WORDS.repeat(Math.ceil(wanted / WORDS.length)).slice(0, wanted) : text;
}

export class Connection {
  /** `index`: which of all connections it is. */
  constructor(settings, run, index) {
    Object.assign(this, { settings, run, index });
    this.keys = `${run.id}-${index}-`; // how the keys of its own messages begin
    this.token = token(settings, index);
    this.rooms = new Map(); // room -> RoomLog
    this.audience = new Map(); // room -> how many others are to hear what is said there
    this.asked = new Map(); // message_id of a frame -> who waits for its answer: { resolve, reject, at, trend, before, callOff }
    this.unacknowledged = new Map(); // client_message_id -> { frame, room, at, resolve }
    this.serial = 0;
    this.heard = 0;
    this.pings = 0;
    this.isOpen = false;
    this.isLeaving = false;
    this.joinWith = {}; // more of what its joins say
    this.delivery = times.delivery; // where its latencies go; null: nowhere
    this.onFrame = null; // hears the type and the payload of everything
    this.onLost = null; // hears the close code when the connection ended unasked; without it that is a fault
    this.returning = null; // while it is coming back: the promise that it has
  }

  /**
   * Resolves when the hub has let it in; rejects where it does not. The hub's first word, `connected`, is not waited for: k6
   * drops what it has read before it has told the script that the socket is open, which happens to one in some thousands.
   */
  open() {
    this.began = now();
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(this.address(), null, handshake(this));
      this.ws = ws;
      let refused = "";
      ws.onopen = () => {
        this.isOpen = true;
        requests.add(false);
        resolve();
      };
      ws.onmessage = (event) => this.ws === ws && this.hear(event);
      ws.onping = () => (this.pings += 1);
      ws.onerror = ({ error }) => (refused = error);
      ws.onclose = ({ code, reason }) => {
        if (this.ws !== ws) return;
        if (this.isOpen || this.isLeaving) this.closed(code ?? 1006, reason || refused);
        else reject(new Error(refused || `closed with ${code}`));
      };
    });
  }

  address() {
    return address(this.settings);
  }

  /** Resolves with the payload of `session_joined`. `after`: the last `seq` known; without it, the past is not told. */
  join(room, after) {
    const payload = { session_id: room, ...this.joinWith };
    if (after !== undefined) payload.after_seq = after;
    return this.ask("join_session", payload, times.join, ({ last_seq: last }) => this.joined(room, after, last));
  }

  joined(room, after, last) {
    const log = this.rooms.get(room) ?? new RoomLog(1 + (after ?? last));
    log.liveFrom = last + 1;
    this.rooms.set(room, log);
  }

  /** How far the room has come, as the hub knows it. */
  async lastSeq(room) {
    return (await this.ask("join_session", { session_id: room, ...this.joinWith })).last_seq;
  }

  /** Says something. Resolves with the acknowledgement's payload, however often it has to be sent for that. */
  say(room, words = "") {
    const key = this.keys + (this.serial += 1);
    const at = now();
    const text = padded(`${at.toFixed(3)} ${words}`, this.settings.SIZE ?? 0);
    const frame = this.message(key, room, text);
    note("sent");
    note("missing_acks");
    return new Promise((resolve) => {
      this.unacknowledged.set(key, { frame, room, at, resolve });
      if (this.isOpen) this.ws.send(frame);
    });
  }

  /** The frame that says something. */
  message(key, room, text) {
    const payload = { session_id: room, text, client_message_id: key };
    return JSON.stringify({ type: "send_message", message_id: key, payload });
  }

  /** A frame that nobody answers. */
  tell(type, payload) {
    if (this.isOpen) this.ws.send(JSON.stringify({ type, payload }));
  }

  /** A frame and its answer's payload; rejects with an error of the hub. */
  ask(type, payload, trend, before) {
    const id = `q${(this.serial += 1)}`;
    return this.question(type, id, JSON.stringify({ type, message_id: id, payload }), trend, before);
  }

  question(type, id, frame, trend, before) {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(new Error(`${type}: the connection is closed`));
      const callOff = alarm(PATIENCE_MS, () => {
        this.asked.delete(id);
        requests.add(true);
        reject(new Error(`${type}: no answer within ${PATIENCE_MS / 1000} s`));
      });
      this.asked.set(id, { resolve, reject, at: now(), trend, before, callOff });
      this.ws.send(frame);
    });
  }

  /** Something came: looks at the clock now and then. */
  comes(event) {
    this.heard += 1;
    if (this.heard % LOOK_EVERY === 0) times.behind.add(now() - event.timestamp);
  }

  hear(event) {
    this.comes(event);
    const { type, payload, in_reply_to: frame } = parsed(event.data);
    if (type === "new_message") {
      this.hearMessage(payload, event.timestamp);
    } else if (type === "message_sent") {
      this.acknowledged(payload, event.timestamp);
    } else if (type === "error") {
      this.refused(frame, payload);
    } else {
      if (type === "connected") times.connect.add(event.timestamp - this.began);
      this.answer(frame, payload, event.timestamp);
    }
    this.onFrame?.(type, payload);
  }

  hearMessage(payload, read) {
    const log = this.rooms.get(payload.session_id);
    if (!log) return note("repeated"); // Of a room that was not joined, or that was left.
    if (!log.hear(payload.seq)) return;
    if (payload.client_message_id?.startsWith(this.keys)) {
      // One's own, told to those who come back: its acknowledgement may have been lost with the connection.
      if (this.unacknowledged.has(payload.client_message_id)) this.settled(payload.client_message_id, payload);
      return;
    }
    this.delivered(payload, log, read);
  }

  delivered(payload, log, read) {
    note("delivered");
    note("missing_deliveries", -1);
    if (payload.seq < log.liveFrom) note("replayed");
    else this.delivery?.add(read - parseFloat(payload.text));
  }

  acknowledged(payload, read) {
    const key = payload.client_message_id;
    // The answer to a repetition stands outside the order, and the first one may have come in the meantime.
    if (!payload.duplicate) this.rooms.get(payload.session_id)?.hear(payload.seq);
    const sent = this.unacknowledged.get(key);
    if (!sent) return;
    times.ack.add(read - sent.at);
    this.settled(key, payload);
  }

  settled(key, payload) {
    const { room, resolve } = this.unacknowledged.get(key);
    this.unacknowledged.delete(key);
    requests.add(false);
    note("acked");
    note("missing_acks", -1);
    note("missing_deliveries", this.hearers(room));
    resolve(payload);
  }

  /** How many are to hear what it says in a room. */
  hearers(room) {
    return this.audience.get(room) ?? 0;
  }

  answer(id, payload, read) {
    const question = this.asked.get(id);
    if (!question) return; // An event that nobody asked for.
    this.asked.delete(id);
    question.callOff();
    requests.add(false);
    question.trend?.add(read - question.at);
    question.before?.(payload);
    question.resolve(payload);
  }

  refused(frame, { code, message }) {
    requests.add(true);
    if (!this.turnDown(frame, `${code}: ${message}`)) complain(`connection ${this.index}: ${code}: ${message}`);
  }

  /** Whoever waits for the answer to a frame is told that there is none. Whether anybody did. */
  turnDown(frame, why) {
    const question = this.asked.get(frame);
    if (!question) return false;
    this.asked.delete(frame);
    question.callOff();
    question.reject(new Error(why));
    return true;
  }

  /** Without a word from the hub, 1006. */
  closed(code, reason) {
    this.isOpen = false;
    for (const { reject, callOff } of this.asked.values()) {
      callOff();
      reject(new Error(`closed with ${code} ${reason}`));
    }
    this.asked.clear();
    if (this.isLeaving) return this.left();
    if (this.onLost) return this.onLost(code, reason);
    note("closed_unasked");
    complain(`connection ${this.index}: closed with ${code} ${reason}`);
  }

  /** Comes back: what was missed is told, and what was not acknowledged is sent again. */
  async resume() {
    await this.open();
    await Promise.all([...this.rooms].map(([room, log]) => this.join(room, log.last)));
    for (const { frame } of this.unacknowledged.values()) this.ws.send(frame);
  }

  /** Closes as if it were lost, and stays away for so long: what is on its way to it is not heard. */
  async drop(awayMs = 0) {
    await this.close();
    this.onLost(1000, "dropped", awayMs);
  }

  /** Closes, and resolves when the hub has answered. */
  close() {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.isLeaving = true;
      this.left = () => ((this.isLeaving = false), resolve());
      this.isOpen = false;
      this.ws.close(1000);
    });
  }
}
