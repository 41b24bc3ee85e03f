/** The client's own bundle in a browser, on pages of other origins than the hub's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { afterEach } from "node:test";
import { chromium } from "playwright-core";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, people } from "./support/hub.mjs";
import { until } from "./support/journal.mjs";
import { browserPath } from "./support/places.mjs";
import { Proxy } from "./support/proxy.mjs";
import { ids } from "./support/scene.mjs";

const BUNDLE = readFileSync(new URL("node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));
const PAGE = '<!doctype html><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,"><script src="/socket.io.min.js"></script>';

/** A place for pages, with an origin of its own. */
async function site() {
  const server = createServer(({ url }, response) => {
    const isBundle = url === "/socket.io.min.js";
    response.writeHead(200, { "Content-Type": isBundle ? "text/javascript" : "text/html" });
    response.end(isBundle ? BUNDLE : PAGE);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))) };
}

let hub, browser, allowed, forbidden, context;
before(async () => {
  [allowed, forbidden] = [await site(), await site()];
  hub = await Hub.start("--allowed-origin", allowed.origin);
  browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
});
afterEach(async () => {
  closeAll();
  await context?.close();
});
after(async () => {
  await browser?.close();
  await Promise.all([allowed?.close(), forbidden?.close()]);
  await hub?.stop();
});

/** A page there that has a socket, and remembers what it hears. */
async function visit({ origin }, person, { from = hub, ...options } = {}) {
  context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(origin);
  await page.evaluate(
    ([url, token, more]) => {
      window.heard = [];
      window.socket = io(url, { auth: { token }, reconnectionDelay: 50, reconnectionDelayMax: 200, ...more });
      socket.on("connect", () => heard.push(["#connect", Boolean(socket.recovered)]));
      socket.on("disconnect", (reason) => heard.push(["#disconnect", reason]));
      socket.on("connect_error", ({ message, data }) => heard.push(["#connect_error", message, data?.code]));
      socket.onAny((event, data) => heard.push([event, data]));
    },
    [from.url, person.token(), options],
  );
  return page;
}

/** Waits for the `nth` such event. */
async function hears(page, event, nth = 1) {
  await page.waitForFunction(([event, nth]) => heard.filter(([it]) => it === event).length >= nth, [event, nth]);
  return page.evaluate(([event, nth]) => heard.filter(([it]) => it === event)[nth - 1].slice(1), [event, nth]);
}

const ask = (page, event, payload) => page.evaluate(([event, payload]) => socket.timeout(10_000).emitWithAck(event, payload), [event, payload]);

for (const withCredentials of [false, true]) {
  test(`a page of an allowed origin talks, from polling to WebSocket${withCredentials ? ", with credentials" : ""}`, async () => {
    const [ana, rui] = people("Ana", "Rui");
    const room = await hub.room(ana);
    const page = await visit(allowed, ana, { withCredentials });
    assert.equal((await hears(page, "connected"))[0].user_id, ana.id);
    await page.waitForFunction(() => socket.io.engine.transport.name === "websocket");
    const polls = await page.evaluate(() => performance.getEntriesByType("resource").filter((it) => it.name.includes("transport=polling")).length);
    assert.ok(polls >= 2, "it began by polling");
    const other = await Client.open(hub, rui);
    await other.joins(room);
    assert.equal((await ask(page, "join_conversation", { conversation_id: room })).conversation_id, room);
    const mine = await ask(page, "send_message", { conversation_id: room, text: "from a page" });
    assert.equal((await other.hears("message:new")).id, mine.id);
    assert.equal((await hears(page, "message:new"))[0].id, mine.id);
    const theirs = await other.does("send_message", { conversation_id: room, text: "to a page" });
    assert.equal((await hears(page, "message:new", 2))[0].id, theirs.id);
  });
}

test("a page that only polls talks, too", async () => {
  const [ana] = people("Ana");
  const room = await hub.room(ana);
  const page = await visit(allowed, ana, { transports: ["polling"] });
  await hears(page, "connected");
  await ask(page, "join_room", { room_id: room });
  for (let i = 1; i <= 5; i++) {
    const { id } = await hub.send(ana, room, `message ${i} ${"ã".repeat(1_000)}`);
    assert.equal((await hears(page, "message_received", i))[0].id, id);
  }
});

for (const transports of [["polling", "websocket"], ["websocket"], ["polling"]]) {
  test(`a page that goes offline and comes back has missed nothing (${transports})`, async () => {
    const [ana, rui] = people("Ana", "Rui");
    const room = await hub.room(ana);
    const page = await visit(allowed, ana, { transports });
    await hears(page, "connected");
    await page.waitForFunction((name) => socket.io.engine.transport.name === name, transports.at(-1));
    await ask(page, "join_conversation", { conversation_id: room });
    const witness = await Client.open(hub, rui);
    await witness.joins(room);
    let said = 0;
    for (let round = 1; round <= 3; round++) {
      await hub.send(rui, room, `live ${round}`);
      await hears(page, "message:new", ++said);
      await context.setOffline(true);
      await hears(page, "#disconnect", round);
      for (let i = 0; i < 20; i++, said++) await hub.send(rui, room, `missed ${round}.${i}`);
      await context.setOffline(false);
      assert.deepEqual(await hears(page, "#connect", round + 1), [true], `recovered, round ${round}`);
      await hears(page, "message:new", said);
    }
    const stored = (await hub.history(rui, room)).map((it) => it.id);
    assert.deepEqual(await page.evaluate(() => heard.filter(([event]) => event === "message:new").map(([, it]) => it.id)), stored);
    assert.deepEqual(ids(witness, room), stored);
  });

  test(`a page of an origin that is not allowed gets nowhere (${transports})`, async () => {
    const [ana] = people("Ana");
    const page = await visit(forbidden, ana, { transports, reconnection: false });
    const [message] = await hears(page, "#connect_error");
    assert.match(message, /xhr poll error|websocket error/u);
    assert.equal(await page.evaluate(() => socket.connected), false);
    assert.deepEqual(await page.evaluate(() => heard.map(([event]) => event)), ["#connect_error"]);
  });
}

test("the answer of a poll that never arrives is not lost, although browsers ask again by themselves", async () => {
  const [ana] = people("Ana");
  const room = await hub.room(ana);
  const proxy = await Proxy.to(hub);
  try {
    const page = await visit(allowed, ana, { from: proxy, transports: ["polling"] });
    await hears(page, "connected");
    await ask(page, "join_conversation", { conversation_id: room });
    for (let i = 1; i <= 6; i++) {
      if (i % 2 === 0) proxy.swallow();
      await hub.send(ana, room, `message ${i}`);
      if (i % 2 === 0) await until("an answer is swallowed", () => proxy.cuts === i / 2);
      else await hears(page, "message:new", i);
    }
    await hears(page, "message:new", 6);
    const stored = (await hub.history(ana, room)).map((it) => it.id);
    assert.deepEqual(await page.evaluate(() => heard.filter(([event]) => event === "message:new").map(([, it]) => it.id)), stored);
  } finally {
    await context.close();
    await proxy.close();
  }
});

test("what a forbidden page is answered tells it nothing, and a forged preflight neither", async () => {
  const path = `${hub.url}/socket.io/?EIO=4&transport=polling`;
  const refused = await fetch(path, { headers: { Origin: forbidden.origin } });
  assert.equal(refused.status, 403);
  assert.deepEqual((await refused.json()).code, 4);
  assert.equal(refused.headers.get("access-control-allow-origin"), null);
  const preflight = { Origin: forbidden.origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" };
  assert.equal((await fetch(path, { method: "OPTIONS", headers: preflight })).headers.get("access-control-allow-origin"), null);
  const welcome = await fetch(path, { headers: { Origin: allowed.origin } });
  assert.deepEqual([welcome.status, welcome.headers.get("access-control-allow-origin"), welcome.headers.get("access-control-allow-credentials")], [200, allowed.origin, "true"]);
});
