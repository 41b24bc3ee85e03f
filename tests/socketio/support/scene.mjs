/** A listener in three rooms, behind a way that can be cut, while somebody talks; and whether the listener heard it all. */
import assert from "node:assert/strict";
import { Client } from "./client.mjs";
import { Crowd } from "./crowd.mjs";
import { people } from "./hub.mjs";
import { Proxy } from "./proxy.mjs";

const LATE_MS = 30_000;
const AGAIN_MS = 200;

/** The ids of a room's messages, as the client heard them. */
export function ids(client, room) {
  const found = [];
  for (const { event, data } of client.journal.entries) {
    const isIt = (event === "message:new" && data.conversation_id === room) || (event === "message_received" && data.room_id === room);
    if (isIt) found.push(data.id);
  }
  return found;
}

export class Scene {
  static async set(hub, options = {}) {
    const scene = new Scene();
    scene.hub = hub;
    [scene.ana, scene.rui] = people("Ana", "Rui");
    scene.rooms = [];
    for (let i = 0; i < 3; i++) scene.rooms.push(await hub.room(scene.ana));
    scene.proxy = await Proxy.to(hub);
    scene.client = await Client.open(scene.proxy, scene.rui, options);
    // Two rooms as conversations, the third as a room.
    for (const room of scene.rooms.slice(0, 2)) await scene.client.joins(room);
    await scene.client.enters(scene.rooms[2]);
    return scene;
  }

  async talk() {
    this.crowd = await Crowd.start(this.hub, this.ana, this.rooms);
  }

  /** Some more messages have come. */
  async hearsMore(count = 20) {
    const { client } = this;
    const now = this.#count();
    await client.journal.until(`${count} more messages after ${now}`, () => this.#count() >= now + count, LATE_MS);
  }

  #count() {
    return this.client.journal.entries.filter(({ event }) => event === "message:new" || event === "message_received").length;
  }

  /** The connection ends by `how`, comes back by itself, and is recovered. */
  async survives(what, how) {
    await how();
    await this.client.disconnected(LATE_MS);
    assert.equal(await this.client.connected(LATE_MS), true, `recovered after ${what}`);
  }

  /** Nobody talks any more, and the client has heard everything that is stored, once and in order. */
  async heardAll() {
    await this.crowd?.stop();
    const { client, hub, ana, rooms } = this;
    const stored = await Promise.all(rooms.map((room) => hub.history(ana, room)));
    const total = stored.reduce((sum, it) => sum + it.length, 0);
    if (this.crowd) assert.equal(total, this.crowd.said, "everything that was said is stored once");
    await client.journal.until(`all ${total} messages`, () => this.#count() >= total, LATE_MS);
    await client.ask("ping", {});
    for (const [i, room] of rooms.entries()) assert.deepEqual(ids(client, room), stored[i].map((it) => it.id), `room ${i + 1}`);
    return stored;
  }

  /** Cuts the connection by `how`. Between two polls there is nothing to be cut: then it is tried again. */
  async cut(how) {
    const { journal } = this.client;
    const isCut = () => journal.entries.some((it) => it.event === "#disconnect" && !it.taken);
    do {
      how();
    } while (!(await journal.until("the client knows", isCut, AGAIN_MS).catch(() => false)));
  }

  drop() {
    return this.cut(() => this.proxy.drop());
  }

  /** The connection is cut, and whoever comes is turned away until `doing` is done. */
  async away(doing) {
    this.proxy.isOpen = false;
    await this.drop();
    await doing();
    this.proxy.isOpen = true;
  }

  close() {
    return this.proxy.close();
  }
}
