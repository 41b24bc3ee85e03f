/**
 * Many connections that say nothing: does the hub keep them, ping them, and does each still hear when at last somebody speaks?
 *
 * What a connection costs is read at the hub meanwhile: its resident memory and its CPU time, as README.md shows.
 */
import { Counter } from "k6/metrics";
import { now } from "./lib/clock.js";
import { arrival, begin, count, crowd, crowdOptions, rollCall, takeSeat } from "./lib/crowd.js";
import { thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { summary } from "./lib/summary.js";

const our = settings("idle_soak", {
  CONNECTIONS: [5000, 60],
  ROOMS: [100, 6],
  DURATION: ["2m", "5s"],
  DRAIN: ["3s", "1s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [200, 20],
});
Object.assign(our, { SENDERS: 1, lengths: { arrive: arrival(our) + our.DURATION, speak: 0 } });

const heartbeats = new Counter("heartbeats");
const missed = new Counter("missed_heartbeats");

export const options = crowdOptions(our, thresholds(our, "delivery", { missed_heartbeats: ["count==0"] }));
export const setup = () => begin(our);
export const handleSummary = summary(our, "Idle connections", ({ count, whole }) => [
  ["heartbeats", `${whole(count("heartbeats"))} heard, ${whole(count("missed_heartbeats"))} missed`],
]);

async function come(settings, run, connection) {
  connection.onFrame = (type, payload) => {
    if (type === "connected") Object.assign(connection, { since: now(), everyMs: payload.heartbeat_interval * 1000 });
  };
  await takeSeat(settings, run, connection);
}

/** The hub pings at its interval; the last one may be on its way. */
function countHeartbeats({ since, everyMs = 0, pings }) {
  const due = everyMs ? Math.floor((now() - since) / everyMs) - 1 : 0;
  heartbeats.add(pings);
  missed.add(Math.max(0, due - pings));
}

export default (run) =>
  crowd(
    our,
    run,
    async (connections) => {
      await rollCall(connections, run);
      await count(connections, run);
      connections.forEach(countHeartbeats);
    },
    come,
  );
