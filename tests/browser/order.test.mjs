/** The client for programs and a hub that refuses for a moment what it takes later: nothing overtakes what it must not. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach } from "node:test";
import { test } from "./support/limits.mjs";
import WebSocket, { WebSocketServer } from "ws";
import { Tertulia } from "../../static/sdk/tertulia.js";

const [ROOM, OTHER] = ["550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440001"];
const LATER = { code: "unavailable", message: "Later", retry_after_ms: 300 };
const NEVER = { code: "forbidden", message: "Never" };
const FAULT = { code: "internal", message: "A fault", retry_after_ms: 100 };

let server, client;
afterEach(() => {
  client?.close();
  server?.close();
});

/** A client, and a hub that refuses what `refuse` has an error for; what it takes, in order. */
async function scene(refuse = () => null) {
  const taken = [];
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  server.on("connection", (socket) => {
    const say = (type, payload, in_reply_to) => socket.send(JSON.stringify({ type, payload, in_reply_to }));
    say("connected", {});
    socket.on("message", (data) => {
      const { type, payload, message_id } = JSON.parse(data);
      const error = refuse(payload?.text ?? type);
      if (error) return say("error", error, message_id);
      taken.push(payload?.text ?? type);
      const answers = { send_message: "message_sent", edit_message: "message_edited", join_session: "session_joined", leave_session: "session_left" };
      return say(answers[type] ?? "done", { ...payload, seq: taken.length, last_seq: 0 }, message_id);
    });
  });
  client = new Tertulia({ url: `http://127.0.0.1:${server.address().port}`, token: "good", WebSocket });
  client.connect();
  return { client, taken };
}

/** Refuses it so many times. */
function times(count, what, error) {
  return (it) => (it === what && count-- > 0 ? error : null);
}

test("of two edits the later one stays, although the first has to be asked for again", async () => {
  const { client, taken } = await scene(times(1, "older", LATER));
  await Promise.all(["older", "newer"].map((text) => client.edit(ROOM, "a message", text)));
  assert.deepEqual(taken, ["older", "newer"]);
});

test("what waits for another try holds back what is said to its room later, and nothing else", async () => {
  const { client, taken } = await scene(times(1, "one", LATER));
  const one = client.send(ROOM, "one");
  await client.presence(ROOM); // its answer comes after the refusal
  const two = client.send(ROOM, "two");
  await client.send(OTHER, "elsewhere");
  await Promise.all([one, two]);
  assert.deepEqual(taken, ["get_presence", "elsewhere", "one", "two"]);
});

test("what is refused for good, or by a fault of the hub again and again, holds nothing", async () => {
  let tries = 0;
  const { client, taken } = await scene((text) => (text === "one" && (tries++ ? NEVER : LATER)) || (text === "faulty" && FAULT));
  const one = assert.rejects(client.send(ROOM, "one"), { code: "forbidden" });
  client.send(ROOM, "faulty").catch(() => {});
  await client.send(ROOM, "two");
  await one;
  assert.deepEqual(taken, ["two"]);
  assert.deepEqual(client.unsent.map(({ payload }) => payload.text), ["faulty"]);
});

test("who comes into a room again is in it, although the leaving has to be asked for again", async () => {
  const { client, taken } = await scene(times(1, "leave_session", LATER));
  await client.join(ROOM);
  await Promise.all([client.leave(ROOM), client.join(ROOM)]);
  assert.deepEqual(taken, ["join_session", "leave_session", "join_session"]);
});
