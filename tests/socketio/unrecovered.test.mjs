/** When a connection is not taken up again: it is a new one then, and nothing is told to whom it does not belong. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, Person, people } from "./support/hub.mjs";
import { until } from "./support/journal.mjs";
import { Scene, ids } from "./support/scene.mjs";

let hub, scene;
before(async () => {
  hub = await Hub.start("--set", "socketio.recovery_window=2s");
});
afterEach(async () => {
  closeAll();
  await scene?.close();
  scene = null;
});
after(() => hub?.stop());

/** A client that says it was there before, under this name. */
function pretender(person, pid, offset) {
  const client = new Client(hub, person.token(), { name: person.name, autoConnect: false });
  Object.assign(client.socket, { _pid: pid, _lastOffset: offset });
  client.socket.connect();
  return client;
}

/** It is a new connection: nothing is recovered, and it hears of no room. */
async function isNew(client, room, person) {
  assert.equal(await client.connected(), false);
  await client.hears("connected");
  const { id } = await hub.send(person, room, "after");
  await client.ask("ping", {});
  assert.deepEqual(ids(client, room).filter((it) => it === id), [], "it is in no room");
}

test("what belongs to somebody else is not taken up by others", async () => {
  scene = await Scene.set(hub);
  const { ana, rui, rooms, client, proxy } = scene;
  await hub.send(ana, rooms[0], "heard");
  await client.hears("message:new");
  const { _pid: pid, _lastOffset: offset } = client.socket;
  assert.ok(pid && offset, "it has a name and an offset");
  proxy.isOpen = false;
  proxy.drop();
  await client.disconnected();
  await hub.send(ana, rooms[0], "missed");

  for (const person of [new Person("Ivo", { org: rui.org }), new Person("Eva")]) {
    const thief = pretender(person, pid, offset);
    assert.equal(await thief.connected(), false);
    await thief.ask("ping", {});
    assert.deepEqual(ids(thief, rooms[0]), []);
    assert.notEqual(thief.socket._pid, pid);
  }
  // The attempts have not spoilt it for its owner.
  proxy.isOpen = true;
  assert.equal(await client.connected(), true);
  assert.equal((await client.hears("message:new")).content.text, "missed");
});

test("a name that was never given, or is none, and an offset that is none", async () => {
  const [ana] = people("Ana");
  const room = await hub.room(ana);
  const own = await Client.open(hub, ana);
  await own.joins(room);
  await hub.send(ana, room, "heard");
  await own.hears("message:new");
  const { _lastOffset: offset } = own.socket;
  for (const pid of [randomUUID(), "nonsense", "x".repeat(5_000), 12, { $ne: null }, ["a"]]) {
    const client = pretender(ana, pid, offset);
    await isNew(client, room, ana);
    client.close();
  }
  for (const wrong of ["nonsense!", "zzzzzzzzzzzzzzzzzzzzzzzz", "-1", 7, null, { a: 1 }]) {
    scene = await Scene.set(hub);
    const { client, proxy, rooms } = scene;
    client.socket._lastOffset = wrong;
    proxy.drop();
    // It is let in, whatever it says it heard last, and is told what happens then.
    await client.connected();
    if (!client.socket.recovered) await client.joins(rooms[0]);
    await hub.send(scene.ana, rooms[0], "after");
    await client.hears("message:new", (it) => it.content.text === "after");
    await client.ask("ping", {});
    client.close();
    await scene.close();
  }
});

test("after the time that is given", async () => {
  scene = await Scene.set(hub);
  const { ana, client, rooms } = scene;
  await hub.send(ana, rooms[0], "heard");
  await client.hears("message:new");
  await scene.away(async () => {
    await hub.send(ana, rooms[0], "missed");
    await sleep(2_600); // the window itself
  });
  await isNew(client, rooms[0], ana);
  // The client joins again, from where it was: so it loses nothing.
  await client.joins(rooms[0], { after_seq: 1 });
  await client.hears("message:new", (it) => it.content.text === "after");
  assert.deepEqual(client.heard("message:new").map((it) => it.content.text), ["heard", "missed", "after"]);
});

test("within the time that is given it is", async () => {
  scene = await Scene.set(hub);
  const { ana, client, rooms } = scene;
  await scene.survives("a second away", () =>
    scene.away(async () => {
      await hub.send(ana, rooms[0], "missed");
      await sleep(800);
    }),
  );
  assert.equal((await client.hears("message:new")).content.text, "missed");
});

for (const transports of [["websocket"], ["polling"]]) {
  test(`over ${transports[0]}: after leaving on purpose`, async () => {
    scene = await Scene.set(hub, { transports });
    const { ana, client, rooms } = scene;
    await hub.send(ana, rooms[0], "heard");
    await client.hears("message:new");
    const before = client.socket._pid;
    client.socket.disconnect();
    await client.disconnected();
    await hub.send(ana, rooms[0], "said meanwhile");
    client.socket.connect();
    await isNew(client, rooms[0], ana);
    assert.notEqual(client.socket._pid, before);
  });
}

test("a room that one may not enter any more is not told, the others are", async () => {
  scene = await Scene.set(hub);
  const { ana, rui, client } = scene;
  const room = await hub.room(ana, { kind: "private" });
  await hub.admit(ana, room, rui);
  await client.joins(room);
  await hub.send(ana, room, "heard");
  await client.hears("message:new");
  const before = client.journal.entries.length;
  await scene.survives("being put out", () =>
    scene.away(async () => {
      await hub.send(ana, room, "said before, and missed");
      await hub.as(ana, "DELETE", `/api/v1/chat/rooms/${room}/members/${rui.id}`);
      await hub.send(ana, room, "a secret");
      await hub.send(ana, scene.rooms[0], "for all");
    }),
  );
  await client.hears("message:new", (it) => it.content.text === "for all");
  assert.equal((await client.hears("left_conversation")).conversation_id, room);
  await hub.send(ana, room, "another secret");
  await client.ask("ping", {});
  const since = client.journal.entries.slice(before).filter((it) => JSON.stringify(it.data ?? null).includes("secret"));
  assert.deepEqual(since, []);
  assert.equal(ids(client, room).length, 1, "only what was heard at the time");
});

test("who wants none of it gets no name and no offsets", async () => {
  const [ana] = people("Ana");
  const room = await hub.room(ana);
  const [without, withIt] = [await Client.open(hub, ana, { query: { recovery: "0" } }), await Client.open(hub, ana)];
  for (const client of [without, withIt]) {
    await client.joins(room);
    await client.enters(room);
  }
  await without.does("send_message", { conversation_id: room, text: "hello" });
  for (const client of [without, withIt]) for (const event of ["message:new", "message_received"]) await client.hears(event);
  assert.equal(without.socket._pid, undefined);
  assert.equal(typeof withIt.socket._pid, "string");
  const told = (client) => client.journal.entries.filter((it) => it.args);
  assert.deepEqual(told(without).filter((it) => it.args.length > 1), []);
  const extra = told(withIt).filter((it) => it.args.length > 1);
  assert.deepEqual([...new Set(extra.map((it) => it.event))].sort(), ["message:new", "message_received"]);
  assert.ok(extra.every((it) => it.args.length === 2 && /^[0-9a-z]+\.?$/u.test(it.args[1])));
  // No other event ends in a text, or is empty: the client would take it for an offset.
  for (const { event, args } of told(withIt)) assert.ok(args.length > 0, event);
});

test("an offset of another organization is not taken for one of this", async () => {
  const [[ana], [rui]] = [people("Ana"), people("Rui")];
  const [hers, his] = [await hub.room(ana), await hub.room(rui)];
  const client = await Client.open(hub, ana);
  await client.joins(hers);
  for (let i = 0; i < 30; i++) await hub.send(ana, hers, `hers ${i}`);
  await client.hears("message:new", (it) => it.content.text === "hers 29");
  // The same socket, as its documentation says to change who one is.
  client.socket.disconnect();
  client.socket.auth = { token: rui.token() };
  client.socket.connect();
  assert.equal(await client.connected(), false);
  await client.joins(his);
  client.socket.io.engine.transport.ws.terminate();
  for (let i = 0; i < 40; i++) await hub.send(rui, his, `his ${i}`);
  assert.equal(await client.connected(), true);
  await client.hears("message:new", (it) => it.content.text === "his 39");
  const heard = client.heard("message:new").filter((it) => it.conversation_id === his);
  assert.deepEqual(heard.map((it) => it.seq), Array.from({ length: 40 }, (_, i) => i + 1));
});

test("over polling: a second post beside the first ends the session, and is no reason to forget it", async () => {
  const [ana] = people("Ana");
  const room = await hub.room(ana);
  const client = await Client.open(hub, ana, { transports: ["polling"] });
  await client.joins(room);
  const { id } = client.socket.io.engine;
  const url = `${hub.url}/socket.io/?EIO=4&transport=polling&sid=${id}`;
  let end;
  const body = new ReadableStream({ start: (stream) => (stream.enqueue(new TextEncoder().encode("4")), (end = () => stream.close())) });
  const first = fetch(url, { method: "POST", body, duplex: "half" }).catch(() => null);
  await until("the second is refused", async () => (await fetch(url, { method: "POST", body: "3" })).status === 400);
  await hub.send(ana, room, "meanwhile");
  assert.equal(await client.connected(), true);
  await client.hears("message:new", (it) => it.content.text === "meanwhile");
  end();
  await first;
});
