/** What is too much, too large or not for this hub: it is refused, and harms nobody. */
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, people } from "./support/hub.mjs";
import { soon } from "./support/journal.mjs";

let hub;
before(async () => {
  hub = await Hub.start();
});
afterEach(closeAll);
after(() => hub?.stop());

async function meeting(transports) {
  const [ana, rui] = people("Ana", "Rui");
  const room = await hub.room(ana);
  const [a, b] = [await Client.open(hub, ana, { transports }), await Client.open(hub, rui, { transports })];
  await Promise.all([a.joins(room), b.joins(room)]);
  return { ana, rui, room, a, b };
}

for (const transports of [["websocket"], ["polling"]]) {
  const over = `over ${transports[0]}`;

  test(`${over}: ten typing events in five seconds, and no more`, async () => {
    const { room, a, b } = await meeting(transports);
    for (let i = 0; i < 15; i++) a.say("typing_start", { conversation_id: room });
    const { message, code } = await a.hears("error");
    assert.deepEqual([message, code], ["Rate limit exceeded", "rate_limited"]);
    await a.does("send_message", { conversation_id: room, text: "messages are not typing" });
    await b.hears("message:new");
    assert.ok(b.heard("user_typing").length <= 10, `${b.heard("user_typing").length} came through`);
    assert.equal(a.heard("error").length, 5);
  });

  test(`${over}: binary attachments are read, and refused where nothing is done with them`, async () => {
    const { room, a, b } = await meeting(transports);
    const bytes = Buffer.from(Array.from({ length: 2_000 }, (_, i) => i % 256));
    const answer = await a.ask("picture", bytes, { nested: [bytes, "text", bytes] });
    assert.equal(answer.code, "invalid_payload");
    assert.match(answer.message, /binary/u);
    assert.deepEqual(await a.hears("error"), answer);
    const refused = await a.ask("send_message", { conversation_id: room, text: bytes });
    assert.equal(refused.code, "invalid_payload");
    await a.does("send_message", { conversation_id: room, text: "still here" });
    await b.hears("message:new", (it) => it.content.text === "still here");
    assert.equal(a.journal.entries.filter((it) => it.event === "#disconnect").length, 0);
  });

  test(`${over}: a packet that is larger than the hub takes ends the connection, and the client comes back`, async () => {
    const { room, a, b } = await meeting(transports);
    assert.equal(a.socket.io.engine.opts.maxPayload ?? a.socket.io.engine._maxPayload, 65_536);
    await a.ask("ping", { padding: "x".repeat(60_000) });
    a.say("ping", { padding: "x".repeat(70_000) });
    assert.match(await a.disconnected(), /^transport (close|error)$/u);
    await a.connected();
    await a.ask("ping", {});
    await b.does("send_message", { conversation_id: room, text: "the others never noticed" });
  });

  test(`${over}: many events at once come in one piece each`, async () => {
    const { ana, room, a, b } = await meeting(transports);
    const sent = await Promise.all(
      Array.from({ length: 30 }, (_, i) => a.does("send_message", { conversation_id: room, text: `${i} ${"ã".repeat(2_000)}` })),
    );
    await b.journal.until("all thirty are heard", () => b.heard("message:new").length === 30);
    assert.deepEqual(b.heard("message:new").map((it) => it.id), sent.map((it) => it.id));
    assert.deepEqual((await hub.history(ana, room)).map((it) => it.id), sent.map((it) => it.id));
  });
}

test("volatile and compressed events, acknowledgements with a time, and several at once are as the client makes them", async () => {
  const { room, a, b } = await meeting(["websocket"]);
  a.socket.volatile.emit("typing_start", { conversation_id: room });
  assert.equal((await b.hears("user_typing")).typing, true);
  a.socket.compress(true).emit("typing_stop", { conversation_id: room });
  assert.equal((await b.hears("user_typing")).typing, false);
  const { timestamp } = await a.socket.timeout(5_000).emitWithAck("ping", {});
  assert.ok(timestamp);
  const answer = await soon("a callback", new Promise((resolve) => a.socket.emit("send_message", { conversation_id: room, text: "hi" }, resolve)));
  assert.equal(answer.status, "sent");
});

test("too many events in a row are refused, and the connection that goes on is ended", async () => {
  const { room, a, b } = await meeting(["websocket"]);
  for (let i = 0; i < 200; i++) a.say("ping", {});
  assert.equal((await a.hears("error")).code, "rate_limited");
  await b.does("send_message", { conversation_id: room, text: "others may" });
  for (let i = 0; i < 5_000 && a.socket.connected; i++) a.say("ping", {});
  assert.match(await a.disconnected(), /^(io server disconnect|transport close)$/u);
  await b.ask("ping", {});
});

test("a payload that names prototypes is only a payload", async () => {
  const { room, a, b } = await meeting(["websocket"]);
  const payload = JSON.parse(`{"conversation_id":"${room}","text":"x","__proto__":{"polluted":1},"constructor":{"prototype":{}}}`);
  await a.does("send_message", payload);
  assert.deepEqual((await b.hears("message:new")).content, { text: "x" });
  for (const name of ["__proto__", "constructor", "toString"]) assert.equal((await a.ask(name, {})).code, "unknown_type");
});

test("an address opens so many sessions, whoever may be behind it, and others are let in", async () => {
  const own = await Hub.start("--set", "limits.requests_per_ip=5/1h");
  try {
    const open = () => fetch(`${own.url}/socket.io/?EIO=4&transport=polling`);
    const answers = [];
    for (let i = 0; i < 7; i++) answers.push(await open());
    assert.deepEqual(answers.map((it) => it.status), [200, 200, 200, 200, 200, 429, 429]);
    assert.ok(Number(answers[6].headers.get("retry-after")) > 0);
    const { code } = await answers[6].json();
    assert.equal(code, 3);
    // Who has a session goes on.
    const { sid } = JSON.parse((await answers[0].text()).slice(1));
    const posted = await fetch(`${own.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: "POST", body: "3" });
    assert.equal(await posted.text(), "ok");
  } finally {
    await own.stop();
  }
});
