/**
 * Runs the tests of the page: the built hub, Debian's Chromium, and people who talk through them.
 *
 *   node run.mjs            all of them
 *   node run.mjs NAME       only those whose file's name contains NAME
 *
 * TERTULIA_BIN names the hub (target/debug/tertulia), CHROMIUM the browser, TERTULIA_STATIC a folder to serve the page from.
 * With TERTULIA_SCREENSHOTS=1 the pictures in docs/screenshots are taken anew.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { browserPath, hubPath } from "./support/places.mjs";

const LIMIT_MS = 300_000;
const here = fileURLToPath(new URL(".", import.meta.url));
for (const [what, path, how] of [
  ["the hub", hubPath, "cargo build, or name it with TERTULIA_BIN"],
  ["a browser", browserPath, "apt-get install chromium, or name it with CHROMIUM"],
  ["the packages of the tests", `${here}node_modules/playwright-core`, "npm ci in tests/browser"],
]) {
  if (!path || !existsSync(path)) {
    console.error(`tests/browser: ${what} is missing: ${how}`);
    process.exit(1);
  }
}

const wanted = process.argv[2] ?? "";
const files = readdirSync(here).filter((name) => name.endsWith(".test.mjs") && name.includes(wanted));
if (!files.length) {
  console.error(`tests/browser: no test file's name contains ${wanted}`);
  process.exit(1);
}
// One after the other: each has a hub and a browser of its own, and they measure time. Each is a process group of its own, so
// that its hub goes with it; the browser ends when its pipe closes.
let child = null;
const kill = () => child?.exitCode === null && process.kill(-child.pid, "SIGKILL");
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => (kill(), process.exit(1)));
for (const file of files.sort()) {
  console.log(`\n${file}`);
  child = spawn(process.execPath, ["--test", "--test-reporter=spec", file], { cwd: here, stdio: "inherit", detached: true });
  const limit = setTimeout(() => {
    console.error(`tests/browser: ${file} has not ended after ${LIMIT_MS / 1000} s`);
    kill();
  }, LIMIT_MS);
  const [status] = await once(child, "exit");
  clearTimeout(limit);
  if (status !== 0) process.exitCode = 1;
}
