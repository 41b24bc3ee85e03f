/** Logins over several windows: one renews for all, one that ends ends everywhere, and what cannot be mended is said. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

let hub, browser;
before(async () => {
  hub = await Hub.start("--set", "limits.max_connections_per_user=3");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

const pair = (page) => page.evaluate(() => JSON.parse(localStorage.getItem("tertulia.login")));
/** As if the access token were about to end. */
const age = (page) =>
  page.evaluate(() => {
    const it = JSON.parse(localStorage.getItem("tertulia.login"));
    localStorage.setItem("tertulia.login", JSON.stringify({ ...it, expires_at: Date.now() + 1_000 }));
  });
const ask = (page) =>
  page.evaluate(async () => {
    const { Login, Tertulia } = await import("/sdk/tertulia.js");
    return (await new Tertulia({ login: new Login() }).rest("GET", "/api/v1/auth/profile")).name;
  });

test("several windows renew one login, and none uses a refresh token twice", async () => {
  const login = await hub.register("Ana");
  const person = await Person.open(browser, hub, { login });
  const windows = [person.page, await person.context.newPage(), await person.context.newPage()];
  for (const page of windows) {
    await page.goto(hub.url);
    await page.getByText("You are in no room yet.").waitFor();
  }
  for (let round = 0; round < 6; round++) {
    const before = await pair(person.page);
    await age(person.page);
    const names = await Promise.all(windows.flatMap((page) => [ask(page), ask(page)]));
    assert.deepEqual(new Set(names), new Set(["Ana"]));
    const now = await pair(person.page);
    assert.notEqual(now.refresh_token, before.refresh_token, "it was renewed");
  }
  const { items } = await hub.rest((await pair(person.page)).access_token, "GET", "/api/v1/auth/sessions");
  assert.equal(items.length, 1, "the login session is there still");

  // Who logs out of one window is out of all, and leaves nothing behind but how the page looks.
  await windows[1].evaluate(() => localStorage.setItem("tertulia.theme", "dark"));
  await windows[1].evaluate(() => localStorage.setItem("tertulia.draft.somebody.somewhere", "half a thought"));
  await windows[1].getByRole("button", { name: "Log out" }).click();
  for (const page of windows) await page.getByLabel("Password").waitFor();
  assert.deepEqual(await windows[1].evaluate(() => Object.keys(localStorage)), ["tertulia.theme"]);
  await person.leave();
});

test("a login that is ended from elsewhere leads back to the entrance", async () => {
  const login = await hub.register("Rui");
  const person = await Person.open(browser, hub, { login });
  await person.page.getByText("You are in no room yet.").waitFor();
  await hub.rest(login.access_token, "POST", "/api/v1/auth/logout");
  await person.page.getByText("You have been logged out.").waitFor();
  await person.isAccessible("the entrance, with a reason");
  // The browser notes that the token is refused.
  await person.leave({ expected: /status of 40[0-9]|WebSocket/u });
});

test("who has too many windows open is told in the one that had to make way", async () => {
  const login = await hub.register("Eva");
  const person = await Person.open(browser, hub, { login });
  await person.page.getByText("You are in no room yet.").waitFor();
  for (let i = 0; i < 3; i++) {
    const page = await person.context.newPage();
    await page.goto(hub.url);
    await page.getByText("You are in no room yet.").waitFor();
  }
  await person.page.getByText("Too many of your windows are connected").waitFor();
  await person.leave();
});

test("an invitation and a set-up link lead to registering", async () => {
  const person = await Person.open(browser, hub, { path: "/?invite=not-a-real-one" });
  await person.page.getByText("You have been invited").waitFor();
  await person.page.getByLabel("Name", { exact: true }).fill("Tom");
  await person.page.getByLabel("E-mail").fill("ana@example.com");
  await person.page.getByLabel("Password").fill("a long password");
  await person.page.getByRole("button", { name: "Register", exact: true }).click();
  await person.page.getByRole("alert").getByText(/./u).waitFor();
  await person.isAccessible("registering, refused");
  await person.leave({ expected: /status of 4/u });
});
