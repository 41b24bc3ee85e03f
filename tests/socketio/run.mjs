/**
 * Runs real Socket.IO clients against the built hub: npm's `socket.io-client`, PyPI's `python-socketio`, and the client's own
 * bundle in Debian's Chromium.
 *
 *   node run.mjs            all of them
 *   node run.mjs NAME       only those whose file's name contains NAME
 *
 * TERTULIA_BIN names the hub (target/debug/tertulia), CHROMIUM the browser, PYTHON an interpreter that has the packages of
 * requirements.txt (that of target/socketio).
 */
import { fileURLToPath } from "node:url";
import { browserPath, hubPath } from "../browser/support/places.mjs";
import { runAll } from "../browser/support/runner.mjs";
import { pythonPath } from "./support/places.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
await runAll("tests/socketio", here, [
  ["the hub", hubPath, "cargo build, or name it with TERTULIA_BIN"],
  ["a browser", browserPath, "apt-get install chromium, or name it with CHROMIUM"],
  ["the packages of the tests", `${here}node_modules/socket.io-client`, "npm ci in tests/socketio"],
  ["a Python with python-socketio", pythonPath, "see tests/run, or name one with PYTHON"],
]);
