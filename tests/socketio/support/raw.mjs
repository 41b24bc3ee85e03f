/** A client of the `messages` dialect: JSON over a WebSocket, nothing between. */
import { once } from "node:events";
import { WebSocket } from "ws";
import { Journal, soon } from "./journal.mjs";

const open = new Set();
/** For the end of each test. */
export const closeAllRaw = () => [...open].forEach((it) => it.close());

export class Raw {
  #said = 0;

  static async open(hub, person) {
    const raw = new Raw();
    raw.journal = new Journal(`${person.name}, over JSON`);
    raw.socket = new WebSocket(`${hub.url.replace("http", "ws")}/api/v1/ws/messages`, ["bearer", person.token()]);
    raw.socket.on("message", (data) => raw.journal.add(JSON.parse(data)));
    open.add(raw);
    await soon("a WebSocket is open", once(raw.socket, "open"));
    return raw;
  }

  say(type, payload) {
    const message_id = `c-${++this.#said}`;
    this.socket.send(JSON.stringify({ type, payload, message_id }));
    return message_id;
  }

  /** Says it and returns the payload of the frame that answers. */
  async ask(type, payload) {
    const name = this.say(type, payload);
    const answer = await this.journal.take(`the answer to ${type}`, (it) => it.in_reply_to === name);
    if (answer.error) throw new Error(`${type}: ${JSON.stringify(answer.payload)}`);
    return answer.payload;
  }

  async hears(type, matches = () => true) {
    return (await this.journal.take(`${type} ${matches}`, (it) => it.type === type && matches(it.payload))).payload;
  }

  close() {
    open.delete(this);
    this.socket.terminate();
  }
}
