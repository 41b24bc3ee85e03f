/** People in front of the page: a browser context each, and what they do there. A word on the console is a failure. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { browserPath } from "./places.mjs";

const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const launch = () => chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });

export class Person {
  /** Opens the hub's page in a context of its own. `login`: what registering answered, for who is logged in already. */
  static async open(browser, hub, { login, width = 1280, height = 800, path = "/", ...options } = {}) {
    const person = new Person();
    const viewport = { width, height };
    person.context = await browser.newContext({ viewport, locale: "en-GB", reducedMotion: "reduce", ...options });
    if (login) {
      const pair = { ...login, expires_at: Date.now() + login.expires_in * 1000 };
      await person.context.addInitScript((text) => localStorage.getItem("tertulia.login") ?? localStorage.setItem("tertulia.login", text), JSON.stringify(pair));
    }
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(10_000);
    person.complaints = [];
    person.page.on("console", (it) => ["error", "warning"].includes(it.type()) && person.complaints.push(it.text()));
    person.page.on("pageerror", (error) => person.complaints.push(String(error.stack ?? error)));
    await person.page.goto(hub.url + path);
    return person;
  }

  get messages() {
    return this.page.locator("article.message");
  }

  /** The message that holds `text`. */
  message(text) {
    return this.messages.filter({ hasText: text });
  }

  async register(name, { email, organization } = {}) {
    const { page } = this;
    if (!(await page.getByLabel("Name", { exact: true }).isVisible())) await page.getByRole("button", { name: "Register" }).click();
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill("a long password");
    if (organization) await page.getByLabel("Organization").fill(organization);
    await page.getByRole("button", { name: "Register", exact: true }).click();
    await page.getByRole("navigation", { name: "Rooms" }).waitFor();
  }

  async createRoom(name, kind = "Open") {
    const { page } = this;
    await page.locator("header").getByRole("button", { name: "New room" }).click();
    const dialog = page.getByRole("dialog", { name: "New room" });
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByRole("radio", { name: kind }).check();
    await dialog.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name, level: 1 }).waitFor();
  }

  /** The room's line in the list. */
  room(name) {
    return this.page.locator(".room-item").filter({ has: this.page.locator(".room-name", { hasText: name }) });
  }

  async openRoom(name) {
    await this.room(name).click();
    await this.page.getByRole("heading", { name, level: 1 }).waitFor();
  }

  async write(text) {
    const box = this.page.locator(".composer textarea");
    await box.fill(text);
    // To the box, wherever the focus is: a dialog that has just closed may give it back to its button.
    await box.press("Enter");
  }

  /** `timeout`: in milliseconds, where it takes longer than what is live. */
  async sees(text, timeout) {
    await this.message(text).first().waitFor({ timeout });
  }

  /** Waits until one's own message has come so far: Stored, Delivered, Read. */
  async ticks(text, label) {
    await this.message(text).getByRole("img", { name: label }).waitFor();
  }

  /** Uses one of the buttons of a message. */
  async act(text, name) {
    const message = this.message(text).first();
    await message.hover();
    await message.getByRole("button", { name, exact: true }).click();
  }

  /** Says yes in the dialog that asks whether one is sure. */
  async sure(name) {
    await this.page.getByRole("dialog", { name }).getByRole("button", { name, exact: true }).click();
  }

  /** The texts on the page, top to bottom, without what is around them. */
  texts() {
    return this.page.locator("article.message .text").allTextContents();
  }

  /** Nothing on the page keeps anybody out. */
  async isAccessible(what) {
    if (!(await this.page.evaluate("Boolean(window.axe)"))) await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((it) => `${it.html.slice(0, 160)} ${it.any[0]?.message ?? ""}`).join("\n  ")}`);
    assert.deepEqual(told, [], `axe has found something in: ${what}`);
  }

  /** `expected`: what the console may say, for tests in which the connection is lost on purpose. */
  async leave({ expected } = {}) {
    await this.context.close();
    const complaints = expected ? this.complaints.filter((text) => !expected.test(text)) : this.complaints;
    assert.deepEqual(complaints, [], "the console is quiet");
  }
}
