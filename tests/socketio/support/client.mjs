/** A `socket.io-client` that remembers everything it heard. */
import assert from "node:assert/strict";
import { io as newest } from "socket.io-client";
import { Journal, soon } from "./journal.mjs";

const open = new Set();
/** For the end of each test. */
export const closeAll = () => [...open].forEach((it) => it.close());

export class Client {
  /** `from`: a hub, a proxy or a URL. `io`: that of another version of the client. The other options are those of `io`. */
  constructor(from, token, { namespace = "", name = "the client", io = newest, ...options } = {}) {
    this.journal = new Journal(name);
    this.name = name;
    this.socket = io((from.url ?? from) + namespace, {
      forceNew: true,
      transports: ["websocket"],
      reconnectionDelay: 20,
      reconnectionDelayMax: 200,
      auth: token === undefined ? undefined : { token },
      ...options,
    });
    listen(this.socket, this.journal);
    open.add(this);
  }

  /** Connected, and welcomed by the hub. */
  static async open(from, person, options = {}) {
    const client = new Client(from, person.token(), { name: person.name, ...options });
    await client.connected();
    await client.hears("connected");
    return client;
  }

  /** The same connection in another namespace, as somebody who may be another person. */
  beside(namespace, person) {
    const other = Object.create(Client.prototype);
    other.name = `${person.name} in ${namespace}`;
    other.journal = new Journal(other.name);
    other.socket = this.socket.io.socket(namespace, { auth: { token: person.token() } });
    listen(other.socket, other.journal);
    return other;
  }

  /** The next time that it is connected: whether it was recovered. */
  async connected(ms) {
    return (await this.journal.take("that it is connected", (it) => it.event === "#connect", ms)).recovered;
  }

  /** The next end of its connection: why. */
  async disconnected(ms) {
    return (await this.journal.take("that its connection ends", (it) => it.event === "#disconnect", ms)).reason;
  }

  /** The next refusal: the error. */
  async refused(ms) {
    return (await this.journal.take("that it is not let in", (it) => it.event === "#connect_error", ms)).error;
  }

  /** The payload of the next such event that nobody has asked for yet. */
  async hears(event, matches = () => true, ms = undefined) {
    return (await this.journal.take(`${event} ${matches}`, (it) => it.event === event && matches(it.data), ms)).data;
  }

  /** The payloads of all such events. */
  heard(event) {
    return this.journal.entries.filter((it) => it.event === event).map((it) => it.data);
  }

  /** What was sent to it before now is here; no such event was among it. */
  async hearsNo(event, matches = () => true) {
    await this.ask("ping", {});
    this.journal.none(event, (it) => it.event === event && matches(it.data));
  }

  say(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits and returns what is acknowledged. */
  ask(event, ...args) {
    // `emitWithAck` is there from 4.6 on.
    return soon(`${this.name}: the acknowledgement of ${event}`, new Promise((resolve) => this.socket.emit(event, ...args, resolve)));
  }

  /** As {@link Client.ask}, and it is no error. */
  async does(event, ...args) {
    const answer = await this.ask(event, ...args);
    assert.equal(answer?.code, undefined, `${event} was refused: ${JSON.stringify(answer)}`);
    return answer;
  }

  joins(conversation_id, more) {
    return this.does("join_conversation", { conversation_id, ...more });
  }

  enters(room_id) {
    return this.does("join_room", { room_id });
  }

  get transport() {
    return this.socket.io.engine?.transport.name;
  }

  close() {
    open.delete(this);
    // All of its namespaces: while one is wanted, it goes on trying to connect.
    for (const socket of Object.values(this.socket.io.nsps)) socket.disconnect();
  }
}

function listen(socket, journal) {
  socket.on("connect", () => journal.add({ event: "#connect", recovered: Boolean(socket.recovered), id: socket.id }));
  socket.on("disconnect", (reason) => journal.add({ event: "#disconnect", reason }));
  socket.on("connect_error", (error) => journal.add({ event: "#connect_error", error }));
  socket.onAny((event, ...args) => journal.add({ event, data: args[0], args }));
}
