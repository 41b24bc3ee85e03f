/** What somebody has heard so far, and a way to wait for what is to come that says what it waited for. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

const PATIENCE_MS = 10_000;

/** Fails if `promise` stays pending. */
export async function soon(what, promise, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks again and again, where nobody tells, until the answer is yes. */
export async function until(what, ask, ms = PATIENCE_MS) {
  for (const end = Date.now() + ms; !(await ask()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

export class Journal {
  #owner;
  #waiting = new Set();
  entries = [];

  constructor(owner) {
    this.#owner = owner;
  }

  add(entry) {
    this.entries.push(entry);
    for (const look of this.#waiting) look();
  }

  /** The first entry that matches and that nobody has taken, now or as soon as it is there. */
  async take(what, matches, ms = PATIENCE_MS) {
    const entry = await this.#until(`${this.#owner} hears ${what}`, () => this.entries.find((it) => !it.taken && matches(it)), ms);
    entry.taken = true;
    return entry;
  }

  /** Waits until `check` holds; it is looked at again whenever something is heard. */
  until(what, check, ms = PATIENCE_MS) {
    return this.#until(what, check, ms);
  }

  /** Nothing that matches has come, or all that did was taken. */
  none(what, matches) {
    const found = this.entries.filter((it) => !it.taken && matches(it));
    assert.deepEqual(found, [], `${this.#owner} should not have heard ${what}`);
  }

  #until(what, check, ms) {
    const now = check();
    if (now) return now;
    return new Promise((resolve, reject) => {
      const done = () => (clearTimeout(timer), this.#waiting.delete(look));
      const look = () => {
        const found = check();
        if (found) done(), resolve(found);
      };
      const timer = setTimeout(() => {
        done();
        const last = this.entries.slice(-6).map((it) => inspect(it, { depth: 3, breakLength: Infinity }).slice(0, 240));
        reject(new Error(`not within ${ms} ms: ${what}; of ${this.entries.length} entries the last are\n  ${last.join("\n  ")}`));
      }, ms);
      this.#waiting.add(look);
    });
  }
}
