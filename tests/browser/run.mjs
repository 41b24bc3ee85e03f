/**
 * Runs the tests of the page: the built hub, Debian's Chromium, and people who talk through them.
 *
 *   node run.mjs            all of them
 *   node run.mjs NAME       only those whose file's name contains NAME
 *
 * TERTULIA_BIN names the hub (target/debug/tertulia), CHROMIUM the browser, TERTULIA_STATIC a folder to serve the page from.
 * With TERTULIA_SCREENSHOTS=1 the pictures in docs/screenshots are taken anew.
 */
import { fileURLToPath } from "node:url";
import { browserPath, hubPath } from "./support/places.mjs";
import { runAll } from "./support/runner.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
await runAll("tests/browser", here, [
  ["the hub", hubPath, "cargo build, or name it with TERTULIA_BIN"],
  ["a browser", browserPath, "apt-get install chromium, or name it with CHROMIUM"],
  ["the packages of the tests", `${here}node_modules/playwright-core`, "npm ci in tests/browser"],
]);
