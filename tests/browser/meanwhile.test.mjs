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
