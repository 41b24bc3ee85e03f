/** The plainest workload: connections sit in rooms, some speak at an even pace, everyone hears everything. */
import { begin, count, crowd, crowdOptions, speak, takeSeat } from "./crowd.js";
import { thresholds } from "./ledger.js";
import { summary } from "./summary.js";

/** What a workload of this kind exports. `Kind`: as for `crowd`. */
export function talk(our, title, Kind) {
  return {
    options: crowdOptions(our, thresholds(our, "delivery", { acked: ["count>0"] })),
    setup: () => begin(our),
    handleSummary: summary(our, title),
    run: (run) =>
      crowd(
        our,
        run,
        async (connections) => {
          await talking(our, run, connections);
          await count(connections, run);
        },
        takeSeat,
        Kind,
      ),
  };
}

/** All senders speak, RATE messages a second together. */
export async function talking(our, run, connections) {
  const senders = connections.filter(({ seat }) => seat.isSender);
  const interval = (1000 * sendersOf(our)) / our.RATE;
  await Promise.all(senders.map((sender) => speak(sender, run, interval, () => sender.say(sender.seat.room))));
}

/** In all rooms; a room has no more of them than it has members. */
function sendersOf({ CONNECTIONS, ROOMS, SENDERS }) {
  return Math.min(CONNECTIONS, ROOMS * SENDERS);
}
