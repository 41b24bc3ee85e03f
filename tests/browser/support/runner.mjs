/** Runs test files one after the other, each with an end, and says what is missing before anything is tried. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";

const LIMIT_MS = 300_000;

/**
 * Runs the files of `folder` whose name contains what the command line says, or all.
 * `needs`: what has to be there, as [what it is, its path, how to get it].
 */
export async function runAll(name, folder, needs) {
  for (const [what, path, how] of needs) {
    if (!path || !existsSync(path)) {
      console.error(`${name}: ${what} is missing: ${how}`);
      process.exit(1);
    }
  }
  const wanted = process.argv[2] ?? "";
  const files = readdirSync(folder).filter((it) => it.endsWith(".test.mjs") && it.includes(wanted));
  if (!files.length) {
    console.error(`${name}: no test file's name contains ${wanted}`);
    process.exit(1);
  }
  // One after the other: each has servers of its own, and they measure time. Each is a process group of its own, so that its
  // servers go with it; a browser ends when its pipe closes.
  let child = null;
  const kill = () => child?.exitCode === null && process.kill(-child.pid, "SIGKILL");
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => (kill(), process.exit(1)));
  for (const file of files.sort()) {
    console.log(`\n${file}`);
    child = spawn(process.execPath, ["--test", "--test-reporter=spec", file], { cwd: folder, stdio: "inherit", detached: true });
    const limit = setTimeout(() => {
      console.error(`${name}: ${file} has not ended after ${LIMIT_MS / 1000} s`);
      kill();
    }, LIMIT_MS);
    const [status] = await once(child, "exit");
    clearTimeout(limit);
    if (status !== 0) process.exitCode = 1;
  }
}
