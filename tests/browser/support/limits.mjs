/** `node:test` with an end to everything: what hangs fails, says which test it was, and lets the others go on. */
import * as node from "node:test";

const timeout = 120_000;

export const test = (name, fn) => node.test(name, { timeout }, fn);
export const before = (fn) => node.before(fn, { timeout });
export const after = (fn) => node.after(fn, { timeout });
