/** Coming in: transports, tokens, namespaces, and how a connection ends. */
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, Person, people, sign } from "./support/hub.mjs";
import { soon } from "./support/journal.mjs";

let hub;
before(async () => {
  hub = await Hub.start("--set", "socketio.namespaces=/desk,/deep/er");
});
afterEach(closeAll);
after(() => hub?.stop());

const WAYS = { websocket: ["websocket"], polling: ["polling"], "an upgrade": ["polling", "websocket"] };

for (const [way, transports] of Object.entries(WAYS)) {
  test(`over ${way}: in with a token, welcomed, out again`, async () => {
    const [ana] = people("Ana");
    const client = new Client(hub, ana.token(), { transports });
    const upgraded = transports.length > 1 && new Promise((resolve) => client.socket.io.on("open", () => client.socket.io.engine.once("upgrade", resolve)));
    assert.equal(await client.connected(), false);
    const welcome = await client.hears("connected");
    assert.equal(welcome.user_id, ana.id);
    assert.ok(typeof welcome.message === "string" && welcome.message, "a word of welcome");
    if (upgraded) assert.equal((await soon("the upgrade", upgraded)).name, "websocket");
    assert.equal(client.transport, transports.at(-1));
    const { timestamp } = await client.ask("ping", {});
    assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000, timestamp);
    assert.deepEqual(Object.keys(await client.hears("pong")), ["timestamp"], "the answer comes as an event, too");
    client.socket.disconnect();
    assert.equal(await client.disconnected(), "io client disconnect");
  });

  test(`over ${way}: who shows no good token is told so`, async () => {
    const [ana] = people("Ana");
    const claims = { sub: ana.id, organization_id: ana.org, role: "agent", exp: Date.now() / 1_000 + 600 };
    for (const [what, token, code] of [
      ["no token", undefined, "authentication_required"],
      ["an empty token", "", "authentication_required"],
      ["no token but something", "nonsense", "invalid_token"],
      ["a token that is no text", { $ne: null }, "authentication_required"],
      ["an expired token", ana.token(-60), "token_expired"],
      ["a token signed with another secret", sign(claims, "another secret, thirty-two bytes and more"), "invalid_token"],
    ]) {
      const client = new Client(hub, token, { transports });
      const error = await client.refused();
      assert.equal(error.message, "Not authenticated", what);
      assert.equal(error.data?.code, code, what);
      assert.equal(client.socket.connected, false, what);
      client.close();
    }
  });

  test(`over ${way}: namespaces beside each other, and none that is unknown`, async () => {
    const [ana, rui] = people("Ana", "Rui");
    const room = await hub.room(ana);
    const root = await Client.open(hub, ana, { transports });
    const desk = root.socket.io.socket("/desk", { auth: { token: rui.token() } });
    const welcome = soon("the welcome in /desk", new Promise((resolve) => desk.once("connected", resolve)));
    assert.equal((await welcome).user_id, rui.id, "each namespace has a token of its own");
    assert.notEqual(desk.id, root.socket.id);

    const told = soon("message:new in /desk", new Promise((resolve) => desk.once("message:new", resolve)));
    await soon("joined in /desk", desk.emitWithAck("join_conversation", { conversation_id: room }));
    await root.joins(room);
    const { id } = await root.does("send_message", { conversation_id: room, text: "to both" });
    assert.equal((await told).id, id);
    assert.equal((await root.hears("message:new")).id, id);

    const unknown = root.socket.io.socket("/nowhere", { auth: { token: ana.token() } });
    const refusal = soon("the refusal", new Promise((resolve) => unknown.once("connect_error", resolve)));
    assert.equal((await refusal).message, "Invalid namespace");

    // One namespace is left; the other stays.
    desk.disconnect();
    await root.does("send_message", { conversation_id: room, text: "still here" });
    assert.equal((await root.hears("message:new")).content.text, "still here");
  });
}

test("of several tokens the first place counts: the header, the query, what the namespace is asked for with, the subprotocol", async () => {
  const [ana, rui, eva] = people("Ana", "Rui", "Eva");
  const [header, query, auth] = [{ Authorization: `Bearer ${ana.token()}` }, rui.token(), { token: eva.token() }];
  const offered = (person) => ["bearer", person.token()];
  for (const [what, options, who] of [
    ["the header", { extraHeaders: header, query: { token: query }, auth }, ana],
    ["the header, on polling", { extraHeaders: header, auth, transports: ["polling"] }, ana],
    ["the query", { query: { token: query }, auth, protocols: offered(ana) }, rui],
    ["its access_token", { query: { access_token: query }, auth }, rui],
    ["what it is asked for with", { auth, protocols: offered(ana) }, eva],
    ["the subprotocol", { protocols: offered(ana) }, ana],
    ["an empty one is none", { query: { token: "" }, auth, protocols: offered(ana) }, eva],
  ]) {
    const client = new Client(hub, undefined, options);
    assert.equal((await client.hears("connected")).user_id, who.id, what);
    client.close();
  }
  // A bad one there is not overruled by a good one elsewhere, and all namespaces are that one's.
  const wrong = new Client(hub, undefined, { query: { token: "nonsense" }, auth });
  assert.equal((await wrong.refused()).data.code, "invalid_token");
  const root = new Client(hub, undefined, { query: { token: query }, auth });
  const desk = root.socket.io.socket("/desk", { auth: { token: ana.token() } });
  const welcome = soon("the welcome in /desk", new Promise((resolve) => desk.once("connected", resolve)));
  assert.deepEqual([(await welcome).user_id, (await root.hears("connected")).user_id], [rui.id, rui.id]);
});

test("an unknown namespace by itself is refused, and a configured one is enough", async () => {
  const [ana] = people("Ana");
  const lost = new Client(hub, ana.token(), { namespace: "/nowhere" });
  assert.equal((await lost.refused()).message, "Invalid namespace");
  const deep = await Client.open(hub, ana, { namespace: "/deep/er" });
  assert.ok(deep.socket.connected);
});

test("nobody of another organization gets into a room, whatever they try", async () => {
  const [ana, rui] = [new Person("Ana"), new Person("Rui")];
  const room = await hub.room(ana);
  const [own, other] = [await Client.open(hub, ana), await Client.open(hub, rui)];
  await own.joins(room);
  for (const [event, payload] of [
    ["join_conversation", { conversation_id: room }],
    ["join_room", { room_id: room }],
    ["send_message", { conversation_id: room, text: "from outside" }],
    ["typing_start", { conversation_id: room }],
    ["mark_read", { conversation_id: room, up_to_seq: 1 }],
  ]) {
    const { message, code } = await other.ask(event, payload);
    assert.deepEqual([event, message, code], [event, "Forbidden", "not_found"]);
  }
  await own.does("send_message", { conversation_id: room, text: "among us" });
  await own.hears("message:new");
  await other.hearsNo("message:new");
  assert.equal((await hub.history(ana, room)).length, 1);
});

test("who belongs to no organization is let in, hears nothing unasked, and may do nothing", async () => {
  const [ana] = people("Ana");
  const room = await hub.room(ana);
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const stray = await Client.open(hub, { name: "Stray", token: () => sign({ sub: ana.id, role: "agent", exp }) });
  await stray.hearsNo("error");
  for (const [event, payload] of [
    ["join_conversation", { conversation_id: room }],
    ["join_room", { room_id: room }],
    ["send_message", { room_id: room, text: "from nowhere" }],
    ["typing", { room_id: room, is_typing: true }],
  ]) {
    const { message, code } = await stray.ask(event, payload);
    assert.deepEqual([event, message, code], [event, "Not authenticated", "authentication_required"]);
  }
  assert.equal(stray.heard("error").length, 4);
  assert.deepEqual(await hub.history(ana, room), []);
});

test("a fresh token keeps a connection, and without one it ends", async () => {
  const [ana] = people("Ana");
  // A token counts for half a minute longer than it says.
  const [staying, leaving] = [new Client(hub, ana.token(-27)), new Client(hub, ana.token(-27), { reconnection: false })];
  for (const client of [staying, leaving]) assert.ok((await client.hears("token_expiring")).expires_at);
  const { expires_at } = await staying.does("refresh_token", { token: ana.token(600) });
  assert.ok(Date.parse(expires_at) > Date.now() + 300_000, expires_at);
  assert.equal((await staying.hears("token_refreshed")).expires_at, expires_at);
  const { code } = await staying.ask("refresh_token", { token: people("Eva")[0].token() });
  assert.equal(code, "invalid_token", "somebody else's token does not do");
  assert.equal((await leaving.hears("error")).code, "token_expired");
  assert.match(await leaving.disconnected(), /server disconnect|transport close/u);
  await staying.ask("ping", {});
});

test("what ends in one namespace leaves the others on the connection alone", async () => {
  const own = await Hub.start("--set", "socketio.namespaces=/desk", "--set", "limits.idle_timeout=1s");
  try {
    const [ana, rui] = people("Ana", "Rui");
    const room = await own.room(rui);
    const root = await Client.open(own, ana);
    const desk = root.beside("/desk", rui);
    await desk.connected();
    await desk.enters(room);
    // Silent in no room for much longer than is allowed, while the other one hears what is said.
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await own.send(ana, room, `still here ${i}`);
      await desk.hears("message_received");
    }
    await root.ask("ping", {});
    // In none of them anybody is in a room any more: both are told, and come back.
    await desk.does("leave_room", { room_id: room });
    for (const client of [root, desk]) {
      assert.equal((await client.hears("error")).code, "idle");
      assert.match(await client.disconnected(), /^transport/u);
      await client.connected();
    }
  } finally {
    closeAll();
    await own.stop();
  }
});

test("who is sent away from one namespace leaves the others on the connection to what they do", async () => {
  const own = await Hub.start("--set", "socketio.namespaces=/desk");
  try {
    const [ana, rui] = people("Ana", "Rui");
    const room = await own.room(rui);
    // The token of one ends, and that one is sent away.
    const ending = new Client(own, ana.token(-26), { name: "who ends" });
    await ending.connected();
    const staying = ending.beside("/desk", rui);
    await staying.connected();
    await staying.enters(room);
    await ending.enters(room);
    assert.equal((await ending.hears("error")).code, "token_expired");
    assert.equal(await ending.disconnected(), "io server disconnect");
    for (const text of ["and one stays", "and hears at once"]) {
      const before = Date.now();
      await staying.does("send_message", { room_id: room, text });
      await staying.hears("message_received");
      await own.send(rui, room, `${text}, also from elsewhere`);
      await staying.hears("message_received");
      assert.ok(Date.now() - before < 10_000, "long before the connection would have a turn of its own");
    }
    assert.deepEqual([staying.heard("error"), staying.socket.active], [[], true]);
    assert.equal(staying.journal.entries.filter((it) => it.event === "#disconnect").length, 0);
    // With another token it comes again, on the same connection.
    ending.socket.auth = { token: ana.token() };
    ending.socket.connect();
    await ending.connected();
  } finally {
    closeAll();
    await own.stop();
  }
});

test("of too many connections of one person the oldest makes way", async () => {
  const own = await Hub.start("--set", "limits.max_connections_per_user=3");
  try {
    const [ana, rui] = people("Ana", "Rui");
    const other = await Client.open(own, rui);
    const clients = [];
    for (const transports of [["polling"], ["websocket"], ["websocket"], ["polling"]]) clients.push(await Client.open(own, ana, { transports }));
    assert.equal((await clients[0].hears("error")).code, "replaced");
    assert.equal(await clients[0].disconnected(), "io server disconnect");
    for (const client of [...clients.slice(1), other]) await client.ask("ping", {});
    // Who was sent away does not come back by itself, or the two would send each other away for ever.
    assert.equal(clients[0].socket.active, false);
  } finally {
    closeAll();
    await own.stop();
  }
});
