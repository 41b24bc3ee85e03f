/** The clients of docs/socketio.md, run as they stand there, and its lines for nginx. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Hub as Base } from "../browser/support/hub.mjs";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Journal, soon, until } from "./support/journal.mjs";
import { browserPath, pythonPath, root } from "./support/places.mjs";

const PAGE = readFileSync(`${root}docs/socketio.md`, "utf8");
const ROOM = "550e8400-e29b-41d4-a716-446655440000";
const packages = fileURLToPath(new URL("node_modules", import.meta.url));

/** The page's code in this language, pointed at the hub of the test. */
function code(language) {
  const [, block] = PAGE.match(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "msu"));
  assert.ok(block.includes("127.0.0.1:8080"), "it says where the hub is");
  return block.replaceAll("127.0.0.1:8080", new URL(hub.url).host);
}

let hub, folder, site;
const running = [];
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tertulia-docs-"));
  symlinkSync(packages, join(folder, "node_modules"));
  site = createServer(({ url }, response) => {
    const isBundle = url === "/socket.io.min.js";
    response.writeHead(200, { "Content-Type": isBundle ? "text/javascript" : "text/html" });
    response.end(isBundle ? readFileSync(join(packages, "socket.io-client/dist/socket.io.min.js")) : code("html"));
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  hub = await Base.start("--dev", "--allowed-origin", `http://127.0.0.1:${site.address().port}`);
});
after(async () => {
  closeAll();
  for (const it of running) it.kill("SIGKILL");
  site?.closeAllConnections();
  site?.close();
  await hub?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a program in the folder; what it says, line by line. */
function start(name, command, ...args) {
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  const said = new Journal(name);
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", (line) => said.add(line));
  return { child, said, says: (text) => said.until(`${name} says ${text}`, () => said.entries.find((it) => it.includes(text)), 20_000) };
}

test("the clients of the page hear each other, and come back after a crash of the hub", async () => {
  writeFileSync(join(folder, "client.mjs"), code("js"));
  writeFileSync(join(folder, "client.py"), code("python"));
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    const script = start("the JavaScript client", process.execPath, "client.mjs");
    await script.says("stored as 0");
    const python = start("the Python client", pythonPath, "client.py");
    await python.says("Hello from Socket.IO");
    await python.says("stored as 0");
    await script.says("Hello from Python");
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${site.address().port}`);
    await page.waitForFunction(() => socket.connected);
    await page.evaluate((room_id) => socket.emitWithAck("join_room", { room_id }), ROOM);

    const again = start("another JavaScript client", process.execPath, "client.mjs");
    await again.says("stored as 0");
    await again.says("Hello from Python");
    for (const said of [python, script]) {
      await said.said.until("the third is heard", () => said.said.entries.filter((it) => /^3 .*Hello from Socket\.IO/u.test(it)).length === 1, 20_000);
    }
    await page.getByText("Hello from Socket.IO").waitFor();

    await hub.kill();
    await hub.run();
    // Python's client waits a second and more before it comes back, and is not recovered: it joins again.
    await python.said.until("Python is back", () => python.said.entries.filter((it) => it.startsWith("joined")).length === 2, 20_000);
    await hub.rest("dev-admin-key", "POST", `/api/v1/chat/rooms/${ROOM}/messages`, { content: "behind the crash" });
    for (const it of [script, python, again]) await it.says("behind the crash");
    await page.getByText("behind the crash").waitFor();
    for (const { said } of [script, python, again]) {
      const numbers = said.entries.filter((it) => /^\d+ /u.test(it)).map((it) => Number(it.split(" ")[0]));
      assert.deepEqual(numbers, [1, 2, 3, 4], "each once, in order");
    }
  } finally {
    await browser.close();
  }
});

test("the lines for nginx let polls and sockets through", async () => {
  const port = await new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((it) => `${it}_temp_path ${folder}/${it};`).join(" ");
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; events {} http { access_log off; ${paths} server { listen 127.0.0.1:${port}; ${code("nginx")} } }`,
  );
  const { child } = start("nginx", ["/usr/sbin/nginx", "nginx"].find((it) => it), "-c", join(folder, "nginx.conf"), "-p", folder);
  const url = `http://127.0.0.1:${port}`;
  await until("nginx answers", () => fetch(`${url}/socket.io/`).then(() => true, () => child.exitCode !== null && assert.fail("nginx has ended")));
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    const client = new Client(url, "dev-admin-key", { transports });
    await client.connected();
    if (transports.length > 1) await until("it has moved to a socket", () => client.transport === "websocket");
    const { id } = await client.does("send_message", { room_id: ROOM, content: `through nginx, ${transports}` });
    await client.enters(ROOM);
    assert.ok(id);
    client.close();
  }
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await soon("the end of nginx", ended);
});
