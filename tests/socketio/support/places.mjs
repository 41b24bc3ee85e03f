/** Where the Python is that has the packages of requirements.txt. */
import { existsSync } from "node:fs";
import { root } from "../../browser/support/places.mjs";

export { browserPath, hubPath, root } from "../../browser/support/places.mjs";
const home = `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/socketio/bin/python`;
export const pythonPath = process.env.PYTHON ?? (existsSync(home) ? home : undefined);
