/** What can be done with messages, as the other sees it; and what people write, shown as they wrote it. */
import assert from "node:assert/strict";
import { after, before, test } from "./support/limits.mjs";
import { Hub } from "./support/hub.mjs";
import { Person, launch } from "./support/people.mjs";

let hub, browser, ana, rui;
before(async () => {
  hub = await Hub.start();
  browser = await launch();
  const [first, second] = [await hub.register("Ana"), await hub.register("Rui")];
  const room = await hub.rest(first.access_token, "POST", "/api/v1/chat/rooms", { name: "Studio", kind: "private", members: [second.user.id] });
  for (let i = 1; i <= 130; i++) await hub.rest(first.access_token, "POST", `/api/v1/chat/rooms/${room.id}/messages`, { content: `line ${i} of many` });
  ana = await Person.open(browser, hub, { login: first });
  rui = await Person.open(browser, hub, { login: second });
  await Promise.all([ana.openRoom("Studio"), rui.openRoom("Studio")]);
});
after(async () => {
  await browser?.close();
  await hub?.stop();
});

test("history loads as one scrolls up, and keeps its place", async () => {
  await ana.sees("line 130 of many");
  assert.equal(await ana.message("line 20 of many").count(), 0);
  const log = ana.page.getByRole("log");
  const before = await ana.messages.count();
  const { jumped, texts } = await log.evaluate(async (log) => {
    const frame = () => new Promise(requestAnimationFrame);
    const first = log.querySelector("article");
    const { seq } = first.dataset;
    log.scrollTop = 0;
    await frame();
    const was = document.getElementById(`m${seq}`).getBoundingClientRect().top;
    for (let frames = 0; log.querySelector("article").dataset.seq === seq; frames++) {
      if (frames > 1_000) throw new Error("nothing older is loaded");
      await frame();
    }
    await frame();
    const now = document.getElementById(`m${seq}`).getBoundingClientRect().top;
    return { jumped: Math.abs(now - was), texts: log.querySelectorAll("article").length };
  });
  assert.ok(texts > before, `${texts} messages after ${before}`);
  assert.ok(jumped <= 2, `what was on top moved by ${jumped} pixels`);
  await ana.page.getByRole("button", { name: "Jump to the latest message" }).click();
  await ana.message("line 130 of many").waitFor();
  assert.ok(await ana.message("line 130 of many").isVisible());
});

test("who reads further up is not moved, and is told what came", async () => {
  // There is much that Rui has not read: the room opens where that begins.
  await rui.page.getByText("New messages").waitFor();
  await rui.page.getByRole("button", { name: "Jump to the latest message" }).click();
  await ana.ticks("line 130 of many", "Read");
  await rui.page.getByRole("log").evaluate((log) => (log.scrollTop = log.scrollHeight / 2));
  await rui.page.getByRole("button", { name: "Jump to the latest message" }).waitFor();
  await rui.page.waitForTimeout(300); // what is older may come in
  const top = await rui.page.getByRole("log").evaluate((log) => log.scrollTop);
  await ana.write("for the one who reads above");
  await rui.page.getByRole("button", { name: "Jump to the latest message" }).getByText("1 new", { exact: true }).waitFor();
  assert.equal(await rui.page.getByRole("log").evaluate((log) => log.scrollTop), top);
  await rui.page.getByRole("button", { name: "Jump to the latest message" }).click();
  await rui.sees("for the one who reads above");
  await ana.ticks("for the one who reads above", "Read");
});

test("what is drawn in the moment in which one scrolls up does not take one back", async () => {
  await ana.page.getByRole("button", { name: "Jump to the latest message" }).waitFor({ state: "hidden" });
  const moved = await ana.page.getByRole("log").evaluate(async (log) => {
    const bottom = log.scrollTop;
    log.scrollTop = bottom - 400;
    log.querySelector("article:last-of-type button[aria-label=Reply]").click(); // is drawn before the event of the scrolling comes
    for (let frames = 0; frames < 5; frames++) await new Promise(requestAnimationFrame);
    return bottom - log.scrollTop;
  });
  assert.ok(moved > 300, `${moved} pixels above the end`);
  await ana.page.keyboard.press("Escape");
  await ana.page.getByRole("button", { name: "Jump to the latest message" }).click();
});

test("a message is edited, answered, given an emoji and deleted, and the other sees it", async () => {
  await ana.write("The first version");
  await rui.sees("The first version");
  // The arrow up in an empty line edits what one said last.
  await ana.page.locator(".composer textarea").press("ArrowUp");
  await ana.page.getByText("Editing your message").waitFor();
  await ana.write("The second version");
  await rui.sees("The second version");
  await rui.message("The second version").getByText("edited").waitFor();
  assert.equal(await rui.message("The first version").count(), 0);

  await rui.act("The second version", "Reply");
  await rui.write("That is better");
  await ana.sees("That is better");
  const quote = ana.message("That is better").locator(".quote");
  assert.match(await quote.textContent(), /You.*The second version/su);
  await quote.click();
  await ana.page.locator("article:focus", { hasText: "The second version" }).waitFor();

  await rui.act("The second version", "React");
  await rui.isAccessible("choosing an emoji");
  await rui.page.getByRole("group", { name: "Choose an emoji" }).getByRole("button", { name: "🎉" }).click();
  const party = ana.message("The second version").first().getByRole("button", { name: "🎉: 1" });
  await party.waitFor();
  await party.click();
  await rui.message("The second version").first().getByRole("button", { name: "🎉: 2" }).waitFor();
  await rui.message("The second version").first().getByRole("button", { name: "🎉: 2" }).click();
  await ana.message("The second version").first().getByRole("button", { name: "🎉: 1" }).waitFor();

  await ana.write("Something that I regret");
  await rui.sees("Something that I regret");
  await ana.act("Something that I regret", "Delete");
  await ana.sure("Delete");
  await rui.message("This message was deleted").waitFor();
  assert.equal(await rui.message("Something that I regret").count(), 0);
  assert.equal(await ana.message("Something that I regret").count(), 0);
  await ana.isAccessible("messages that were changed");
});

test("a draft outlives what is edited meanwhile, whatever ends the edit", async () => {
  const area = ana.page.locator(".composer textarea");
  const holds = (text) => ana.page.waitForFunction((text) => document.querySelector(".composer textarea").value === text, text);
  const edits = async (...texts) => {
    for (const text of texts) await ana.act(text, "Edit").then(() => holds(text));
  };
  for (const text of ["An oak", "An elm"]) await ana.write(text);
  for (const text of ["An oak", "An elm"]) await ana.ticks(text, "Read");
  await area.fill("not yet said");
  await edits("An oak", "An elm");
  await area.press("Escape");
  await holds("not yet said");

  await edits("An oak", "An elm");
  await ana.write("An elder");
  await rui.sees("An elder");
  await holds("not yet said");

  await edits("An oak");
  await ana.act("An elder", "Reply");
  await holds("not yet said");
  await area.press("Enter");
  await rui.message("not yet said").locator(".quote", { hasText: "An elder" }).waitFor();
  await holds("");
  assert.equal(await rui.message("An oak").count(), 1, "and is as it was");
});

test("what is written is text: links, code and tags", async () => {
  await ana.write("See https://example.com/a?b=1&c=2, and javascript:alert(1) is none. `1 < 2` & so on");
  await rui.sees("and so on".slice(4));
  const message = rui.message("is none").first();
  assert.equal(await message.locator(".text a").count(), 1);
  assert.equal(await message.locator(".text a").getAttribute("href"), "https://example.com/a?b=1&c=2");
  assert.match(await message.locator(".text a").getAttribute("rel"), /noopener/u);
  assert.equal(await message.locator("code").textContent(), "1 < 2");

  // What the hub stores is what was written; nothing of it becomes a part of the page.
  await ana.write('<img src=x onerror="document.title=1"> &amp; <b>bold</b>');
  for (const person of [ana, rui]) await person.sees('<img src=x onerror="document.title=1"> &amp; <b>bold</b>');
  await rui.page.reload();
  await rui.sees('<img src=x onerror="document.title=1"> &amp; <b>bold</b>');
  assert.equal(await rui.page.locator(".log img, .log b").count(), 0);
});

test("drafts are kept, long texts are refused, keys lead everywhere", async () => {
  const area = ana.page.locator(".composer textarea");
  await area.fill("half a thought");
  await ana.page.reload();
  await area.waitFor();
  assert.equal(await area.inputValue(), "half a thought");
  await area.fill("x".repeat(10_241));
  await ana.page.getByText("Too long by 1 bytes").waitFor();
  assert.ok(await ana.page.getByRole("button", { name: "Send" }).isDisabled());
  await area.fill("");

  await ana.sees("bold");
  await ana.page.getByRole("log").focus();
  await ana.page.keyboard.press("ArrowUp");
  await ana.page.locator("article:focus").waitFor();
  await ana.page.keyboard.press("Tab");
  assert.equal(await ana.page.evaluate("document.activeElement.getAttribute('aria-label')"), "React");
  await ana.page.keyboard.press("Control+k");
  await ana.page.keyboard.type("stud");
  await ana.page.keyboard.press("Enter");
  await ana.page.getByRole("heading", { name: "Studio", level: 1 }).waitFor();
  await ana.leave();
  await rui.leave();
});
