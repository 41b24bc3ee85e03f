/** What happens while an answer is on its way: what was done since then counts, not what was asked first. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import WebSocket from "ws";
import { Tertulia } from "../../static/sdk/tertulia.js";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

let hub, browser, ana, rui;
const clients = [];
const chat = (who, method, path, body) => hub.rest(who.access_token, method, `/api/v1/chat${path}`, body);
const room = (who, name, more) => chat(who, "POST", "/rooms", { name, kind: "private", ...more });
before(async () => {
  hub = await Hub.start();
  browser = await launch();
  [ana, rui] = [await hub.register("Ana"), await hub.register("Rui")];
});
after(async () => {
  for (const client of clients) client.close();
  await browser?.close();
  await hub?.stop();
});

/** Holds back the answers to what matches, which the hub gives at once. */
async function holding(person, url, { method = "GET", times } = {}) {
  let release, ask;
  const released = new Promise((resolve) => (release = resolve));
  const asked = new Promise((resolve) => (ask = resolve));
  const held = async (route) => {
    if (route.request().method() !== method) return route.fallback();
    const response = await route.fetch();
    ask();
    await released;
    return route.fulfill({ response });
  };
  await person.page.route(url, held, { times });
  return {
    asked,
    /** Lets them go, and waits until the page has made what it makes of them. */
    async release() {
      const arrived = person.page.waitForResponse((it) => url.test(it.url()) && it.request().method() === method);
      release();
      await (await arrived).finished();
      await person.page.waitForTimeout(100);
    },
  };
}

/** Opens the page with a clock that the test moves on, connected and with its list. */
async function withClock(options) {
  const person = await Person.open(browser, hub, options);
  await person.page.clock.install();
  await person.page.reload();
  await person.page.locator(".room-item").first().waitFor();
  await person.page.locator(".me .dot.online").waitFor();
  return person;
}

/** Somebody who is in a room without a page. */
async function inRoom(who, { id }) {
  const client = new Tertulia({ url: hub.url, token: who.access_token, WebSocket });
  clients.push(client);
  client.connect();
  await client.join(id);
  return client;
}

/** What passes until the list of rooms is read a second time. */
const UNTIL_THE_LIST_MS = 11_000;

test("a room that one enters while the list is read is not lost", async () => {
  await room(ana, "Old");
  const person = await withClock({ login: ana });
  const list = await holding(person, /filter=mine/u);
  await person.page.clock.runFor(UNTIL_THE_LIST_MS);
  await list.asked;
  await person.createRoom("Brand new");
  await list.release();
  assert.equal(await person.page.getByRole("heading", { name: "Brand new", level: 1 }).count(), 1);
  assert.equal(await person.room("Brand new").count(), 1);
  assert.deepEqual(await person.page.locator(".toasts p").allTextContents(), []);
  await person.leave();
});

test("the room that was asked for last is shown, however late another one comes", async () => {
  const open = (name) => chat(ana, "POST", "/rooms", { name, kind: "public" });
  const [one, two, quick] = [await open("Slow"), await open("Slower"), await room(rui, "Quick")];
  const nowhere = { id: "550e8400-e29b-41d4-a716-446655440000" };
  const person = await Person.open(browser, hub, { login: rui });
  await person.openRoom("Quick");
  const ways = [
    [one, () => person.openRoom("Quick")],
    [nowhere, () => person.openRoom("Quick")],
    [two, () => person.page.goBack()],
  ];
  for (const [{ id }, goes] of ways) {
    const late = await holding(person, /filter=public/u, { times: 1 });
    await person.page.evaluate((id) => (location.hash = id), id);
    await late.asked;
    await goes();
    await late.release();
    assert.equal(await person.page.getByRole("heading", { name: "Quick", level: 1 }).count(), 1);
    assert.ok(person.page.url().endsWith(quick.id));
  }
  await person.leave();
});

test("what is found is what is looked for now, however late the answer to the first letters comes", async () => {
  for (const name of ["Amber", "Abbey"]) await chat(ana, "POST", "/rooms", { name, kind: "public" });
  const person = await Person.open(browser, hub, { login: rui });
  const dialog = person.page.getByRole("dialog", { name: "Find rooms" });
  await person.page.locator("header").getByRole("button", { name: "Find rooms" }).click();
  const names = dialog.locator("li strong");
  await names.filter({ hasText: "Amber" }).waitFor();
  const first = await holding(person, /q=a$/u);
  await dialog.getByRole("searchbox").fill("a");
  await first.asked;
  await dialog.getByRole("searchbox").fill("ab");
  await names.filter({ hasText: "Amber" }).waitFor({ state: "detached" });
  await first.release();
  assert.deepEqual(await names.allTextContents(), ["Abbey"]);
  await person.leave();
});

test("what comes after a dialog was closed leaves alone what was opened since", async () => {
  await chat(ana, "POST", "/rooms", { name: "Garden", kind: "public" });
  const person = await Person.open(browser, hub, { login: rui });
  const { page } = person;
  const header = page.locator("header");
  const dialog = (name) => page.getByRole("dialog", { name });

  // A room that is made although one has thought better of it is there, and that is all.
  const made = await holding(person, /\/chat\/rooms$/u, { method: "POST" });
  await header.getByRole("button", { name: "New room" }).click();
  await dialog("New room").getByLabel("Name").fill("On second thoughts");
  await dialog("New room").getByRole("button", { name: "Create" }).click();
  await made.asked;
  await dialog("New room").getByRole("button", { name: "Cancel" }).click();
  await header.getByRole("button", { name: "New room" }).click();
  await dialog("New room").getByLabel("Name").fill("A better idea");
  await made.release();
  await person.room("On second thoughts").waitFor();
  await page.getByText("You are now in “On second thoughts”.").waitFor();
  assert.equal(await page.getByRole("heading", { level: 1, name: "On second thoughts" }).count(), 0);
  assert.equal(await dialog("New room").getByLabel("Name").inputValue(), "A better idea");
  await dialog("New room").getByRole("button", { name: "Cancel" }).click();

  const saved = await holding(person, /auth\/profile$/u, { method: "PUT" });
  await page.getByRole("button", { name: "Rui", exact: true }).click();
  await dialog("You").getByLabel("Name").fill("Rui Pedro");
  await dialog("You").getByRole("button", { name: "Save" }).click();
  await saved.asked;
  await dialog("You").getByRole("button", { name: "Cancel" }).click();
  await header.getByRole("button", { name: "Find rooms" }).click();
  await saved.release();
  await page.getByRole("button", { name: "Rui Pedro", exact: true, includeHidden: true }).waitFor();
  assert.equal(await dialog("Find rooms").count(), 1);

  // Who goes elsewhere while a room is being entered stays there.
  const entered = await holding(person, /\/members$/u, { method: "POST" });
  await dialog("Find rooms").getByRole("button", { name: "Join Garden" }).click();
  await entered.asked;
  await person.openRoom("On second thoughts");
  await entered.release();
  await page.getByText("You are now in “Garden”.").waitFor();
  assert.equal(await page.getByRole("heading", { level: 1, name: "On second thoughts" }).count(), 1);
  await person.leave();
});

test("who types again after a message is said to type as long as at first", async () => {
  const place = await room(ana, "Veranda", { members: [rui.user.id] });
  const person = await withClock({ login: ana, path: `/#${place.id}` });
  const client = await inRoom(rui, place);
  const isThere = async () => (await client.presence(place.id)).users.some((it) => it.user_id === ana.user.id);
  while (!(await isThere())) await person.page.waitForTimeout(50);
  await person.page.clock.pauseAt(await person.page.evaluate(() => Date.now() + 1_000));
  const notice = person.page.getByText("Rui is typing");
  client.typing(place.id, true);
  await notice.waitFor();
  await client.send(place.id, "the first half");
  await notice.waitFor({ state: "detached" });
  await person.page.clock.runFor(3_000);
  client.typing(place.id, true);
  await notice.waitFor();
  await person.page.clock.runFor(3_000);
  assert.equal(await notice.count(), 1, "five seconds are not over");
  await person.page.clock.runFor(3_000);
  assert.equal(await notice.count(), 0, "now they are");
  await person.leave();
});

test("the panel of members knows of a role that came later, and closed it leaves the counting to the room", async () => {
  const place = await chat(ana, "POST", "/rooms", { name: "Terrace", kind: "public" });
  const [caio, eva] = [await hub.register("Caio"), await hub.register("Eva")];
  for (const { user } of [rui, caio]) await chat(ana, "POST", `/rooms/${place.id}/members`, { user_id: user.id });
  await chat(ana, "PUT", `/rooms/${place.id}/members/${caio.user.id}`, { banned: true });
  const [owner, member] = [await withClock({ login: ana, path: `/#${place.id}` }), await withClock({ login: rui, path: `/#${place.id}` })];
  for (const { page } of [owner, member]) {
    await page.getByRole("button", { name: "Members" }).click();
    await page.getByRole("dialog").getByText("Ana").first().waitFor();
  }
  await chat(ana, "PUT", `/rooms/${place.id}/members/${rui.user.id}`, { role: "moderator" });
  for (const { page } of [owner, member]) {
    const list = page.waitForResponse(/filter=mine/u);
    await page.clock.runFor(UNTIL_THE_LIST_MS);
    await list;
  }
  await member.page.getByRole("button", { name: "Let in again Caio" }).waitFor();

  await owner.page.getByRole("button", { name: "Close" }).click();
  const count = (text) => owner.page.locator(".room-header").getByText(text).waitFor();
  await count("2 members");
  await chat(eva, "POST", `/rooms/${place.id}/members`, { user_id: eva.user.id });
  await inRoom(eva, place);
  await count("3 members");
  for (const person of [owner, member]) await person.leave();
});
