/**
 * Durable sends: how many messages a second the hub stores, syncs to disk and acknowledges, and how long a sender waits.
 *
 * Each sender has WINDOW messages on their way, and sends the next when one is acknowledged; or all together send RATE a second.
 * In the end every room is read from its beginning: what was acknowledged is there, once.
 */
import { now, until } from "./lib/clock.js";
import { Connection } from "./lib/connection.js";
import { begin, count, crowd, crowdOptions, room, seat, settle, speak } from "./lib/crowd.js";
import { complain, thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { sabotage } from "./lib/sabotage.js";
import { summary } from "./lib/summary.js";

const our = settings("durable_sends", {
  CONNECTIONS: [256, 30],
  ROOMS: [64, 10],
  WINDOW: [1, 1],
  RATE: [0, 0],
  SIZE: [128, 128],
  DURATION: ["20s", "2s"],
  DRAIN: ["2s", "1s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [32, 15],
});

export const options = crowdOptions(our, thresholds(our, "ack", { acked: ["count>0"] }));
export const setup = () => begin(our);
export const handleSummary = summary(our, "Durable sends");

/** Senders do not join: they hear their acknowledgements, and nothing else. Each message will be read once, at the end. */
async function come(settings, run, connection) {
  connection.seat = seat(settings, run, connection.index);
  connection.audience.set(connection.seat.room, 1);
  await connection.open();
}

async function keepSending(connection, run) {
  await until(run.speakAt);
  while (now() < run.quietAt) await connection.say(connection.seat.room);
}

/** Reads a room from its beginning, as somebody who has sent nothing. */
async function readBack(run, number) {
  const reader = new Connection(our, run, our.CONNECTIONS + number);
  try {
    await reader.open();
    if (!sabotage(our, reader, our.CONNECTIONS)) await reader.join(room(run, number), 0);
    await settle(reader);
  } catch (error) {
    complain(`room ${number} could not be read: ${error.message}`);
  }
  await reader.close();
}

export default (run) =>
  crowd(
    our,
    run,
    async (connections) => {
      const interval = (1000 * our.CONNECTIONS) / our.RATE;
      for (const connection of connections) {
        if (our.RATE) speak(connection, run, interval, () => connection.say(connection.seat.room));
        else for (let sending = 0; sending < our.WINDOW; sending += 1) keepSending(connection, run);
      }
      await count(connections, run);
      for (const { index } of connections) if (index < our.ROOMS) await readBack(run, index);
    },
    come,
  );
