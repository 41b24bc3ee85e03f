/**
 * A connection is lost and comes back by itself: the client is told what it missed, as if nothing had happened.
 *
 * Somebody says 200 messages a second in three rooms. However the connection is lost, `recovered` is true afterwards, and what
 * the client heard in each room is what the store has: in that order, nothing missing, nothing twice.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub } from "./support/hub.mjs";
import { Scene, ids } from "./support/scene.mjs";

/** By then what is kept of a connection is on the disk, and nobody is told when. */
const KEPT_MS = 300;

let hub, scene;
before(async () => {
  hub = await Hub.start("--set", "limits.events_per_connection=0");
});
afterEach(async () => {
  await scene?.crowd?.stop();
  closeAll();
  await scene?.close();
});
after(() => hub?.stop());

const WAYS = { websocket: ["websocket"], polling: ["polling"], "an upgrade": ["polling", "websocket"] };

for (const [way, transports] of Object.entries(WAYS)) {
  test(`over ${way}: five times in a row, also in the middle of a frame`, async () => {
    scene = await Scene.set(hub, { transports });
    await scene.talk();
    for (let i = 0; i < 5; i++) {
      await scene.hearsMore();
      await scene.survives(`drop ${i + 1}`, () => scene.cut(() => (i % 2 ? scene.proxy.dropMidFrame() : scene.proxy.drop())));
    }
    assert.ok(scene.proxy.cuts >= 2, "where an answer's head is cut, Node.js asks again by itself");
    await scene.hearsMore();
    await scene.heardAll();
  });

  test(`over ${way}: before anything was heard, and again before anything was heard`, async () => {
    scene = await Scene.set(hub, { transports });
    await scene.survives("a drop with nothing heard", () => scene.drop());
    await scene.survives("another", () =>
      scene.away(async () => {
        await scene.talk();
        await scene.crowd.spoke(100);
      }),
    );
    await scene.hearsMore();
    await scene.heardAll();
  });

  test(`over ${way}: the hub goes on talking to a connection that is long gone`, async () => {
    scene = await Scene.set(hub, { transports });
    await scene.talk();
    for (let i = 0; i < 3; i++) {
      await scene.hearsMore();
      await scene.survives(`silence ${i + 1}`, () => scene.cut(() => scene.proxy.abandon()));
    }
    await scene.heardAll();
  });

  test(`over ${way}: the hub is killed and started again`, async () => {
    scene = await Scene.set(hub, { transports });
    await scene.talk();
    for (let i = 0; i < 2; i++) {
      await scene.hearsMore();
      await scene.survives(`kill ${i + 1}`, () => hub.kill().then(() => hub.run()));
    }
    await scene.hearsMore();
    await scene.heardAll();
  });

  test(`over ${way}: orderly restarts of the hub`, async () => {
    scene = await Scene.set(hub, { transports });
    await scene.talk();
    for (let i = 0; i < 3; i++) {
      await scene.hearsMore();
      await scene.survives(`restart ${i + 1}`, async () => {
        hub.process.kill("SIGTERM");
        await hub.ended;
        await hub.run();
      });
    }
    await scene.hearsMore();
    await scene.heardAll();
  });
}

test("the connection is lost again while the past is being told", async () => {
  scene = await Scene.set(hub);
  await scene.talk();
  await scene.hearsMore();
  await scene.survives("a while away", () => scene.away(() => scene.crowd.spoke(400)));
  for (let i = 0; i < 3; i++) await scene.survives(`a cut in the replay, ${i + 1}`, () => scene.cut(() => scene.proxy.dropMidFrame()));
  await scene.hearsMore();
  await scene.heardAll();
});

test("the hub is killed before anything was heard, and killed while the client is away", async () => {
  scene = await Scene.set(hub);
  await sleep(KEPT_MS);
  await scene.survives("a kill with nothing heard", () => hub.kill().then(() => hub.run()));
  await scene.survives("a kill while away", () =>
    scene.away(async () => {
      await scene.talk();
      await scene.crowd.spoke(60);
      await sleep(KEPT_MS);
      await hub.kill();
      await hub.run();
      await scene.crowd.spoke(60);
    }),
  );
  await scene.hearsMore();
  await scene.heardAll();
});

test("a hub that is killed right behind a join forgets it only together with the whole connection", async () => {
  for (let joins = 1; joins <= 5; joins++) {
    scene = await Scene.set(hub);
    const { client, ana } = scene;
    await sleep(KEPT_MS);
    const rooms = [];
    for (let i = 0; i < joins; i++) rooms.push(await hub.room(ana));
    for (const room of rooms) await client.joins(room);
    await hub.kill();
    await hub.run();
    await client.disconnected();
    const recovered = await client.connected();
    for (const room of rooms) await hub.send(ana, room, "behind the kill");
    await client.ask("ping", {});
    const heard = rooms.map((room) => ids(client, room).length);
    assert.deepEqual(heard, rooms.map(() => (recovered ? 1 : 0)), `recovered: ${recovered}; messages heard in each room`);
    client.close();
    await scene.close();
  }
  scene = null;
});

test("a message that is told in both vocabularies is missed in neither", async () => {
  scene = await Scene.set(hub);
  const { ana, client, proxy, rooms } = scene;
  await client.enters(rooms[0]);
  proxy.dropBehindFrame();
  const { id } = await hub.send(ana, rooms[0], "told twice");
  assert.equal(await client.connected(), true);
  assert.equal(proxy.cuts, 1, "between the two");
  await hub.send(ana, rooms[0], "and the next");
  await client.hears("message_received", (it) => it.content === "and the next");
  for (const event of ["message:new", "message_received"]) {
    assert.deepEqual(client.heard(event).filter((it) => it.id === id).length, 1, event);
  }
});

test("what was changed meanwhile is told as it is now", async () => {
  scene = await Scene.set(hub);
  const { client, ana, rooms } = scene;
  const send = (i, text) => hub.send(ana, rooms[i], text);
  const edit = (id, text) => hub.as(ana, "PUT", `/api/v1/chat/messages/${id}`, { content: { text } });
  const remove = (id) => hub.as(ana, "DELETE", `/api/v1/chat/messages/${id}`);
  const [edited, removed, inRoom] = [await send(0, "helo"), await send(1, "a secret"), await send(2, "in a room")];
  await client.hears("message:new", (it) => it.id === edited.id);
  await client.hears("message:new", (it) => it.id === removed.id);
  await client.hears("message_received", (it) => it.id === inRoom.id);

  let gone, mended;
  await scene.survives("changes", () =>
    scene.away(async () => {
      await edit(edited.id, "hello");
      await remove(removed.id);
      gone = await send(0, "written and deleted");
      mended = await send(1, "written and mended");
      await edit(mended.id, "mended");
      await remove(gone.id);
      await edit(inRoom.id, "in the room");
      await send(2, "the last");
    }),
  );
  assert.equal((await client.hears("message:updated", (it) => it.id === edited.id)).content.text, "hello");
  assert.equal((await client.hears("message:updated", (it) => it.id === inRoom.id)).content, "in the room");
  assert.ok((await client.hears("message:deleted", (it) => (it.message_id ?? it.id) === removed.id)).deleted_at);
  assert.equal((await client.hears("message:new", (it) => it.id === mended.id)).content.text, "mended");
  assert.deepEqual((await client.hears("message:new", (it) => it.id === gone.id)).content, {}, "what was deleted says nothing");
  await client.hears("message_received", (it) => it.content === "the last");
  await scene.heardAll();
});

test("a quiet room's past, and at once a drop, three times in a row; and so with a room that is joined later", async () => {
  scene = await Scene.set(hub);
  const { ana, client, rui } = scene;
  const [quiet, later] = [await hub.room(ana), await hub.room(ana)];
  const said = { [quiet]: [], [later]: [] };
  const say = async (room, text) => said[room].push((await hub.send(ana, room, text)).id);
  for (const room of [quiet, later]) for (const text of ["one", "two", "three"]) await say(room, text);
  const heardBoth = async (what) => {
    for (const room of [quiet, later]) {
      await client.journal.until(`${what}: the last of ${room}`, () => ids(client, room).includes(said[room].at(-1)));
    }
    await client.ask("ping", {});
    for (const room of [quiet, later]) assert.deepEqual(ids(client, room), said[room], what);
  };

  await client.joins(quiet, { after_seq: 0 });
  await client.journal.until("the last of the past", () => ids(client, quiet).length === 3);
  for (let i = 0; i < 3; i++) await scene.survives(`drop ${i + 1}`, () => scene.drop());
  await client.joins(later, { after_seq: 0 });
  await client.journal.until("the last of the other", () => ids(client, later).length === 3);
  await scene.survives("a drop behind the other", () => scene.away(() => say(quiet, "while away")));
  await heardBoth("missed");
  await scene.survives("a drop behind what was missed", () => scene.drop());
  await say(later, "live");
  await heardBoth("live");

  // The whole of it again, in a connection that came with the last place of another one.
  const other = new Client(scene.proxy, rui.token(), { autoConnect: false });
  Object.assign(other.socket, { _pid: randomUUID(), _lastOffset: client.socket._lastOffset });
  other.socket.connect();
  assert.equal(await other.connected(), false);
  await other.joins(quiet, { after_seq: 0 });
  await other.journal.until("the past", () => ids(other, quiet).length === said[quiet].length);
  scene.proxy.drop();
  await other.disconnected();
  assert.equal(await other.connected(), true);
  await say(quiet, "and live");
  await other.journal.until("the last", () => ids(other, quiet).length === said[quiet].length);
  assert.deepEqual(ids(other, quiet), said[quiet]);
});

test("what somebody did is not told to them again", async () => {
  scene = await Scene.set(hub);
  const { ana, client, rooms } = scene;
  const { id: message_id, seq } = await hub.send(ana, rooms[0], "to be read");
  await client.hears("message:new", (it) => it.id === message_id);
  const conversation_id = rooms[0];
  await client.does("mark_delivered", { conversation_id, message_id });
  await client.does("react", { conversation_id, message_id, emoji: "👍" });
  await client.does("mark_read", { conversation_id, up_to_seq: seq });
  const told = () => ["message:status", "message:reaction"].map((event) => client.heard(event).length);
  await client.journal.until("all three", () => told().join() === "2,1");
  for (let i = 0; i < 2; i++) {
    await scene.survives(`drop ${i + 1}`, () => scene.drop());
    await client.ask("ping", {});
    assert.deepEqual(told(), [2, 1], `after drop ${i + 1}`);
  }
});

test("one connection that carries two namespaces recovers both", async () => {
  const own = await Hub.start("--set", "socketio.namespaces=/desk");
  try {
    scene = await Scene.set(own);
    const desk = scene.client.socket.io.socket("/desk", { auth: { token: scene.rui.token() } });
    const heard = [];
    const states = [];
    desk.on("message:new", (it) => heard.push(it.id));
    const connected = () => new Promise((resolve) => desk.once("connect", () => resolve(states.push(desk.recovered))));
    const first = connected();
    await first;
    await desk.timeout(5_000).emitWithAck("join_conversation", { conversation_id: scene.rooms[0] });
    const second = connected();
    await scene.survives("a drop", () => scene.away(() => own.send(scene.ana, scene.rooms[0], "missed by both")));
    await second;
    assert.deepEqual(states.map(Boolean), [false, true]);
    const [stored] = await scene.heardAll();
    const live = await own.send(scene.ana, scene.rooms[0], "and heard live");
    await scene.client.hears("message:new", (it) => it.id === live.id);
    await desk.timeout(5_000).emitWithAck("ping", {});
    assert.deepEqual(heard, [...stored.map((it) => it.id), live.id]);
  } finally {
    closeAll();
    await own.stop();
  }
});

test("who missed much comes back by polling in two namespaces, and moves to a socket while it is told", async () => {
  const own = await Hub.start("--set", "socketio.namespaces=/desk", "--set", "limits.events_per_connection=0");
  try {
    scene = await Scene.set(own, { transports: WAYS["an upgrade"] });
    const desk = scene.client.beside("/desk", scene.rui);
    await desk.connected();
    await desk.joins(scene.rooms[0]);
    const missed = 1_500;
    await scene.survives("a long absence", () =>
      scene.away(async () => {
        for (let i = 0; i < missed; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => own.send(scene.ana, scene.rooms[0], `missed ${i + j}`)));
      }),
    );
    // Its second CONNECT is posted as it is told what it missed, and its socket waits for the answer.
    await scene.heardAll();
    assert.equal(scene.client.transport, "websocket");
    assert.equal(await desk.connected(), true);
  } finally {
    closeAll();
    await own.stop();
  }
});
