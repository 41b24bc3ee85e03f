/** The clients of docs/socketio.md and of the README, run as they stand there, and the lines for nginx and for ids. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, Person, people } from "./support/hub.mjs";
import { Journal, soon, until } from "./support/journal.mjs";
import { browserPath, pythonPath, root } from "./support/places.mjs";
import { Proxy } from "./support/proxy.mjs";

const [PAGE, README] = ["docs/socketio.md", "README.md"].map((it) => readFileSync(root + it, "utf8"));
const ROOM = "550e8400-e29b-41d4-a716-446655440000";
const packages = fileURLToPath(new URL("node_modules", import.meta.url));

/** The page's blocks in this language. */
const blocks = (language, page = PAGE) => [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gmsu"))].map(([, it]) => it);

/** A page's code in this language, pointed at the hub of the test or at what stands before it. */
function code(language, { page = PAGE, url = hub.url, room = ROOM } = {}) {
  const block = blocks(language, page).find((it) => page === PAGE || it.includes("socket.io-client"));
  assert.ok(block.includes("127.0.0.1:8080"), "it says where the hub is");
  return block.replaceAll("127.0.0.1:8080", new URL(url).host).replaceAll(ROOM, room);
}

let hub, folder, site;
const running = [];
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tertulia-docs-"));
  symlinkSync(packages, join(folder, "node_modules"));
  site = createServer(({ url }, response) => {
    const isBundle = url === "/socket.io.min.js";
    response.writeHead(200, { "Content-Type": isBundle ? "text/javascript" : "text/html" });
    const of = Object.fromEntries(new URL(url, "http://127.0.0.1").searchParams);
    response.end(isBundle ? readFileSync(join(packages, "socket.io-client/dist/socket.io.min.js")) : code("html", of));
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  // A client that is cut off while it moves from polling to a socket notices by the pings that do not come.
  const pings = ["--set", "socketio.ping_interval=2s", "--set", "socketio.ping_timeout=2s"];
  hub = await Hub.start("--dev", "--allowed-origin", `http://127.0.0.1:${site.address().port}`, ...pings);
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
  return { child, said, says: (text) => said.until(`${name} says ${text}`, () => said.entries.find((it) => it.includes(text)), 40_000) };
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
    await page.getByText("Hello from Python").waitFor();

    const again = start("another JavaScript client", process.execPath, "client.mjs");
    await again.says("stored as 0");
    await again.says("Hello from Python");
    for (const said of [python, script]) {
      await said.said.until("the third is heard", () => said.said.entries.filter((it) => /^3 .*Hello from Socket\.IO/u.test(it)).length === 1, 20_000);
    }
    await until("the page has all three", async () => (await page.getByText("Hello from Socket.IO").count()) === 2);

    await hub.kill();
    await hub.run();
    // Python's client waits a second and more before it comes back, and is not recovered: it joins again.
    await python.said.until("Python is back", () => python.said.entries.filter((it) => it.startsWith("joined")).length === 2, 20_000);
    await hub.rest("dev-admin-key", "POST", `/api/v1/chat/rooms/${ROOM}/messages`, { content: "behind the crash" });
    for (const it of [script, python, again]) await it.says("behind the crash");
    await page.getByText("behind the crash").waitFor();
    assert.equal(await page.getByRole("listitem").count(), 4, "each once");
    for (const { said } of [script, python, again]) {
      const numbers = said.entries.filter((it) => /^\d+ /u.test(it)).map((it) => Number(it.split(" ")[0]));
      assert.deepEqual(numbers, [1, 2, 3, 4], "each once, in order");
    }
  } finally {
    await browser.close();
  }
});

/** Somebody says this in the room. */
const talk = (room, text) => hub.rest("dev-admin-key", "POST", `/api/v1/chat/rooms/${room}/messages`, { content: text });

for (const [name, file, command, language, page] of [
  ["the README's client", "readme.mjs", process.execPath, "js", README],
  ["the page's client for JavaScript", "page.mjs", process.execPath, "js", PAGE],
  ["the page's client for Python", "page.py", pythonPath, "python", PAGE],
]) {
  test(`${name} is in its room although its joins did not arrive at first`, async () => {
    const [proxy, room] = [await Proxy.to(hub), randomUUID()];
    try {
      proxy.cutBehind("Connected to", 2);
      writeFileSync(join(folder, file), code(language, { page, url: proxy.url, room }));
      const { child, said, says } = start(name, command, file);
      await says("stored as");
      assert.equal(proxy.cuts, 2);
      await talk(room, "behind the cuts");
      await says("2 Dev Admin behind the cuts");
      proxy.drop();
      await talk(room, "while it was away");
      await says("while it was away");
      assert.equal(child.exitCode, null, "it goes on");
      assert.deepEqual(said.entries.filter((it) => /^\d+ /u.test(it)).map((it) => Number(it.split(" ")[0])), [1, 2, 3], "each once, in order");
    } finally {
      await proxy.close();
    }
  });
}

test("the page without a bundler is in its room although its joins did not arrive at first", async () => {
  const [proxy, room] = [await Proxy.to(hub), randomUUID()];
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    proxy.cutBehind("Connected to", 2);
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${site.address().port}/?${new URLSearchParams({ url: proxy.url, room })}`);
    await until("it was cut off twice", () => proxy.cuts === 2, 30_000);
    await until("its room is there", () => talk(room, "said meanwhile").catch(() => null), 20_000);
    await page.getByText("said meanwhile").waitFor();
    assert.equal(await page.getByRole("listitem").count(), 1);
  } finally {
    await browser.close();
    await proxy.close();
  }
});

test("the lines for ids make the same everywhere, and what the hub makes", async () => {
  const [ana] = people("Ana");
  const [roomLine, userLine] = blocks("py");
  const given = `import uuid; organization_id = "${ana.org}"; old_id = 17; iss = ""; sub = "42"\n`;
  const python = execFileSync(pythonPath, ["-c", `${given}${roomLine}${userLine}print(room_id, user_id)`], { encoding: "utf8" });
  const [room, user] = python.trim().split(" ");

  /** As the package `uuid` has it. */
  const v5 = (name, namespace) => {
    const digest = createHash("sha1").update(namespace.replaceAll("-", ""), "hex").update(name).digest();
    digest[6] = (digest[6] & 0x0f) | 0x50;
    digest[8] = (digest[8] & 0x3f) | 0x80;
    return digest.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/u, "$1-$2-$3-$4-");
  };
  const [line] = blocks("javascript");
  assert.equal(new Function("v5", "old_id", "organization_id", `${line}return room_id;`)(v5, 17, ana.org), room);

  const client = await Client.open(hub, Object.assign(new Person("Rui", { org: ana.org }), { id: "42" }));
  assert.equal(client.heard("connected")[0].user_id, user);
  assert.equal((await client.ask("join_conversation", { conversation_id: room })).conversation_id, room);
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
  // Where Debian has it is not on everybody's path.
  const nginx = existsSync("/usr/sbin/nginx") ? "/usr/sbin/nginx" : "nginx";
  const { child } = start("nginx", nginx, "-c", join(folder, "nginx.conf"), "-p", folder);
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
