/** What the page shows holds: no gap after joining, counts that are right after a loss, marks for what was seen, and a place kept. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

let hub, browser, ana, rui;
const chat = (who, method, path, body) => hub.rest(who.access_token, method, `/api/v1/chat${path}`, body);
const say = (who, room, content) => chat(who, "POST", `/rooms/${room.id}/messages`, { content });
before(async () => {
  hub = await Hub.start();
  browser = await launch();
  [ana, rui] = [await hub.register("Ana"), await hub.register("Rui")];
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

const offline = (person, is) => person.context.setOffline(is);
const lost = /ERR_|WebSocket|Failed to load/u;

test("whoever joins from inside a room misses nothing that was said meanwhile", async () => {
  const room = await chat(ana, "POST", "/rooms", { name: "Harbour", kind: "public" });
  for (const n of [1, 2, 3]) await say(ana, room, `word ${n}`);
  const person = await Person.open(browser, hub, { login: rui, path: `/#${room.id}` });
  await person.sees("word 3");
  for (const n of [4, 5, 6]) await say(ana, room, `word ${n}`);
  await person.page.getByRole("button", { name: "Join" }).click();
  await person.page.locator(".composer textarea").waitFor();
  await say(ana, room, "word 7");
  await person.sees("word 7");
  assert.deepEqual(await person.texts(), [1, 2, 3, 4, 5, 6, 7].map((n) => `word ${n}`));
  await person.leave();
});

test("what is unread is counted once, also when the connection comes back", async () => {
  const room = await chat(ana, "POST", "/rooms", { name: "Quay", kind: "private", members: [rui.user.id] });
  const person = await Person.open(browser, hub, { login: rui });
  await say(ana, room, "one");
  await person.room("Quay").getByText("1 unread").waitFor();
  for (let round = 1; round <= 2; round++) {
    await hub.kill();
    await person.page.getByText(/No connection/u).waitFor();
    await hub.run();
    await say(ana, room, `again ${round}`);
    await person.room("Quay").getByText(`${round + 1} unread`).waitFor({ timeout: 30_000 });
    await person.page.waitForTimeout(500);
    assert.equal(await person.room("Quay").locator(".badge .hidden").textContent(), `${round + 1} unread`);
  }
  await person.leave({ expected: lost });
});

test("a hub that is asked too often is asked again, and what is shown stays", async () => {
  const person = await Person.open(browser, hub, { login: rui });
  await person.room("Quay").waitFor();
  let refused = 0; // the client tries three times before it says anything
  await person.context.route(/messages\?/u, (route) =>
    refused++ >= 3 ? route.continue() : route.fulfill({ status: 429, headers: { "Retry-After": "1" }, contentType: "application/problem+json", body: '{"status":429,"code":"rate_limited","detail":"Too many requests"}' }),
  );
  await person.room("Quay").click();
  await person.page.getByText("Too many requests at once").waitFor();
  await person.sees("one");
  assert.ok(refused >= 4);
  await person.leave({ expected: /status of 429/u });
});

test("the focus is where one writes once a dialog has led to a room", async () => {
  const person = await Person.open(browser, hub, { login: ana });
  await person.room("Quay").waitFor();
  await person.createRoom("Lighthouse");
  const writes = () => person.page.waitForFunction(() => document.activeElement?.matches(".composer textarea"));
  await writes();
  await person.page.locator("header").getByRole("button", { name: "Write to somebody" }).click();
  await person.page.getByRole("dialog").getByRole("button", { name: "Rui" }).click();
  await person.page.getByRole("heading", { name: "Rui", level: 1 }).waitFor();
  await writes();
  await person.page.waitForTimeout(300);
  await writes();
  // What is empty is not shown to the other one, until something is said.
  const other = await Person.open(browser, hub, { login: rui });
  await other.room("Quay").waitFor();
  assert.equal(await other.room("Ana").count(), 0);
  await person.write("A word");
  await other.room("Ana").waitFor();

  // An emoji goes where the caret is, and the caret behind it.
  const area = person.page.locator(".composer textarea");
  await area.fill("ab");
  await area.press("ArrowLeft");
  await person.page.locator(".composer").getByRole("button", { name: "Emoji" }).click();
  await person.page.keyboard.press("Escape");
  await writes();
  await person.page.locator(".composer").getByRole("button", { name: "Emoji" }).click();
  await person.page.getByRole("button", { name: "🎉" }).click();
  await person.page.keyboard.type("c");
  assert.equal(await area.inputValue(), "a🎉cb");
  await area.fill("");
  await other.leave();
  await person.leave();
});

test("a room is made once, however often one clicks, and one writes in it before its history is here", async () => {
  const person = await Person.open(browser, hub, { login: ana });
  const { page, context } = person;
  let release;
  const late = new Promise((resolve) => (release = resolve));
  await context.route(/\/messages\?/u, (route) => late.then(() => route.continue()));
  await context.route(/\/chat\/rooms$/u, (route) => setTimeout(() => route.continue(), 300));
  await page.locator("header").getByRole("button", { name: "New room" }).click();
  const dialog = page.getByRole("dialog", { name: "New room" });
  await dialog.getByLabel("Name").fill("Pier");
  await dialog.getByRole("button", { name: "Create" }).dblclick();
  await dialog.getByLabel("Name").press("Enter");
  await page.getByRole("heading", { name: "Pier", level: 1 }).waitFor();
  assert.equal(await dialog.count(), 0, "nothing stands before the room");
  await person.write("first on the pier");
  await person.ticks("first on the pier", "Stored");
  release();
  await page.getByText("This is where the room begins.").waitFor();
  assert.deepEqual(await person.texts(), ["first on the pier"]);
  const { items } = await chat(ana, "GET", "/rooms?filter=mine&q=Pier");
  assert.equal(items.filter((room) => room.name === "Pier").length, 1);
  await person.leave();
});

test("many unread messages are there from the first, and only what was seen is read", async () => {
  const room = await chat(ana, "POST", "/rooms", { name: "Archive of letters", kind: "private", members: [rui.user.id] });
  await say(ana, room, "letter 0");
  await chat(rui, "PUT", `/rooms/${room.id}/read`, { up_to_seq: 1 });
  for (let i = 1; i <= 420; i++) await say(ana, room, `letter ${i}`);
  const person = await Person.open(browser, hub, { login: rui });
  await person.openRoom("Archive of letters");
  await person.page.getByText("New messages").waitFor();
  await person.message("letter 1").first().waitFor();
  await person.page.waitForTimeout(500);
  const { unread } = await chat(rui, "GET", `/rooms/${room.id}`);
  assert.ok(unread > 350 && unread < 420, `${unread} are unread still`);

  // Elsewhere and back: the reader's place is kept.
  const log = person.page.getByRole("log");
  await log.evaluate((log) => (log.scrollTop += 900));
  await person.page.waitForTimeout(300);
  const top = () => log.evaluate((log) => [...log.querySelectorAll("article")].find((it) => it.getBoundingClientRect().bottom > log.getBoundingClientRect().top).dataset.seq);
  const was = await top();
  await person.openRoom("Quay");
  await person.openRoom("Archive of letters");
  await person.page.waitForTimeout(300);
  assert.equal(await top(), was);
  await person.leave();
});

test("what is done without a connection is seen at once, and done later", async () => {
  const room = await chat(ana, "POST", "/rooms", { name: "Island", kind: "private", members: [rui.user.id] });
  const message = await say(ana, room, "before the storm");
  const person = await Person.open(browser, hub, { login: ana, path: `/#${room.id}` });
  await person.ticks("before the storm", "Stored");
  await hub.kill();
  await person.page.getByText(/No connection/u).waitFor();
  await person.act("before the storm", "React");
  await person.page.getByRole("group", { name: "Choose an emoji" }).getByRole("button", { name: "🔥" }).click();
  await person.message("before the storm").getByRole("button", { name: "🔥: 1" }).waitFor();
  await person.act("before the storm", "Edit");
  await person.page.waitForFunction(() => document.querySelector(".composer textarea").value === "before the storm");
  await person.write("after the storm");
  await person.ticks("after the storm", "Sending");
  await hub.run();
  await person.message("after the storm").getByRole("img", { name: "Stored" }).waitFor({ timeout: 30_000 });
  const stored = await chat(ana, "GET", `/messages/${message.id}`);
  assert.equal(stored.content.text, "after the storm");
  assert.equal(stored.reactions[0].count, 1);
  await person.leave({ expected: lost });
});

test("a room that one may not see is said to be so, and the room's owner can change it", async () => {
  const room = await chat(ana, "POST", "/rooms", { name: "Study", kind: "private" });
  const person = await Person.open(browser, hub, { login: rui, path: `/#${room.id}` });
  await person.page.getByText("This room is not there, or it is not open to you.").waitFor();

  const host = await Person.open(browser, hub, { login: ana, path: `/#${room.id}` });
  await host.page.locator(".room-header").getByText("1 member", { exact: false }).waitFor();
  await host.page.getByRole("button", { name: "Members" }).click();
  await host.page.getByRole("button", { name: "Rename" }).click();
  await host.page.getByRole("dialog").getByLabel("Name").fill("Library");
  await host.page.getByRole("button", { name: "Save" }).click();
  await host.page.locator(".room-header h1", { hasText: "Library" }).waitFor();
  await chat(ana, "POST", `/rooms/${room.id}/members`, { user_id: rui.user.id });
  await person.page.getByText("You are now in “Library”.").waitFor();
  // The panel is open: it shows who came.
  await host.page.getByRole("button", { name: "Ban: Rui" }).click();
  await host.isAccessible("asking whether one is sure");
  await host.sure("Ban");
  await host.page.getByRole("button", { name: "Let in again Rui" }).waitFor();
  await host.isAccessible("members, with one who is banned");
  await host.page.getByRole("button", { name: "Archive", exact: true }).click();
  await host.sure("Archive");
  await host.page.getByRole("button", { name: "Open again" }).waitFor();
  await host.page.getByRole("button", { name: "Close" }).click();
  await host.page.getByText("This room is archived").waitFor();

  await host.page.getByRole("button", { name: "Ana", exact: true }).click();
  await host.page.getByRole("button", { name: "Invite somebody" }).click();
  assert.match(await host.page.getByLabel("Invitation").inputValue(), /\?invite=./u);
  await host.isAccessible("oneself");
  await host.page.getByRole("dialog").getByLabel("Name").fill("Ana Maria");
  await host.page.getByRole("button", { name: "Save" }).click();
  await host.page.getByRole("button", { name: "Ana Maria" }).waitFor();
  // One's status is the same in all of one's windows.
  const second = await host.context.newPage();
  await second.goto(hub.url);
  await second.getByLabel("Status").selectOption("busy");
  await host.page.waitForFunction(() => document.querySelector(".me select").value === "busy");
  await host.leave();
  await person.leave();
});
