/** The oldest client that speaks this revision of the protocol, one from before recovery, and the newest, side by side. */
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { io as newest } from "socket.io-client";
import oldest from "socket.io-client-3.1";
import { io as older } from "socket.io-client-4.5";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, people } from "./support/hub.mjs";
import { soon } from "./support/journal.mjs";
import { Proxy } from "./support/proxy.mjs";

let hub, proxy;
before(async () => {
  hub = await Hub.start("--set", "socketio.namespaces=/desk");
  proxy = await Proxy.to(hub);
});
afterEach(closeAll);
after(async () => {
  await proxy?.close();
  await hub?.stop();
});

const VERSIONS = [
  ["3.1", oldest, false],
  ["4.5", older, false],
  ["the newest", newest, true],
];
const WAYS = [["websocket"], ["polling"], ["polling", "websocket"]];

/** The connection is cut. Between two polls there is nothing to be cut: then it is tried again. */
async function cut(client) {
  const isCut = () => client.journal.entries.some((it) => it.event === "#disconnect" && !it.taken);
  do {
    proxy.drop();
  } while (!(await client.journal.until("the client knows", isCut, 200).catch(() => false)));
  await client.disconnected();
}

for (const [version, io, recovers] of VERSIONS) {
  for (const transports of WAYS) {
    test(`socket.io-client ${version} over ${transports.join(" and ")}`, async () => {
      const [ana, rui] = people("Ana", "Rui");
      const room = await hub.room(ana);
      const stranger = new Client(hub, "nonsense", { io, transports });
      const { message, data } = await stranger.refused();
      assert.deepEqual([message, data.code], ["Not authenticated", "invalid_token"]);

      const client = new Client(proxy, undefined, { io, transports, auth: (show) => show({ token: ana.token() }) });
      const other = await Client.open(hub, rui);
      assert.equal(await client.connected(), false);
      assert.equal((await client.hears("connected")).user_id, ana.id);
      const desk = client.socket.io.socket("/desk", { auth: { token: rui.token() } });
      const welcome = await soon("the welcome in /desk", new Promise((resolve) => desk.once("connected", resolve)));
      assert.equal(welcome.user_id, rui.id);
      desk.disconnect();

      for (const it of [client, other]) {
        await it.joins(room);
        await it.enters(room);
      }
      await client.does("send_message", { conversation_id: room, text: "hello" });
      assert.equal((await other.hears("message:new")).content.text, "hello");
      await client.hears("message:new");
      const { id, seq } = await other.does("send_message", { room_id: room, content: "x".repeat(5_000) });
      assert.equal((await client.hears("message:new")).id, id);
      assert.equal((await client.hears("message_received", (it) => it.seq === seq)).id, id);
      other.say("typing_start", { conversation_id: room });
      await client.hears("user_typing");
      client.say("mark_read", { conversation_id: room, message_id: id });
      await other.hears("message:status", (it) => it.status === "read");
      assert.equal((await client.ask("picture", { bytes: Buffer.from([1, 2, 3]) })).code, "invalid_payload");

      await cut(client);
      await other.does("send_message", { conversation_id: room, text: "missed" });
      assert.equal(await client.connected(), recovers);
      if (!recovers) await client.joins(room, { after_seq: seq });
      await client.hears("message:new", (it) => it.content.text === "missed");
      assert.deepEqual(client.heard("message:new").map((it) => it.seq), [1, 2, 3]);
    });
  }
}

test("a client that sends again what was not acknowledged stores it once", async () => {
  const [ana, rui] = people("Ana", "Rui");
  const room = await hub.room(ana);
  const client = await Client.open(proxy, ana, { retries: 20, ackTimeout: 200 });
  const other = await Client.open(hub, rui);
  await other.joins(room);
  const answers = [];
  for (let i = 1; i <= 10; i++) {
    const message = { conversation_id: room, text: `message ${i}`, client_message_id: `key ${i}` };
    if (i % 4 === 1) proxy.swallow();
    const answer = await new Promise((resolve) => client.socket.emit("send_message", message, (error, it) => resolve(error ?? it)));
    answers.push(answer.seq);
  }
  assert.ok(proxy.cuts > 0, "what was acknowledged got lost");
  proxy.calm();
  const all = Array.from({ length: 10 }, (_, i) => i + 1);
  assert.deepEqual(answers, all);
  assert.deepEqual((await hub.history(ana, room)).map((it) => it.seq), all);
  await other.hears("message:new", (it) => it.seq === 10);
  assert.deepEqual(other.heard("message:new").map((it) => it.seq), all);
  // Such a client says one thing after another, each as soon as the one before is acknowledged: so all are.
  for (const [event, payload] of [
    ["join_conversation", { conversation_id: room }],
    ["typing_start", { conversation_id: room }],
    ["typing_stop", { conversation_id: room }],
    ["mark_read", { conversation_id: room, up_to_seq: 10 }],
    ["leave_conversation", { conversation_id: room }],
    ["no_such_event", 1],
  ]) {
    client.say(event, payload);
  }
  await client.ask("ping", {});
});
