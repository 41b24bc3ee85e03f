/** Fan-out in one large room: a few people speak, everyone hears each message, in order, once. How long does that take? */
import { begin, count, crowd, crowdOptions, speak } from "./lib/crowd.js";
import { thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { summary } from "./lib/summary.js";

const our = settings("fanout_large_room", {
  CONNECTIONS: [1000, 40],
  ROOMS: [1, 1],
  SENDERS: [4, 4],
  RATE: [10, 40],
  SIZE: [128, 128],
  DURATION: ["30s", "2s"],
  DRAIN: ["3s", "1s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [50, 20],
  P95_MS: [250, 2000],
  P99_MS: [500, 5000],
});

export const options = crowdOptions(our, thresholds(our, "delivery", { acked: ["count>0"] }));
export const setup = () => begin(our);
export const handleSummary = summary(our, "Fan-out in one large room");

export default async function (run) {
  const interval = (1000 * our.SENDERS * our.ROOMS) / our.RATE;
  await crowd(our, run, async (connections) => {
    const senders = connections.filter(({ seat }) => seat.isSender);
    await Promise.all(senders.map((sender) => speak(sender, run, interval, () => sender.say(sender.seat.room))));
    await count(connections, run);
  });
}
