/** One room, three ways into it: Socket.IO, JSON over a WebSocket, and HTTP. Everyone hears the same, in the same order. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach } from "node:test";
import { after, before, test } from "../browser/support/limits.mjs";
import { Client, closeAll } from "./support/client.mjs";
import { Hub, Person, people } from "./support/hub.mjs";
import { Raw, closeAllRaw } from "./support/raw.mjs";

let hub;
before(async () => {
  hub = await Hub.start("--set", "limits.events_per_connection=0");
});
afterEach(() => (closeAll(), closeAllRaw()));
after(() => hub?.stop());

/** Ana speaks JSON, Rui Socket.IO (conversations), Eva Socket.IO (rooms, polling). */
async function meeting() {
  const [ana, rui, eva] = people("Ana", "Rui", "Eva");
  const room = await hub.room(ana);
  const raw = await Raw.open(hub, ana);
  const talk = await Client.open(hub, rui);
  const poll = await Client.open(hub, eva, { transports: ["polling"] });
  await raw.ask("join_session", { session_id: room, presence: true });
  await talk.joins(room);
  await poll.enters(room);
  return { ana, rui, eva, room, raw, talk, poll };
}

test("a message that is sent in one way is heard in all others, as each tells it", async () => {
  const { ana, rui, eva, room, raw, talk, poll } = await meeting();
  const text = "1 < 2 & ready";
  const first = await raw.ask("send_message", { session_id: room, text, client_message_id: "c-1" });
  const second = await talk.does("send_message", { conversation_id: room, text });
  const third = await poll.does("send_message", { room_id: room, content: text });
  const fourth = await hub.send(ana, room, text);
  const ids = [first.message_id, second.id, third.id, fourth.id];
  assert.deepEqual([first.seq, second.seq, third.seq, fourth.seq], [1, 2, 3, 4]);

  for (const [i, sender] of [ana, rui, eva, ana].entries()) {
    const conversation = await talk.hears("message:new");
    assert.deepEqual([conversation.id, conversation.seq, conversation.sender_id, conversation.content.text], [ids[i], i + 1, sender.id, text]);
    const received = await poll.hears("message_received");
    assert.deepEqual([received.id, received.seq, received.user_id, received.user_name, received.content], [ids[i], i + 1, sender.id, sender.name, text]);
    if (i === 0) continue; // its own, acknowledged above
    const frame = await raw.hears("new_message");
    assert.deepEqual([frame.message_id, frame.seq, frame.agent_id, frame.text], [ids[i], i + 1, sender.id, "1 &lt; 2 &amp; ready"]);
  }
  assert.deepEqual((await hub.history(ana, room)).map((it) => it.id), ids);
});

test("typing and marks cross in all directions", async () => {
  const { ana, rui, eva, room, raw, talk, poll } = await meeting();
  const mine = await hub.send(ana, room, "to be read");
  for (const [say, who] of [
    [() => raw.say("typing", { session_id: room, is_typing: true }), ana],
    [() => talk.say("typing_start", { conversation_id: room }), rui],
    [() => poll.say("typing", { room_id: room, is_typing: true }), eva],
  ]) {
    say();
    if (who !== ana) assert.equal((await raw.hears("user_typing", (it) => it.user_id === who.id)).is_typing, true);
    if (who !== rui) assert.equal((await talk.hears("user_typing", (it) => it.user_id === who.id)).typing, true);
    if (who !== eva) assert.equal((await poll.hears("user_typing", (it) => it.user_id === who.id)).is_typing, true);
  }
  talk.say("mark_delivered", { conversation_id: room, message_id: mine.id });
  const delivered = await raw.hears("message_delivered");
  assert.deepEqual([delivered.message_id, delivered.user_id, delivered.up_to_seq], [mine.id, rui.id, 1]);
  poll.say("mark_read", { room_id: room, up_to_seq: 1 });
  assert.equal((await raw.hears("message_read")).user_id, eva.id);
  await talk.hears("message:status", (it) => it.status === "read" && it.user_id === eva.id);
  await talk.does("send_message", { conversation_id: room, text: "and back" });
  const { message_id } = await raw.hears("new_message", (it) => it.text === "and back");
  await raw.ask("mark_read", { session_id: room, message_id });
  const status = await talk.hears("message:status", (it) => it.user_id === ana.id);
  assert.deepEqual([status.message_id, status.status], [message_id, "read"]);
});

test("what another system hands in and reports is heard in the words of each", async () => {
  const { rui, room: elsewhere, raw, talk, poll } = await meeting();
  const line = new Person("Line", { org: rui.org, role: "admin" });
  const [room, contact] = [await hub.room(rui, { kind: "conversation" }), randomUUID()];
  await raw.ask("join_session", { session_id: room });
  await talk.joins(room);
  await poll.enters(room);
  const said = { conversationId: room, content: "Olá?", senderType: "contact", contactId: contact, externalId: "wamid.1" };
  const { id } = await hub.as(line, "POST", "/api/v1/messages", said);
  const inbound = await talk.hears("message:new", (it) => it.id === id);
  assert.deepEqual([inbound.direction, inbound.sender_type, inbound.sender_id], ["inbound", "contact", contact]);
  assert.deepEqual([inbound.whatsapp_message_id, inbound.sender_name], ["wamid.1", ""]);
  assert.equal((await poll.hears("message_received", (it) => it.id === id)).user_id, contact);
  const frame = await raw.hears("new_message", (it) => it.message_id === id);
  assert.deepEqual([frame.from_me, frame.contact_id, frame.agent_id], [false, contact, undefined]);

  const answer = await talk.does("send_message", { conversation_id: room, text: "Olá!" });
  await raw.ask("mark_read", { session_id: room, up_to_seq: 2 });
  for (const status of ["delivered", "read", "delivered"]) {
    await hub.as(line, "PUT", `/api/v1/messages/${answer.id}/status`, { status });
  }
  const isReport = (it) => it.message_id === answer.id && it.user_id === undefined;
  for (const status of ["delivered", "read"]) {
    assert.deepEqual([(await talk.hears("message:status", isReport)).status, (await raw.hears("message_status", isReport)).status], [status, status]);
  }
  await hub.send(rui, room, "the last");
  await talk.hears("message:new", (it) => it.content.text === "the last");
  assert.equal(talk.heard("message:status").filter(isReport).length, 2, "each is heard once");
  const now = (await hub.history(rui, room)).find((it) => it.id === answer.id);
  assert.deepEqual([now.status, now.delivered_at !== null, now.read_at !== null], ["read", true, true]);
  assert.deepEqual(await hub.history(rui, elsewhere), []);
});

test("edits, deletions and reactions cross in all directions", async () => {
  const { ana, rui, eva, room, raw, talk, poll } = await meeting();
  const change = {
    raw: {
      edit: (message_id, text) => raw.ask("edit_message", { session_id: room, message_id, text }),
      react: (message_id, emoji) => raw.ask("react", { session_id: room, message_id, emoji }),
      remove: (message_id) => raw.ask("delete_message", { session_id: room, message_id }),
      who: ana,
    },
    talk: {
      edit: (message_id, text) => talk.does("edit_message", { conversation_id: room, message_id, text }),
      react: (message_id, emoji) => talk.does("react", { conversation_id: room, message_id, emoji }),
      remove: (message_id) => talk.does("delete_message", { conversation_id: room, message_id }),
      who: rui,
    },
    poll: {
      edit: (message_id, text) => poll.does("edit_message", { room_id: room, message_id, text }),
      react: (message_id, emoji) => poll.does("react", { room_id: room, message_id, emoji }),
      remove: (message_id) => poll.does("delete_message", { room_id: room, message_id }),
      who: eva,
    },
    rest: {
      edit: (id, text) => hub.as(ana, "PUT", `/api/v1/chat/messages/${id}`, { content: { text } }),
      react: (id, emoji) => hub.as(ana, "PUT", `/api/v1/chat/messages/${id}/reactions/${encodeURIComponent(emoji)}`),
      remove: (id) => hub.as(ana, "DELETE", `/api/v1/chat/messages/${id}`),
      who: ana,
    },
  };
  for (const [way, { edit, react, remove, who }] of Object.entries(change)) {
    const { id } = await hub.send(who, room, "before");
    await edit(id, `after, ${way}`);
    await react(id, "👍");
    await remove(id);
    const isIt = (it) => (it.message_id ?? it.id) === id;
    assert.equal((await talk.hears("message:updated", isIt)).content.text, `after, ${way}`);
    assert.equal((await poll.hears("message:updated", isIt)).content, `after, ${way}`);
    for (const client of [talk, poll]) {
      const reaction = await client.hears("message:reaction", isIt);
      assert.deepEqual([reaction.user_id, reaction.count], [who.id, 1], way);
      assert.equal((await client.hears("message:deleted", isIt)).deleted_by, who.id);
    }
    if (way === "raw") continue;
    assert.equal((await raw.hears("message_edited", isIt)).text, `after, ${way}`);
    assert.equal((await raw.hears("reaction_added", isIt)).user_id, who.id);
    await raw.hears("message_deleted", isIt);
  }
});

test("while all send at once, everyone hears the store's order", async () => {
  const { ana, room, raw, talk, poll } = await meeting();
  const late = await Client.open(hub, ana, { transports: ["polling", "websocket"] });
  await late.joins(room);
  const EACH = 60;
  const all = [];
  for (let i = 0; i < EACH; i++) {
    all.push(raw.ask("send_message", { session_id: room, text: `json ${i}`, client_message_id: randomUUID() }));
    all.push(talk.does("send_message", { conversation_id: room, text: `socket ${i}` }));
    all.push(poll.does("send_message", { room_id: room, content: `poll ${i}` }));
    if (i % 4 === 0) all.push(hub.send(ana, room, `http ${i}`));
  }
  await Promise.all(all);
  const stored = (await hub.history(ana, room)).map((it) => it.id);
  assert.equal(stored.length, all.length);
  for (const [client, event] of [[talk, "message:new"], [poll, "message_received"], [late, "message:new"]]) {
    await client.journal.until(`${client.name} hears all ${stored.length}`, () => client.heard(event).length >= stored.length);
    assert.deepEqual(client.heard(event).map((it) => it.id), stored);
  }
  const frames = () => raw.journal.entries.filter((it) => ["message_sent", "new_message"].includes(it.type));
  await raw.journal.until(`the JSON client hears all ${stored.length}`, () => frames().length >= stored.length);
  assert.deepEqual(frames().map((it) => it.payload.message_id), stored);
});

test("who comes and goes is told in the words of each", async () => {
  const { rui, eva, room, raw, poll } = await meeting();
  await raw.hears("user_joined", (it) => it.user_id === rui.id);
  await raw.hears("user_joined", (it) => it.user_id === eva.id);
  const guest = await Client.open(hub, rui);
  await guest.enters(room);
  await guest.does("leave_room", { room_id: room });
  await poll.does("leave_room", { room_id: room });
  assert.equal((await raw.hears("user_left", (it) => it.user_id === eva.id)).user_name, "Eva");
});
