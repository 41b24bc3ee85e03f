/** The hub is killed and started again while two people write: nothing is lost, nothing is there twice. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

const LINES = 60;
/** A page tries again at random moments, further and further apart: by then it is surely back, in milliseconds. */
const BACK_MS = 60_000;
/** A browser says on its console that a connection was refused; a page cannot keep it from that. */
const REFUSED = /ERR_CONNECTION|WebSocket connection to|net::ERR|status of 50/u;

let hub, browser;
before(async () => {
  hub = await Hub.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

test("two people write while the hub is killed twice", async () => {
  const [ana, rui] = [await hub.register("Ana"), await hub.register("Rui")];
  const room = await hub.rest(ana.access_token, "POST", "/api/v1/chat/rooms", { name: "Storm", kind: "private", members: [rui.user.id] });
  const people = await Promise.all([ana, rui].map((login) => Person.open(browser, hub, { login, path: `/#${room.id}` })));
  const [first, second] = people;
  await Promise.all(people.map(({ page }) => page.getByText("Nothing has been said here yet.").waitFor()));

  const write = async (person, name) => {
    for (let i = 1; i <= LINES; i++) {
      await person.write(`${name} ${i}.`);
      await person.page.waitForTimeout(60);
    }
  };
  const crash = async () => {
    for (let i = 0; i < 2; i++) {
      await first.page.waitForTimeout(1_200);
      await hub.kill();
      await first.page.waitForTimeout(700);
      await hub.run();
    }
  };
  await Promise.all([write(first, "ana"), write(second, "rui"), crash()]);

  // One more each, when all is well again: what was written before stands before it.
  for (const { page } of people) await page.locator("article.pending").first().waitFor({ state: "detached", timeout: BACK_MS });
  await first.write("ana is done.");
  await second.write("rui is done.");
  for (const person of people) {
    await person.sees("ana is done.");
    await person.sees("rui is done.");
    await person.page.locator("article.pending").first().waitFor({ state: "detached" });
  }

  const history = await hub.rest(ana.access_token, "GET", `/api/v1/chat/rooms/${room.id}/messages?after=0&limit=200`);
  const stored = history.items.map((message) => message.content.text);
  assert.equal(stored.length, 2 * LINES + 2, "each is stored once");
  for (const name of ["ana", "rui"]) {
    const own = stored.filter((text) => text.startsWith(`${name} `));
    assert.deepEqual(own.slice(0, LINES), Array.from({ length: LINES }, (_, i) => `${name} ${i + 1}.`), "in the order in which it was written");
  }
  for (const person of people) assert.deepEqual(await person.texts(), stored, "the page shows what is stored");

  // What was written while there was no hub, and before the window was closed, is sent by the next one.
  await hub.kill();
  await second.write("said to nobody.");
  await second.page.getByRole("img", { name: "Sending" }).waitFor();
  const window = await second.context.newPage();
  await second.page.close();
  await hub.run();
  await window.goto(`${hub.url}/#${room.id}`);
  await window.locator("article.message", { hasText: "said to nobody." }).waitFor();
  await first.sees("said to nobody.", BACK_MS);
  assert.equal(await first.message("said to nobody.").count(), 1);

  for (const person of people) await person.leave({ expected: REFUSED });
});

test("without a connection the page says so, and what happened meanwhile is there afterwards", async () => {
  const [ana, rui] = [await hub.register("Eva"), await hub.register("Tom")];
  const room = await hub.rest(ana.access_token, "POST", "/api/v1/chat/rooms", { name: "Tunnel", kind: "private", members: [rui.user.id] });
  const eva = await Person.open(browser, hub, { login: ana, path: `/#${room.id}` });
  await eva.write("before the tunnel");
  await eva.ticks("before the tunnel", "Stored");
  const { items } = await hub.rest(rui.access_token, "GET", `/api/v1/chat/rooms/${room.id}/messages`);

  await hub.kill();
  await eva.page.getByText(/No connection\./u).waitFor();
  await eva.isAccessible("no connection");
  await hub.run();
  // Said and changed by somebody else before this page is back.
  await Promise.all([
    hub.rest(rui.access_token, "POST", `/api/v1/chat/rooms/${room.id}/messages`, { content: "from outside" }),
    hub.rest(rui.access_token, "PUT", `/api/v1/chat/messages/${items[0].id}/reactions/${encodeURIComponent("👍")}`),
  ]);
  await eva.sees("from outside", BACK_MS);
  await eva.message("before the tunnel").getByRole("button", { name: "👍: 1" }).waitFor();
  await eva.page.getByText(/No connection\./u).waitFor({ state: "detached" });
  assert.deepEqual(await eva.texts(), ["before the tunnel", "from outside"]);
  await eva.leave({ expected: REFUSED });
});
