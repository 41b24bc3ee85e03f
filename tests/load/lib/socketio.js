/**
 * One connection to the hub over Socket.IO, on a WebSocket: the same acts and the same accounts as `connection.js`.
 *
 * Who says something gets its acknowledgement, and besides that hears the message as everyone else does. So each message is
 * due to all in its room.
 */
import { Connection } from "./connection.js";
import { complain, note, times } from "./ledger.js";

// Engine.IO's packets, and Socket.IO's in them.
const PING = "2";
const PONG = "3";
const CONNECTED = "40";
const DISCONNECTED = "41";
const EVENT = "42";
const ACK = "43";
const REFUSED = "44";

/** Under which the answer to CONNECT is awaited. Acknowledgements have numbers. */
const CONNECT = "connect";

const KNOWN_EVENTS = 256;
const known = new Map();

/** An event's name and what it says; read once for connections that share a virtual user, as all hear the same bytes. */
function event(data) {
  let event = known.get(data);
  if (event === undefined) {
    const [name, payload] = JSON.parse(data.slice(EVENT.length));
    event = { name, payload: name === "message:new" ? message(payload) : payload };
    if (known.size >= KNOWN_EVENTS) known.clear();
    known.set(data, event);
  }
  return event;
}

/** A message as `connection.js` knows it. */
const message = ({ conversation_id, seq, client_message_id, content }) => ({
  session_id: conversation_id,
  seq,
  client_message_id,
  text: content.text,
});

export class SocketIoConnection extends Connection {
  constructor(settings, run, index) {
    super(settings, run, index);
    this.keyOf = new Map(); // the number under which an acknowledgement is asked for -> client_message_id
  }

  address() {
    return `${this.settings.HUB.replace(/^http/, "ws")}/socket.io/?EIO=4&transport=websocket`;
  }

  /** The hub's open packet is not waited for, as its first word may be lost in k6 (see `connection.js`). */
  async open() {
    await super.open();
    await this.question(CONNECT, CONNECT, CONNECTED + JSON.stringify({ token: this.token }));
  }

  join(room, after) {
    const payload = { conversation_id: room };
    if (after !== undefined) payload.after_seq = after;
    return this.ask("join_conversation", payload, times.join, ({ last_seq: last }) => this.joined(room, after, last));
  }

  async lastSeq(room) {
    return (await this.ask("join_conversation", { conversation_id: room })).last_seq;
  }

  message(key, room, text) {
    const id = (this.serial += 1);
    this.keyOf.set(String(id), key);
    return `${EVENT}${id}${JSON.stringify(["send_message", { conversation_id: room, text, client_message_id: key }])}`;
  }

  tell(name, payload) {
    if (this.isOpen) this.ws.send(EVENT + JSON.stringify([name, payload]));
  }

  ask(name, payload, trend, before) {
    const id = String((this.serial += 1));
    return this.question(name, id, `${EVENT}${id}${JSON.stringify([name, payload])}`, trend, before);
  }

  hear(frame) {
    const { data, timestamp: read } = frame;
    this.comes(frame);
    if (data === PING) {
      this.pings += 1;
      return this.ws.send(PONG);
    }
    switch (data.slice(0, 2)) {
      case EVENT:
        return this.hearEvent(event(data), read);
      case ACK:
        return this.hearAck(data, read);
      case CONNECTED:
        times.connect.add(read - this.began);
        return this.answer(CONNECT, null, read);
      case REFUSED:
        return this.refused(CONNECT, { code: REFUSED, message: data });
      case DISCONNECTED:
        return complain(`connection ${this.index}: the hub disconnects it`);
    }
  }

  hearEvent({ name, payload }, read) {
    if (name === "message:new") this.hearMessage(payload, read);
    // Whoever asked is told by the acknowledgement, too.
    else if (name === "error") this.refused(null, payload);
    this.onFrame?.(name, payload);
  }

  hearMessage(payload, read) {
    const log = this.rooms.get(payload.session_id);
    if (!log) return note("repeated"); // Of a room that was not joined, or that was left.
    if (log.hear(payload.seq)) this.delivered(payload, log, read);
  }

  hearAck(data, read) {
    const start = data.indexOf("[");
    const id = data.slice(ACK.length, start);
    const [payload] = JSON.parse(data.slice(start));
    const key = this.keyOf.get(id);
    if (key !== undefined) {
      // What is refused is never acknowledged, and missing in the end.
      if (!("code" in payload)) this.acknowledged(key, payload, read);
    } else if ("code" in payload) {
      this.turnDown(id, `${payload.code}: ${payload.message}`);
    } else {
      this.answer(id, payload, read);
    }
  }

  acknowledged(key, payload, read) {
    const sent = this.unacknowledged.get(key);
    if (!sent) return;
    times.ack.add(read - sent.at);
    this.settled(key, payload);
  }

  /** And itself. */
  hearers(room) {
    return super.hearers(room) + 1;
  }
}
