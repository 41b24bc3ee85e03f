/**
 * PyPI's `python-socketio`: its asynchronous client (python_client.py), told here when its connection is cut, and the one with
 * threads (python_threads.py), whose hub ends and comes again.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, people } from "./support/hub.mjs";
import { Journal, soon } from "./support/journal.mjs";
import { pythonPath } from "./support/places.mjs";
import { Proxy } from "./support/proxy.mjs";

const [SCRIPT, THREADS] = ["python_client.py", "python_threads.py"].map((name) => fileURLToPath(new URL(name, import.meta.url)));

/** The messages of a room that is longer than what waits for a client at once. */
const LENGTH = 700;

let hub, proxy;
before(async () => {
  hub = await Hub.start("--set", "socketio.namespaces=/desk");
  proxy = await Proxy.to(hub);
});
after(async () => {
  closeAll();
  await proxy?.close();
  await hub?.stop();
});

/** Starts a script, and listens to what it prints. */
function run(script, told) {
  const env = { ...process.env, TERTULIA_TEST: JSON.stringify(told) };
  const python = spawn(pythonPath, [script], { env, stdio: ["pipe", "pipe", "inherit"] });
  const said = new Journal("the test");
  createInterface({ input: python.stdout }).on("line", (line) => said.add({ line }));
  const ended = once(python, "exit");
  ended.then(() => said.add({ line: "it has ended" }));
  const says = async (line) => {
    const { line: found } = await said.take(`python say: ${line}`, (it) => it.line === line || it.line === "it has ended", 30_000);
    assert.equal(found, line);
  };
  return { python, said, says, ended };
}

for (const transport of ["websocket", "polling", "upgrade"]) {
  test(`python-socketio over ${transport}`, async () => {
    const [ana, rui] = people("Ana", "Rui");
    const [room, long] = [await hub.room(ana), await hub.room(ana)];
    for (let i = 0; i < LENGTH; i += 50) await Promise.all(Array.from({ length: 50 }, () => hub.send(rui, long, "of a long past")));
    const told = { url: proxy.url, transport, room, long, length: LENGTH, ana: ana.id, token: ana.token(), expired: ana.token(-60) };
    const { python, said, says, ended } = run(SCRIPT, told);
    try {
      const other = await Client.open(hub, rui);
      await other.joins(room);
      await says("ready to hear");
      const hello = await other.does("send_message", { conversation_id: room, text: "hello Python" });
      assert.equal((await other.hears("message:new", (it) => it.sender_id === ana.id)).content.text, "hello JavaScript");
      other.say("mark_read", { conversation_id: room, message_id: hello.id });
      await says("cut me off");
      // Between two polls there is nothing to be cut.
      const isLost = () => said.entries.some((it) => it.line === "lost");
      do {
        proxy.drop();
      } while (!(await said.until("the connection is lost", isLost, 200).catch(() => false)));
      await says("back again");
      await other.does("send_message", { conversation_id: room, text: "welcome back" });
      const [status] = await soon("the end of the Python client", ended, 30_000);
      assert.equal(status, 0, "its tests passed");
    } finally {
      python.kill("SIGKILL");
    }
  });
}

for (const transport of ["websocket", "polling"]) {
  test(`python-socketio with threads over ${transport}: the hub ends and comes again`, async () => {
    const own = await Hub.start();
    const [ana, rui] = people("Ana", "Rui");
    const room = await own.room(ana);
    const { python, says, ended } = run(THREADS, { url: own.url, transport, room, token: ana.token() });
    try {
      await says("ready to hear");
      await own.send(rui, room, "hello");
      await says("heard hello");
      own.process.kill("SIGTERM");
      await own.ended;
      await own.run();
      await says("back again");
      await own.send(rui, room, "welcome back");
      await says("heard welcome back");
      const [status] = await soon("the end of the Python client", ended, 30_000);
      assert.equal(status, 0, "its tests passed");
    } finally {
      python.kill("SIGKILL");
      await own.stop();
    }
  });
}
