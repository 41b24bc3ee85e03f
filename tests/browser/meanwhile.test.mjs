/** What happens while an answer is on its way: what was done since then counts, not what was asked first. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

let hub, browser, ana, rui;
const chat = (who, method, path, body) => hub.rest(who.access_token, method, `/api/v1/chat${path}`, body);
const room = (who, name, more) => chat(who, "POST", "/rooms", { name, kind: "private", ...more });
before(async () => {
  hub = await Hub.start();
  browser = await launch();
  [ana, rui] = [await hub.register("Ana"), await hub.register("Rui")];
});
after(async () => {
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

test("a room that one enters while the list is read is not lost", async () => {
  await room(ana, "Old");
  const person = await Person.open(browser, hub, { login: ana });
  await person.page.clock.install();
  await person.page.reload();
  await person.room("Old").waitFor();
  await person.page.locator(".me .dot.online").waitFor();
  const list = await holding(person, /filter=mine/u);
  await person.page.clock.runFor(11_000); // then the list is read a second time
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
