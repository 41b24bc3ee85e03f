/**
 * A working day in small: people in several rooms write, type, read, react, correct themselves, look who is there, scroll up,
 * and now and then shut their laptop and come back. Whatever they do, everyone hears each message once.
 */
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";
import { now, sleep, until } from "./lib/clock.js";
import { begin, count, crowd, crowdOptions, room } from "./lib/crowd.js";
import { complain, requests, thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { comesBack } from "./lib/return.js";
import { sabotage } from "./lib/sabotage.js";
import { summary } from "./lib/summary.js";

const our = settings("day_in_the_life", {
  CONNECTIONS: [300, 30],
  ROOMS: [60, 8],
  ROOMS_EACH: [3, 2],
  THINK: ["3s", "0.2s"],
  SIZE: [128, 128],
  DURATION: ["60s", "3s"],
  DRAIN: ["5s", "2s"],
  RAMP: [100, 0],
  SOCKETS_PER_VU: [30, 15],
});
if (our.ROOMS_EACH > our.ROOMS) throw new Error(`ROOMS_EACH=${our.ROOMS_EACH}: expected at most ROOMS=${our.ROOMS}`);

const deeds = new Counter("deeds");
const answers = new Trend("answer_ms"); // marks, edits, reactions, lists of who is there
const history = new Trend("history_ms"); // pages over HTTP

export const options = crowdOptions(our, thresholds(our, "delivery", { acked: ["count>0"], deeds: ["count>0"] }));
export const setup = () => begin(our);
export const handleSummary = summary(our, "A day in the life", ({ count, time, whole }) => [
  ["deeds", whole(count("deeds"))],
  ["answers", time("answer_ms")],
  ["history", time("history_ms")],
  ["back after", time("back_ms")],
]);

/** What people do, and how often in comparison. Each gets a connection and one of its rooms. */
const DEEDS = [
  [40, write],
  [25, markRead],
  [10, react],
  [5, edit],
  [5, lookWhoIsThere],
  [10, scrollUp],
  [5, goAndComeBack],
];

async function write(connection, where) {
  connection.tell("typing", { session_id: where, is_typing: true });
  await sleep(our.THINK * 200);
  connection.latest = { where, ...(await connection.say(where)) };
}

async function markRead(connection, where) {
  const { last } = connection.rooms.get(where);
  if (last) await connection.ask("mark_read", { session_id: where, up_to_seq: last }, answers);
}

async function react(connection) {
  if (!connection.latestHeard) return;
  const { session_id, message_id } = connection.latestHeard;
  await connection.ask("react", { session_id, message_id, emoji: "👍" }, answers);
}

async function edit(connection) {
  if (!connection.latest) return;
  const { where, message_id, text } = connection.latest;
  // The time of sending stays in front: those who hear of the message later look for it there.
  await connection.ask("edit_message", { session_id: where, message_id, text: `${text.slice(0, -1)}!` }, answers);
}

async function lookWhoIsThere(connection, where) {
  await connection.ask("get_presence", { session_id: where }, answers);
}

async function scrollUp(connection, where) {
  const params = { headers: { Authorization: `Bearer ${connection.token}` }, tags: { name: "GET history" } };
  const answer = await http.asyncRequest("GET", `${our.HUB}/api/v1/chat/rooms/${where}/messages?limit=50`, null, params);
  requests.add(answer.status !== 200);
  if (answer.status === 200) history.add(answer.timings.duration);
  else complain(`a page was refused: ${answer.status} ${answer.body ?? answer.error}`);
}

async function goAndComeBack(connection) {
  await connection.drop(our.THINK * 1000 * (0.5 + Math.random()));
  await connection.returning;
}

/** Each sits in rooms that follow each other in number, so that every room has people of several others. */
function roomsOf(run, index) {
  const first = index * our.ROOMS_EACH;
  return Array.from({ length: our.ROOMS_EACH }, (_, nth) => room(run, (first + nth) % our.ROOMS));
}

function membersOf(run) {
  const members = new Map();
  for (let index = 0; index < our.CONNECTIONS; index += 1) {
    for (const id of roomsOf(run, index)) members.set(id, (members.get(id) ?? 0) + 1);
  }
  return members;
}

async function live(connection, run) {
  const total = DEEDS.reduce((sum, [weight]) => sum + weight, 0);
  const rooms = [...connection.rooms.keys()];
  await until(run.speakAt);
  for (;;) {
    await sleep(our.THINK * 1000 * (0.5 + Math.random()));
    if (now() >= run.quietAt || !rooms.length) return;
    let lot = Math.random() * total;
    const [, deed] = DEEDS.find(([weight]) => (lot -= weight) < 0);
    try {
      await deed(connection, rooms[Math.floor(Math.random() * rooms.length)]);
      deeds.add(1);
    } catch (error) {
      complain(`connection ${connection.index}: ${error.message}`);
    }
  }
}

export default function day(run) {
  const members = membersOf(run);
  const come = async (_, __, connection) => {
    connection.joinWith = { presence: true };
    await connection.open();
    comesBack(connection, run);
    const heard = connection.onFrame;
    connection.onFrame = (type, payload) => {
      if (type === "new_message") connection.latestHeard = payload;
      heard(type, payload);
    };
    const isDeaf = sabotage(our, connection);
    for (const id of roomsOf(run, connection.index)) {
      connection.audience.set(id, members.get(id) - 1);
      if (!isDeaf) await connection.join(id, 0);
    }
  };
  const work = async (connections) => {
    await Promise.all([...connections.map((connection) => live(connection, run)), until(run.quietAt)]);
    await count(connections, run);
  };
  return crowd(our, run, work, come);
}
