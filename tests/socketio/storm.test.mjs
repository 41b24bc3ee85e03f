/**
 * Whatever happens to its connection, and whenever, a client that does as docs/socketio.md says hears everything once.
 *
 * It joins again where it was not recovered or had no answer, from the last number that it saw. Its connections are cut at
 * moments that nobody chose: in joins, in replays, in upgrades, in CONNECTs.
 */
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Crowd } from "./support/crowd.mjs";
import { Hub, people } from "./support/hub.mjs";
import { until } from "./support/journal.mjs";
import { Proxy } from "./support/proxy.mjs";

const ROUNDS = 30;
const LATE_MS = 30_000;

/** Follows rooms as the page says; what it heard, by room. */
class Follower {
  heard = new Map();
  recoveries = 0;
  repeats = 0;
  #isJoined = new Map();

  constructor(proxy, person, rooms, transports) {
    this.client = new Client(proxy, person.token(), { name: person.name, transports });
    const { socket } = this.client;
    for (const room of rooms) this.heard.set(room, []);
    socket.on("connect", () => {
      this.recoveries += Number(socket.recovered);
      for (const room of rooms) if (!socket.recovered || !this.#isJoined.get(room)) this.#join(room);
    });
    socket.on("message:new", ({ conversation_id, seq, id }) => {
      const list = this.heard.get(conversation_id);
      if (seq <= (list.at(-1)?.seq ?? 0)) this.repeats++;
      else list.push({ seq, id });
    });
  }

  async #join(conversation_id) {
    this.#isJoined.set(conversation_id, false);
    const after_seq = this.heard.get(conversation_id).at(-1)?.seq ?? 0;
    // An error is a connection that was lost again.
    const answer = await this.client.socket.emitWithAck("join_conversation", { conversation_id, after_seq }).catch(() => null);
    if (!answer) return;
    assert.equal(answer.code, undefined, answer.message);
    this.#isJoined.set(conversation_id, true);
  }

  get count() {
    return [...this.heard.values()].reduce((sum, it) => sum + it.length, 0);
  }
}

let hub, proxy, crowd;
before(async () => {
  // A client whose socket is cut just as it moves there from polling notices that only by the pings that do not come.
  const pings = ["--set", "socketio.ping_interval=2s", "--set", "socketio.ping_timeout=3s"];
  hub = await Hub.start("--set", "limits.events_per_connection=0", ...pings);
});
afterEach(async () => {
  await crowd?.stop();
  closeAll();
  await proxy?.close();
});
after(() => hub?.stop());

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  for (const isKilled of [false, true]) {
    test(`over ${transports}: ${ROUNDS} cuts at any moment${isKilled ? ", and the hub is killed now and then" : ""}`, async (t) => {
      const [ana, rui] = people("Ana", "Rui");
      const rooms = [];
      for (let i = 0; i < 3; i++) rooms.push(await hub.room(ana));
      for (let i = 0; i < 300; i++) await hub.send(ana, rooms[0], `before ${i}`);
      proxy = await Proxy.to(hub);
      crowd = await Crowd.start(hub, ana, rooms);
      const follower = new Follower(proxy, rui, rooms, transports);
      const cuts = [() => proxy.drop(), () => proxy.dropMidFrame(), () => proxy.abandon()];
      for (let round = 0; round < ROUNDS; round++) {
        await sleep(Math.random() ** 2 * 250);
        if (isKilled && round % 10 === 9) await hub.kill().then(() => hub.run());
        else cuts[round % cuts.length]();
      }
      proxy.calm();
      await crowd.stop();
      const stored = await Promise.all(rooms.map((room) => hub.history(ana, room)));
      const total = stored.reduce((sum, it) => sum + it.length, 0);
      assert.equal(total, crowd.said + 300, "everything that was said is stored once");
      await until(`all ${total} messages`, () => follower.count >= total, LATE_MS).catch(() => {});
      for (const [i, room] of rooms.entries()) assert.deepEqual(follower.heard.get(room).map((it) => it.id), stored[i].map((it) => it.id));
      const silent = follower.client.journal.entries.filter((it) => it.reason === "ping timeout").length;
      // How often it was recovery is a matter of luck: who is cut right behind a room's past joins again instead.
      t.diagnostic(`recovered ${follower.recoveries} times, ${silent} noticed by pings only; ${follower.repeats} messages told twice`);
    });
  }
}
