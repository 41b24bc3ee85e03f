/** Two people, from registration to read marks. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

let hub, browser;
before(async () => {
  hub = await Hub.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

test("two people register, meet in a room, and see what the other has read", async () => {
  const ana = await Person.open(browser, hub);
  const rui = await Person.open(browser, hub);
  await ana.isAccessible("the entrance");
  await ana.register("Ana", { email: "ana@example.com", organization: "Home" });
  await ana.page.getByText("You are in no room yet.").waitFor();
  await ana.isAccessible("no rooms");
  await rui.register("Rui", { email: "rui@example.com" });

  await ana.createRoom("Kitchen");
  await ana.page.getByText("Nothing has been said here yet.").waitFor();
  await ana.write("Is anybody there?");
  await ana.ticks("Is anybody there?", "Stored");

  // An open room is there to be found.
  await rui.page.locator("header").getByRole("button", { name: "Find rooms" }).click();
  await rui.page.getByRole("button", { name: "Join Kitchen" }).waitFor();
  await rui.isAccessible("finding rooms");
  await rui.page.getByRole("button", { name: "Join Kitchen" }).click();
  await rui.sees("Is anybody there?");
  await ana.ticks("Is anybody there?", "Read");

  await rui.page.locator(".composer textarea").pressSequentially("Yes");
  await ana.page.getByText("Rui is typing…").waitFor();
  await rui.page.keyboard.press("Enter");
  await ana.sees("Yes");
  await ana.page.getByText("Rui is typing…").waitFor({ state: "detached" });
  await rui.ticks("Yes", "Read");
  await rui.isAccessible("a room");

  // What is not looked at is not read: it is counted.
  await rui.createRoom("Elsewhere");
  await ana.write("One");
  await ana.write("Two, @Rui");
  await rui.room("Kitchen").getByText("2 unread").waitFor();
  assert.match(await rui.page.title(), /^\(2\) /u);
  await ana.ticks("Two, @Rui", "Delivered");
  await rui.openRoom("Kitchen");
  await rui.page.getByText("New messages").waitFor();
  await ana.ticks("Two, @Rui", "Read");
  assert.doesNotMatch(await rui.page.title(), /^\(/u);
  assert.equal(await rui.page.locator("mark").textContent(), "@Rui");

  await rui.page.getByRole("button", { name: "Log out" }).click();
  await rui.page.getByLabel("Password").waitFor();
  await rui.page.getByLabel("E-mail").fill("rui@example.com");
  await rui.page.getByLabel("Password").fill("not the password");
  await rui.page.getByRole("button", { name: "Log in" }).click();
  await rui.page.getByRole("alert").getByText(/./u).waitFor();
  await rui.isAccessible("a login that failed");
  await rui.page.getByLabel("Password").fill("a long password");
  await rui.page.getByRole("button", { name: "Log in" }).click();
  await rui.openRoom("Kitchen");
  await rui.sees("Two, @Rui");

  await ana.leave();
  // A browser notes a refused login on its console, whatever the page does about it.
  await rui.leave({ expected: /status of 401/u });
});

test("a private room is for those who are added, and a direct one for two", async () => {
  const host = await Person.open(browser, hub, { login: await hub.register("Eva") });
  const guest = await Person.open(browser, hub, { login: await hub.register("Tom") });
  await host.createRoom("Surprise", "Private");
  await host.write("Not a word to Tom");
  await guest.page.getByText("You are in no room yet.").waitFor();
  assert.equal(await guest.page.getByText("Surprise").count(), 0);

  await host.page.getByRole("button", { name: "Members" }).click();
  await host.page.getByRole("button", { name: "Add people" }).click();
  await host.page.getByLabel("Search people").fill("tom");
  await host.page.getByRole("button", { name: "Add people Tom" }).click();
  await host.page.getByText("Added").waitFor();
  await host.isAccessible("adding people");
  // It appears for the guest without a reload.
  await guest.openRoom("Surprise");
  await guest.sees("Not a word to Tom");

  await host.page.getByRole("dialog").getByRole("button", { name: "Members" }).click();
  await host.page.getByLabel("Role: Tom").selectOption("moderator");
  await host.isAccessible("members");
  await host.page.getByRole("button", { name: "Mute: Tom" }).click();
  await host.page.getByRole("button", { name: "Let write again: Tom" }).waitFor();
  await guest.page.reload();
  await guest.page.getByText("You are muted in this room").waitFor();
  await host.page.getByRole("button", { name: "Remove from the room: Tom" }).click();
  await host.sure("Remove from the room");
  await guest.page.getByText("You are no longer in “Surprise”.").waitFor();
  assert.equal(await guest.room("Surprise").count(), 0);
  await host.page.keyboard.press("Escape");

  await guest.page.locator("header").getByRole("button", { name: "Write to somebody" }).click();
  await guest.page.getByRole("dialog").getByRole("button", { name: "Eva" }).click();
  await guest.page.getByRole("heading", { name: "Eva", level: 1 }).waitFor();
  await guest.write("Why was I put out?");
  await host.room("Tom").getByText("1 unread").waitFor();
  await host.openRoom("Tom");
  await guest.ticks("Why was I put out?", "Read");

  // The status that one chooses is the colour of one's dot.
  await host.page.getByLabel("Status").selectOption("busy");
  await guest.page.locator(".room-header").getByText("Busy").waitFor();
  await host.leave();
  await guest.page.locator(".room-header").getByText("Offline").waitFor({ timeout: 20_000 });
  await guest.leave();
});
