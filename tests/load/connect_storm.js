/**
 * A storm of connections: everyone comes at once, shows a token, and joins a room. How fast are they let in?
 *
 * DURATION is the time that they have for it. Then one in each room speaks, and everyone has to hear it: so a connection that
 * only seems to be open is found.
 */
import { begin, count, crowd, crowdOptions, rollCall } from "./lib/crowd.js";
import { thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { summary } from "./lib/summary.js";

const our = settings("connect_storm", {
  CONNECTIONS: [2000, 60],
  ROOMS: [50, 6],
  CONCURRENCY: [200, 60],
  DURATION: ["20s", "4s"],
  DRAIN: ["2s", "1s"],
  SOCKETS_PER_VU: [50, 20],
});
Object.assign(our, { SENDERS: 1, RAMP: 0, lengths: { arrive: our.DURATION, speak: 0 } });

export const options = crowdOptions(our, thresholds(our, "connect", { late: ["count==0"] }));
export const setup = () => begin(our);
export const handleSummary = summary(our, "A storm of connections", ({ count, metrics, whole, short }) => {
  const seconds = metrics.here_ms.values.max / 1000;
  const all = count("connected");
  return [["storm", `${whole(all)} connected and joined in ${short(seconds)} s: ${whole(all / seconds)} a second`]];
});

export default (run) =>
  crowd(our, run, async (connections) => {
    await rollCall(connections, run);
    await count(connections, run);
  });
