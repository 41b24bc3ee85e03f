/** Somebody who talks without a pause into several rooms, and makes sure that every message is stored, whatever happens. */
import { randomUUID } from "node:crypto";
import { Client } from "./client.mjs";
import { soon } from "./journal.mjs";

const RATE = 200;
const TICK_MS = 20;
const ANSWER_MS = 3_000;

export class Crowd {
  #timer;
  #waiting = new Set();
  #stored = 0;
  #look;
  said = 0;

  static async start(hub, person, rooms) {
    const crowd = new Crowd();
    const client = await Client.open(hub, person, { query: { recovery: "0" } });
    const start = Date.now();
    crowd.#timer = setInterval(() => {
      const due = ((Date.now() - start) * RATE) / 1_000;
      // What a stopped hub held up is not made up for all at once.
      for (let i = 0; i < 10 && crowd.said < due; i++) {
        const say = crowd.#say(client, rooms[crowd.said % rooms.length], `message ${++crowd.said}`);
        crowd.#waiting.add(say);
        say.then(() => (crowd.#waiting.delete(say), crowd.#stored++, crowd.#look?.()));
      }
    }, TICK_MS);
    return crowd;
  }

  /** Says it again, under the same name, until it is acknowledged. */
  async #say(client, conversation_id, text) {
    const payload = { conversation_id, text, client_message_id: randomUUID() };
    for (;;) {
      const answer = await client.socket.timeout(ANSWER_MS).emitWithAck("send_message", payload).catch(() => null);
      if (answer && !answer.code) return;
      if (answer && !["send_failed", "unavailable", "internal"].includes(answer.code)) throw new Error(JSON.stringify(answer));
    }
  }

  /** So many more messages are stored. */
  spoke(count) {
    const enough = this.#stored + count;
    const spoken = new Promise((resolve) => (this.#look = () => this.#stored >= enough && resolve()));
    return soon(`${count} more messages are stored`, spoken, 30_000);
  }

  /** Says nothing more; everything that was said is stored. */
  async stop() {
    clearInterval(this.#timer);
    await soon("all that was said is stored", Promise.all(this.#waiting), 30_000);
    return this.said;
  }
}
