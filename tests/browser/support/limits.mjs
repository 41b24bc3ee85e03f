/** `node:test` with an end to everything: what hangs fails, says which test it was, and lets the others go on. */
import * as node from "node:test";

const timeout = 120_000;

// Node.js 20 may turn in circles for ever as it closes what is still open at its end, long after the tests: it goes at once.
process.on("exit", (code) => process.exit(code));

export function test(name, fn) {
  // `node:test` takes what is no function for a test that has nothing to do, and passes it.
  if (typeof fn !== "function") throw new TypeError(`${name}: what follows the name is the test; its limit is set here`);
  return node.test(name, { timeout }, fn);
}
export const before = (fn) => node.before(fn, { timeout });
export const after = (fn) => node.after(fn, { timeout });
