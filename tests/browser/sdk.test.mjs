/** The client for programs under Node.js: what ends is said to whoever waits, a logout counts, and many rooms come back. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "./support/limits.mjs";
import WebSocket from "ws";
import { Login, Tertulia } from "../../static/sdk/tertulia.js";
import { Hub } from "./support/hub.mjs";

let hub;
before(async () => {
  hub = await Hub.start();
});
after(() => hub?.stop());

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, isSo, ms = 15_000) {
  for (const end = Date.now() + ms; !(await isSo()); await wait(20)) assert.ok(Date.now() < end, `not in time: ${what}`);
}
/** Fails where a promise stays pending. */
const soon = (promise, ms = 15_000) => Promise.race([promise, wait(ms).then(() => assert.fail("nobody was told"))]);
const ended = (client) => new Promise((resolve) => client.on("state", (it) => it.state === "closed" && resolve(it)));

class Memory extends Map {
  getItem(key) {
    return this.get(key) ?? null;
  }
  setItem(key, value) {
    this.set(key, value);
  }
  removeItem(key) {
    this.delete(key);
  }
}

/** A login as the page keeps it, changed by `how`. */
function kept(answer, how = {}) {
  const storage = new Memory();
  storage.setItem("tertulia.login", JSON.stringify({ ...answer, expires_at: Date.now() + 900_000, renewed_at: 1, ...how }));
  return storage;
}

const refresh = ({ refresh_token }) =>
  fetch(`${hub.url}/api/v1/auth/refresh`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refresh_token }),
  });

test("a logout counts although the access token is stale", async () => {
  const answer = await hub.register("Stale");
  const login = new Login({ url: hub.url, storage: kept(answer, { access_token: "long gone" }) });
  await login.logout();
  assert.equal(login.user, null);
  assert.equal((await refresh(answer)).status, 401);
});

test("a logout without the hub is made up for at the next start", async () => {
  const answer = await hub.register("Away");
  const storage = kept(answer);
  const login = new Login({ url: "http://127.0.0.1:1", storage }); // nobody is there
  await login.logout();
  assert.equal(login.user, null);
  assert.deepEqual([...storage.keys()], ["tertulia.login.ended"]);
  new Login({ url: hub.url, storage });
  await until("the note is gone", () => storage.size === 0);
  assert.equal((await refresh(answer)).status, 401);
});

test("a logout while the login is being renewed is a logout", async () => {
  const answer = await hub.register("Renewing");
  const storage = kept(answer, { expires_at: 0 });
  const login = new Login({ url: hub.url, storage });
  const asked = assert.rejects(login.token(), { code: "authentication_required" });
  await login.logout();
  await asked;
  await until("nothing is kept", () => storage.size === 0);
  assert.equal(login.user, null);
  const other = await hub.rest(null, "POST", "/api/v1/auth/login", { email: "renewing@example.com", password: "a long password" });
  const { items } = await hub.rest(other.access_token, "GET", "/api/v1/auth/sessions");
  assert.equal(items.length, 1, "only the new login is there");
});

test("who waits is told that the client was closed, and the storage keeps what was to be sent", async () => {
  const { access_token: token } = await hub.register("Closing");
  const room = await hub.rest(token, "POST", "/api/v1/chat/rooms", { name: "Later", kind: "private" });
  const storage = new Memory();
  const client = new Tertulia({ url: hub.url, token, WebSocket, storage });
  const join = client.join(room.id);
  const send = client.send(room.id, "for the next time");
  const unheeded = client.send(room.id, "and this"); // must not end the process
  client.close();
  for (const promise of [join, send, unheeded, client.join(room.id)]) await assert.rejects(soon(promise), { code: "closed", reason: "asked" });
  assert.equal(client.unsent.length, 2);

  const next = new Tertulia({ url: hub.url, token, WebSocket, storage });
  next.connect();
  await until("both are stored", () => storage.size === 0);
  next.close();
  const { items } = await hub.rest(token, "GET", `/api/v1/chat/rooms/${room.id}/messages`);
  assert.deepEqual(items.map((it) => it.content.text).sort(), ["and this", "for the next time"]);
});

test("who waits is told that the token is refused", async () => {
  // `ws` says that the connection was not let in; some say nothing at all.
  class Silent {
    close() {}
  }
  for (const Socket of [WebSocket, Silent]) {
    const client = new Tertulia({ url: hub.url, token: "wrong", WebSocket: Socket });
    const closed = ended(client);
    const send = assert.rejects(soon(client.send("550e8400-e29b-41d4-a716-446655440000", "hello")), { code: "closed", reason: "login_needed" });
    client.connect();
    assert.equal((await soon(closed)).reason, "login_needed");
    await send;
  }
});

test("without a WebSocket the client says so", async () => {
  const { WebSocket: own } = globalThis;
  globalThis.WebSocket = undefined;
  try {
    const client = new Tertulia({ url: hub.url, token: (await hub.register("Old")).access_token });
    const closed = ended(client);
    const join = client.join("550e8400-e29b-41d4-a716-446655440000");
    client.connect();
    assert.equal((await soon(closed)).reason, "no_websocket");
    await assert.rejects(soon(join), { code: "closed", message: /Node\.js 22.*option WebSocket/u });
  } finally {
    globalThis.WebSocket = own;
  }
});

test("a client that is closed while it connects does so quietly", async () => {
  const client = new Tertulia({ url: hub.url, token: (await hub.register("Hasty")).access_token, WebSocket });
  client.connect();
  await wait(0);
  client.close();
  await wait(200);
  assert.equal(client.state, "closed");
});

test("the network is heard of by a client that was closed and connects again, and by no closed one", async () => {
  const network = new EventTarget();
  const heard = new Set();
  globalThis.addEventListener = (type, listener) => (heard.add(type), network.addEventListener(type, listener));
  globalThis.removeEventListener = (type, listener) => (heard.delete(type), network.removeEventListener(type, listener));
  const client = new Tertulia({ url: "http://127.0.0.1:1", token: "x", WebSocket }); // nobody is there
  try {
    client.connect();
    client.close();
    assert.deepEqual([...heard], []);
    client.connect();
    await new Promise((resolve) => client.on("state", ({ state }) => state === "waiting" && resolve(network.dispatchEvent(new Event("online")))));
    assert.equal(client.state, "connecting", "it does not wait");
  } finally {
    client.close();
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test("reads are patient with a busy hub, up to a point", async () => {
  const asked = [];
  const busy = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    const isBusy = url === "/always" || method !== "GET" || asked.length < 3;
    response.writeHead(isBusy ? 503 : 200, isBusy ? { "Retry-After": url === "/long" ? "60" : "1" } : {});
    response.end(isBusy ? '{"code":"unavailable","detail":"Later"}' : '{"here":true}');
  });
  await new Promise((resolve) => busy.listen(0, "127.0.0.1", resolve));
  const client = new Tertulia({ url: `http://127.0.0.1:${busy.address().port}`, token: "x" });
  assert.deepEqual(await client.rest("GET", "/once"), { here: true });
  for (const [method, path, times, retry_after_ms] of [
    ["GET", "/always", 3, 1_000],
    ["POST", "/once", 1, 1_000],
    ["GET", "/long", 1, 60_000],
  ]) {
    asked.length = 0;
    await assert.rejects(client.rest(method, path, method === "GET" ? undefined : {}), { code: "unavailable", status: 503, retry_after_ms });
    assert.equal(asked.length, times);
  }
  busy.closeAllConnections();
  await new Promise((resolve) => busy.close(resolve));
});

for (const [rooms, limit, ms] of [
  [300, null, 12_000],
  [40, "10/1s burst 10", 40_000],
]) {
  test(`${rooms} rooms come back, nothing is lost or doubled${limit ? ", where the hub takes less" : ""}`, async () => {
    const own = await Hub.start(...(limit ? ["--set", `limits.events_per_connection=${limit}`] : []));
    try {
      const [ana, rui] = [(await own.register("Ana")).access_token, (await own.register("Rui")).access_token];
      const ids = [];
      for (let i = 0; i < rooms; i++) ids.push((await own.rest(ana, "POST", "/api/v1/chat/rooms", { name: `Room ${i}`, kind: "public" })).id);
      const write = (id, text) => own.rest(ana, "POST", `/api/v1/chat/rooms/${id}/messages`, { content: { text }, client_message_id: text });
      let refused = 0;
      class Counted extends WebSocket {
        constructor(...it) {
          super(...it);
          this.addEventListener("message", ({ data }) => JSON.parse(data).error === "rate_limited" && refused++);
        }
      }
      const client = new Tertulia({ url: own.url, token: rui, WebSocket: Counted });
      const heard = new Map(ids.map((id) => [id, []]));
      client.on("message", ({ room, message, replayed }) => heard.get(room).push([message.seq, message.content.text, replayed]));
      client.connect();
      await soon(Promise.all(ids.map((id) => client.join(id, { afterSeq: 0 }))), ms);
      await own.kill();
      await own.run();
      await Promise.all(ids.map((id, i) => write(id, `missed ${i}`)));
      await until("all came back", () => [...heard.values()].every((it) => it.length === 1), ms);
      for (const [i, id] of ids.entries()) await write(id, `live ${i}`);
      await until("all hear what is new", () => [...heard.values()].every((it) => it.length === 2));
      for (const [i, id] of ids.entries()) {
        assert.deepEqual(heard.get(id).map(([seq, text]) => [seq, text]), [[1, `missed ${i}`], [2, `live ${i}`]]);
        assert.equal(heard.get(id)[1][2], false, "the second is live");
      }
      assert.ok([...heard.values()].some(([[, , replayed]]) => replayed), "what was missed is replayed");
      if (!limit) assert.equal(refused, 0, "nothing was too fast");
      client.close();
    } finally {
      await own.stop();
    }
  });
}
