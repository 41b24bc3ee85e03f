/**
 * Many connections in one k6: how they are shared among virtual users, who sits in which room, and the course of a run.
 *
 * A virtual user is a JavaScript engine of some megabytes, and a socket costs only some kilobytes: so each has many sockets.
 * They know nothing of each other; what they have in common is the clock: come in, speak, be quiet, count, go.
 */
import exec from "k6/execution";
import { now, sleep, until } from "./clock.js";
import { Connection } from "./connection.js";
import { complain, expect, handOver, note, requests, times } from "./ledger.js";
import { greet } from "./rest.js";
import { sabotage } from "./sabotage.js";

const HEAD_START_MS = 300;
const END_S = 60;

export const users = ({ CONNECTIONS, SOCKETS_PER_VU }) => Math.max(1, Math.ceil(CONNECTIONS / SOCKETS_PER_VU));

/** How long the parts of a run take, in seconds. A workload may set `settings.lengths` itself. */
const lengths = (settings) => ({ arrive: arrival(settings), speak: settings.DURATION, ...settings.lengths });

/** Until all are in at the pace of RAMP, and a moment for the last ones to join. */
export const arrival = ({ RAMP, CONNECTIONS }) => (RAMP ? CONNECTIONS / RAMP : 0) + 1;

/** k6's own options for a crowd. */
export function crowdOptions(settings, thresholds) {
  const { arrive, speak } = lengths(settings);
  const length = Math.ceil(arrive + speak + settings.DRAIN + END_S);
  const scenario = { executor: "per-vu-iterations", iterations: 1, maxDuration: `${length}s`, gracefulStop: "0s" };
  return { ...commonOptions(thresholds), scenarios: { crowd: { ...scenario, vus: users(settings) } } };
}

/** Addresses are left out of what k6 notes with each sample: it would keep a time series for each of them. */
export const commonOptions = (thresholds) => ({
  thresholds,
  systemTags: ["scenario", "status", "name", "error_code"],
  summaryTrendStats: ["count", "min", "med", "p(95)", "p(99)", "max"],
});

/** The moments of a run, the same for everyone: made once, in `setup`. */
export function begin(settings) {
  greet(settings);
  const { arrive, speak } = lengths(settings);
  const zero = Date.now() + HEAD_START_MS;
  const speakAt = zero + arrive * 1000;
  const quietAt = speakAt + speak * 1000;
  const slow = settings.SLOW ?? 0; // each of these has a virtual user of its own
  expect(users(settings) + slow, settings.CONNECTIONS + slow);
  return { id: crypto.randomUUID().slice(0, 8), zero, speakAt, quietAt, countAt: quietAt + settings.DRAIN * 1000 };
}

/** A room of this run: each run has its own, so that `seq` begins at 1. */
export const room = (run, number) => `${run.id}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;

/** Which room a connection sits in, who sits there with it, and whether it sends: the first ones of each room do. */
export function seat({ CONNECTIONS, SLOW = 0, ROOMS, SENDERS }, run, index) {
  const number = index % ROOMS;
  const members = Math.floor((CONNECTIONS + SLOW - number - 1) / ROOMS) + 1;
  return { room: room(run, number), others: members - 1, isSender: Math.floor(index / ROOMS) < (SENDERS ?? 0) };
}

/**
 * Runs this virtual user's share of the crowd; `work` gets its connections, which are open and have joined. `Kind`: what is
 * spoken on them.
 */
export async function crowd(settings, run, work, come = takeSeat, Kind = Connection) {
  const step = users(settings);
  const mine = [];
  for (let index = exec.scenario.iterationInTest; index < settings.CONNECTIONS; index += step) {
    mine.push(new Kind(settings, run, index));
  }
  const width = settings.CONCURRENCY ? Math.max(1, Math.floor(settings.CONCURRENCY / step)) : mine.length;
  const here = [];
  await inPool(mine, width, async (connection) => {
    if (settings.RAMP) await until(run.zero + (connection.index / settings.RAMP) * 1000);
    else await until(run.zero);
    try {
      await come(settings, run, connection);
      note("connected");
      note("missing_connections", -1);
      if (now() > run.speakAt) note("late");
      times.here.add(now() - run.zero);
      here.push(connection);
    } catch (error) {
      requests.add(true);
      complain(`connection ${connection.index} did not come in: ${error.message}`);
      await connection.close();
    }
  });
  await toTheEnd(here, () => work(here));
}

/** What a virtual user does, and its end: its connections are closed, and what it has counted is handed over. */
export async function toTheEnd(connections, work) {
  try {
    await work();
    note("missing_users", -1);
  } catch (error) {
    complain(error.stack ?? error.message);
  }
  await Promise.all(connections.map((connection) => connection.close()));
  handOver();
}

/** Opens, and joins the room of its seat from its beginning, so that who is late misses nothing. */
export async function takeSeat(settings, run, connection) {
  const { room, others } = (connection.seat = seat(settings, run, connection.index));
  await connection.open();
  connection.audience.set(room, others);
  if (sabotage(settings, connection)) return;
  await connection.join(room, 0);
}

/** Does something to all of them, to so many at a time. */
export async function inPool(items, width, work) {
  const queue = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}

/** One message in each room, from the first of those who may send, so that everyone who is there proves it. */
export async function rollCall(connections, run) {
  await until(run.speakAt);
  for (const connection of connections) if (connection.seat.isSender) connection.say(connection.seat.room, "is everyone here? ");
}

/** Speaks at an even pace until it is time to be quiet. Who is behind its pace catches up. */
export async function speak(connection, run, interval, say) {
  for (let at = run.speakAt + Math.random() * interval; at < run.quietAt; at += interval) {
    await until(at);
    if (now() >= run.quietAt) return;
    say(connection);
  }
}

/** Once everything has been said and had time to arrive: asks the hub how far each room has come, and counts what is missing. */
export async function count(connections, run) {
  await until(run.countAt);
  await Promise.all(connections.map(settle));
}

/** Waits for what is on its way, and counts what is missing. Nothing is on its way when the hub says twice that it is not. */
export async function settle(connection) {
  await connection.returning;
  await comes(connection, () => connection.unacknowledged.size === 0);
  await Promise.all([...connection.rooms].map(([room, log]) => settleRoom(connection, room, log)));
}

async function settleRoom(connection, room, log) {
  try {
    let last = null;
    for (let said = await connection.lastSeq(room); said !== last; said = await connection.lastSeq(room)) {
      last = said;
      await comes(connection, () => log.hasAll(last));
      await sleep(connection.settings.smoke ? 300 : 1_000);
    }
    log.settle(last);
  } catch (error) {
    complain(`connection ${connection.index}: how far the room is was not told: ${error.message}`);
  }
}

/** Waits until `isThere`, as long as the connection hears something. */
async function comes(connection, isThere) {
  const patience = connection.settings.smoke ? 1_500 : 5_000;
  for (let quiet = 0, heard = connection.heard; !isThere() && quiet < patience; quiet += 50) {
    await sleep(50);
    if (connection.heard !== heard) [quiet, heard] = [0, connection.heard];
  }
}
