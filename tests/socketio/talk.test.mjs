/** What is said in rooms: both vocabularies, acknowledgements, marks, changes, and the texts of refusals. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach } from "node:test";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, people } from "./support/hub.mjs";

let hub;
before(async () => {
  hub = await Hub.start();
});
afterEach(closeAll);
after(() => hub?.stop());

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u;
/** Two people of one organization with a room. */
async function meeting(transports, ...more) {
  const [ana, rui] = people("Ana", "Rui");
  const room = await hub.room(ana, ...more);
  return { ana, rui, room, a: await Client.open(hub, ana, { transports }), b: await Client.open(hub, rui, { transports }) };
}

for (const transports of [["websocket"], ["polling"]]) {
  const over = `over ${transports[0]}`;

  test(`${over}: a conversation, from joining to leaving`, async () => {
    const { ana, rui, room, a, b } = await meeting(transports);
    const joined = await a.joins(room);
    assert.deepEqual(joined, { conversation_id: room, message: joined.message, last_seq: 0 });
    assert.match(joined.message, new RegExp(room, "u"));
    assert.deepEqual(await a.hears("joined_conversation"), joined, "the event says what the acknowledgement says");
    b.say("join_conversation", { conversation_id: room.toUpperCase() });
    assert.equal((await b.hears("joined_conversation")).conversation_id, room);

    const client_message_id = randomUUID();
    const asked = { conversation_id: room, text: "Olá! 1 < 2 <b>x</b>", client_message_id };
    const stored = await a.does("send_message", asked);
    assert.deepEqual(stored, { id: stored.id, seq: 1, status: "sent", created_at: stored.created_at });
    assert.match(stored.created_at, TIME);
    const message = {
      id: stored.id,
      conversation_id: room,
      seq: 1,
      direction: "outbound",
      sender_type: "agent",
      sender_id: ana.id,
      sender_name: "Ana",
      message_type: "text",
      content: { text: asked.text },
      status: "sent",
      whatsapp_message_id: null,
      client_message_id,
      reply_to_id: null,
      created_at: stored.created_at,
      sent_at: stored.created_at,
      delivered_at: null,
      read_at: null,
    };
    for (const client of [a, b]) assert.deepEqual(await client.hears("message:new"), message);

    const again = await a.does("send_message", asked);
    assert.deepEqual([again.id, again.seq], [stored.id, 1], "sending twice is sending once");
    const media = { media_url: "https://files.example.com/a.pdf", filename: "a.pdf", caption: "see", message_type: "document" };
    const second = await b.does("send_message", { conversation_id: room, ...media, reply_to_id: stored.id });
    const heard = await a.hears("message:new");
    assert.deepEqual([heard.id, heard.seq, heard.message_type, heard.reply_to_id], [second.id, 2, "document", stored.id]);
    assert.deepEqual(heard.content, { media_url: media.media_url, filename: "a.pdf", caption: "see" });
    assert.equal(heard.client_message_id, null);

    b.say("typing_start", { conversation_id: room });
    const typing = await a.hears("user_typing");
    assert.deepEqual([typing.conversation_id, typing.user_id, typing.typing], [room, rui.id, true]);
    b.say("typing_stop", { conversation_id: room });
    assert.equal((await a.hears("user_typing")).typing, false);
    await b.hearsNo("user_typing");

    const left = await b.does("leave_conversation", { conversation_id: room });
    assert.deepEqual(left, { conversation_id: room });
    assert.deepEqual(await b.hears("left_conversation"), left);
    await a.does("send_message", { conversation_id: room, text: "alone" });
    await a.hears("message:new", (it) => it.content.text === "alone");
    await b.hears("message:new", (it) => it.seq === 2);
    await b.hearsNo("message:new");
    assert.deepEqual((await hub.history(ana, room)).map((it) => it.seq), [1, 2, 3]);
  });

  test(`${over}: a room, from entering to leaving`, async () => {
    const { ana, rui, room, a, b } = await meeting(transports);
    await a.enters(room);
    await b.enters(room);
    assert.deepEqual(await a.hears("user_joined", (it) => it.user_id === rui.id), { room_id: room, user_id: rui.id, user_name: "Rui" });
    const client_message_id = randomUUID();
    const first = await a.does("send_message", { room_id: room, content: "Hello", client_message_id });
    for (const client of [a, b]) {
      const message = await client.hears("message_received");
      assert.deepEqual(message, {
        id: first.id,
        room_id: room,
        seq: 1,
        user_id: ana.id,
        user_name: "Ana",
        content: "Hello",
        message_type: "text",
        client_message_id,
        status: "sent",
        created_at: first.created_at,
      });
    }
    const second = await b.does("send_message", { room_id: room, media_url: "/files/1", caption: "c", filename: "f.png", message_type: "image", reply_to_id: first.id });
    const heard = await a.hears("message_received");
    assert.deepEqual(
      [heard.id, heard.media_url, heard.caption, heard.filename, heard.message_type, heard.reply_to_id],
      [second.id, "/files/1", "c", "f.png", "image", first.id],
    );
    b.say("typing", { room_id: room, is_typing: true });
    for (const event of ["typing", "user_typing"]) {
      assert.deepEqual(await a.hears(event), { room_id: room, user_id: rui.id, user_name: "Rui", typing: true, is_typing: true });
    }
    b.say("typing", { room_id: room, is_typing: false });
    for (const event of ["typing", "user_typing"]) assert.equal((await a.hears(event)).is_typing, false);
    for (const event of ["typing", "user_typing", "message:new"]) await b.hearsNo(event);

    await hub.as(ana, "PUT", `/api/v1/chat/rooms/${room}`, { name: "Renamed" });
    for (const client of [a, b]) {
      const update = await client.hears("room_updated");
      assert.deepEqual(update, { room_id: room, name: "Renamed", kind: "public", updated_at: update.updated_at, archived_at: null });
      assert.match(update.updated_at, TIME);
    }
    await b.does("leave_room", { room_id: room });
    assert.deepEqual(await a.hears("user_left"), { room_id: room, user_id: rui.id, user_name: "Rui" });
    await a.does("send_message", { room_id: room, content: "alone" });
    await a.hears("message_received", (it) => it.content === "alone");
    await b.hears("message_received", (it) => it.seq === 2);
    await b.hearsNo("message_received");
  });

  test(`${over}: marks move the status of messages, and everyone is told`, async () => {
    const { rui, room, a, b } = await meeting(transports);
    await a.joins(room);
    await b.joins(room);
    const first = await a.does("send_message", { conversation_id: room, text: "one" });
    const second = await a.does("send_message", { conversation_id: room, text: "two" });
    for (const [event, payload, status] of [
      ["mark_delivered", { message_id: second.id }, "delivered"],
      ["mark_read", { up_to_seq: 2 }, "read"],
    ]) {
      b.say(event, { conversation_id: room, ...payload });
      for (const client of [a, b]) {
        const told = await client.hears("message:status", (it) => it.status === status);
        assert.deepEqual([told.message_id, told.conversation_id, told.user_id], [second.id, room, rui.id]);
        assert.match(told.timestamp, TIME);
      }
    }
    assert.deepEqual((await hub.history(rui, room)).map((it) => it.status), ["read", "read"]);
    assert.equal(first.seq, 1);
  });

  test(`${over}: messages are changed, reacted to and deleted`, async () => {
    const { ana, rui, room, a, b } = await meeting(transports);
    await a.joins(room);
    await b.enters(room);
    const { id } = await a.does("send_message", { conversation_id: room, text: "Helo" });
    await a.does("edit_message", { conversation_id: room, message_id: id, text: "Hello" });
    const [own, others] = [await a.hears("message:updated"), await b.hears("message:updated")];
    assert.deepEqual([own.id, own.conversation_id, own.content], [id, room, { text: "Hello" }]);
    assert.deepEqual([others.id, others.room_id, others.content], [id, room, "Hello"]);
    for (const it of [own, others]) assert.match(it.edited_at, TIME);

    await b.does("react", { room_id: room, message_id: id, emoji: "👍" });
    await b.does("unreact", { room_id: room, message_id: id, emoji: "👍" });
    for (const [client, field] of [[a, "conversation_id"], [b, "room_id"]]) {
      for (const count of [1, 0]) {
        const told = await client.hears("message:reaction");
        assert.deepEqual([told.message_id, told[field], told.emoji, told.user_id, told.count], [id, room, "👍", rui.id, count]);
      }
    }
    assert.equal((await b.ask("edit_message", { room_id: room, message_id: id, text: "mine" })).code, "forbidden");
    await a.does("delete_message", { conversation_id: room, message_id: id });
    for (const [client, field] of [[a, "conversation_id"], [b, "room_id"]]) {
      const told = await client.hears("message:deleted");
      assert.deepEqual([told.message_id ?? told.id, told[field], told.seq, told.deleted_by], [id, room, 1, ana.id]);
      assert.match(told.deleted_at, TIME);
    }
  });
}

test("one socket in both vocabularies hears both, and a message is still one message", async () => {
  const { ana, room, a, b } = await meeting(["websocket"]);
  await a.joins(room);
  await a.enters(room);
  await b.joins(room);
  const { id } = await b.does("send_message", { conversation_id: room, text: "twice told" });
  const [one, other] = [await a.hears("message:new"), await a.hears("message_received")];
  assert.deepEqual([one.id, one.conversation_id, other.id, other.room_id], [id, room, id, room]);
  b.say("typing_start", { conversation_id: room });
  const typing = [await a.hears("user_typing"), await a.hears("user_typing")];
  assert.deepEqual(typing.map((it) => it.conversation_id ?? it.room_id), [room, room]);
  // It leaves one of the two and stays in the other.
  await a.does("leave_conversation", { conversation_id: room });
  await b.does("send_message", { conversation_id: room, text: "once told" });
  assert.equal((await a.hears("message_received")).content, "once told");
  await a.hearsNo("message:new");
  assert.equal((await hub.history(ana, room)).length, 2);
});

test("who leaves a room twice at once has left it, and nothing of it comes back with the next join", async () => {
  const { room, a } = await meeting(["polling"]);
  await a.enters(room);
  // In one payload, behind one that is on its way: the second is there before the first is answered.
  a.say("ping", {});
  const [first, second] = await Promise.all([1, 2].map(() => a.ask("leave_room", { room_id: room })));
  assert.deepEqual([first.code, second.code], [undefined, "not_joined"]);
  await a.joins(room);
  await a.does("leave_conversation", { conversation_id: room });
  const { code } = await a.ask("typing", { room_id: room, is_typing: true });
  assert.equal(code, "not_joined");
});

test("typing is acknowledged, too, where somebody waits for that", async () => {
  const { room, a, b } = await meeting(["websocket"]);
  await a.joins(room);
  await b.enters(room);
  for (const [client, event, payload] of [
    [a, "typing_start", { conversation_id: room }],
    [a, "typing_stop", { conversation_id: room }],
    [b, "typing", { room_id: room, is_typing: true }],
  ]) {
    assert.deepEqual(await client.ask(event, payload), {}, event);
  }
});

test("typing is acknowledged once, right behind a join as well, and where it is refused", async () => {
  const { ana, rui, room, a, b } = await meeting(["websocket"]);
  await a.enters(room);
  b.say("join_room", { room_id: room });
  assert.deepEqual(await b.ask("typing", { room_id: room, is_typing: true }), {});
  assert.equal((await a.hears("typing")).user_id, rui.id);
  // Without one nothing comes back.
  b.say("typing", { room_id: room, is_typing: false });
  await a.hears("typing", (it) => !it.is_typing);
  await b.does("leave_room", { room_id: room });
  b.say("join_room", { room_id: randomUUID() });
  const { code } = await b.ask("typing", { room_id: room, is_typing: true });
  assert.equal(code, "not_joined");
  // Who is in the room and may not write is refused, and told nothing else before.
  await hub.as(ana, "PUT", `/api/v1/chat/rooms/${room}/members/${rui.id}`, { muted: true });
  await b.enters(room);
  const { code: muted, message } = await b.ask("typing", { room_id: room, is_typing: true });
  assert.equal(muted, "forbidden");
  assert.match(message, /muted/u);
  assert.equal(a.heard("typing").length, 2);
});

test("marks are answered in the words in which they were made, with an acknowledgement or without", async () => {
  const { ana, rui, room, a, b } = await meeting(["websocket"]);
  await a.joins(room);
  await b.enters(room);
  const { id } = await a.does("send_message", { conversation_id: room, text: "one" });
  const { timestamp, ...acknowledged } = await b.does("mark_delivered", { room_id: room, message_id: id });
  assert.deepEqual(acknowledged, { message_id: id, room_id: room, status: "delivered", user_id: rui.id, up_to_seq: 1 });
  assert.deepEqual(await b.hears("message:status"), { timestamp, ...acknowledged }, "the event says the same");
  b.say("mark_read", { room_id: room, up_to_seq: 1 });
  const { room_id, status } = await b.hears("message:status");
  assert.deepEqual([room_id, status], [room, "read"]);
  const told = [await a.hears("message:status"), await a.hears("message:status")];
  assert.deepEqual(told.map((it) => [it.conversation_id, it.room_id, it.status]), [[room, undefined, "delivered"], [room, undefined, "read"]]);
  // Rooms have no such word: only who made the mark hears of it there. One that was not joined is marked, too.
  const late = await Client.open(hub, rui);
  late.say("mark_read", { conversation_id: room, up_to_seq: 1 });
  assert.equal((await late.hears("message:status")).conversation_id, room);
  await a.does("mark_read", { conversation_id: room, up_to_seq: 1 });
  assert.equal((await a.hears("message:status")).user_id, ana.id);
  await a.hearsNo("message:status");
  await b.hearsNo("message:status");
});

test("who joins late asks for what was said, and hears it before what is new", async () => {
  const { ana, room, a, b } = await meeting(["websocket"]);
  for (let i = 1; i <= 250; i++) await hub.send(ana, room, `message ${i}`);
  await a.joins(room);
  const joining = b.joins(room, { after_seq: 40 });
  await a.does("send_message", { conversation_id: room, text: "live" });
  assert.ok((await joining).last_seq >= 250);
  await b.hears("message:new", (it) => it.content.text === "live");
  assert.deepEqual(b.heard("message:new").map((it) => it.seq), Array.from({ length: 211 }, (_, i) => i + 41));
});

test("refusals say what was wrong, in the words that clients know, as an event and as the acknowledgement", async () => {
  const { room, a } = await meeting(["websocket"]);
  const unknown = randomUUID();
  for (const [event, payload, message, code] of [
    ["join_conversation", {}, "conversation_id required", "invalid_payload"],
    ["join_conversation", { conversation_id: "" }, "conversation_id required", "invalid_payload"],
    ["join_conversation", { conversation_id: null }, "conversation_id required", "invalid_payload"],
    ["join_conversation", undefined, "conversation_id required", "invalid_payload"],
    ["join_conversation", { conversation_id: "12" }, "Invalid conversation_id", "invalid_payload"],
    ["join_conversation", { conversation_id: 12 }, "Invalid conversation_id", "invalid_payload"],
    ["join_conversation", { conversation_id: unknown }, "Forbidden", "not_found"],
    ["join_room", { room_id: unknown }, "Forbidden", "not_found"],
    ["join_room", {}, "room_id required", "invalid_payload"],
    ["join_room", { room_id: "12" }, "Invalid room_id", "invalid_payload"],
    ["leave_room", {}, "room_id required", "invalid_payload"],
    ["typing", { is_typing: true }, "room_id required", "invalid_payload"],
    ["send_message", { conversation_id: unknown, text: "x" }, "Forbidden", "not_found"],
    ["send_message", { text: "x" }, "conversation_id required", "invalid_payload"],
    ["send_message", { conversation_id: room, text: " " }, /text/u, "invalid_payload"],
    ["send_message", { conversation_id: room, text: "x".repeat(10_241) }, /10240/u, "message_too_large"],
    ["edit_message", { conversation_id: room, message_id: unknown, text: "x" }, /message/u, "not_found"],
    ["join_conversation", { conversation_id: room, after_seq: -1 }, /after_seq/u, "invalid_payload"],
    ["no_such_event", { some: "thing" }, /no_such_event|event/u, "unknown_type"],
  ]) {
    const answer = payload === undefined ? await a.ask(event) : await a.ask(event, payload);
    const what = `${event} ${JSON.stringify(payload)?.slice(0, 80)}`;
    assert.equal(answer.code, code, `${what}: ${JSON.stringify(answer)}`);
    if (typeof message === "string") assert.equal(answer.message, message, what);
    else assert.match(answer.message, message, what);
    assert.deepEqual(await a.hears("error"), answer, `${what}: the event says the same`);
  }
  // Without an acknowledgement there is the event; and the connection lives.
  a.say("join_conversation", { conversation_id: "12" });
  assert.equal((await a.hears("error")).message, "Invalid conversation_id");
  await a.joins(room);
});

test("a private room is closed to those without a place in it", async () => {
  const { ana, rui, room, a, b } = await meeting(["websocket"], { kind: "private" });
  await a.joins(room);
  for (const [event, field] of [["join_conversation", "conversation_id"], ["join_room", "room_id"]]) {
    const { message, code } = await b.ask(event, { [field]: room });
    assert.deepEqual([message, code], ["Forbidden", "forbidden"]);
  }
  await hub.admit(ana, room, rui);
  await b.joins(room);
  // Who loses the place is told so, and hears nothing more.
  await hub.as(ana, "DELETE", `/api/v1/chat/rooms/${room}/members/${rui.id}`);
  assert.deepEqual(await b.hears("left_conversation"), { conversation_id: room });
  await a.does("send_message", { conversation_id: room, text: "among us" });
  await a.hears("message:new");
  await b.hearsNo("message:new");
});
