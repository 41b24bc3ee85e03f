/**
 * Everyone is dropped at once and comes back, while senders go on: nothing is lost, nothing comes twice.
 *
 * DROP=revoke: all connections show one API key, which is revoked: the hub ends all of them in one moment (4401), and they come
 * back with the next key. DROP=close: the clients close. DROP=restart: whoever runs the test restarts the hub, DROPS times.
 */
import { Counter } from "k6/metrics";
import { until } from "./lib/clock.js";
import { begin, count, crowd, crowdOptions, takeSeat } from "./lib/crowd.js";
import { complain, thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { ask, makeKeys } from "./lib/rest.js";
import { comesBack } from "./lib/return.js";
import { summary } from "./lib/summary.js";
import { talking } from "./lib/talk.js";

const our = settings("reconnect_storm", {
  CONNECTIONS: [1000, 40],
  ROOMS: [50, 4],
  SENDERS: [1, 2],
  RATE: [50, 40],
  SIZE: [128, 128],
  DROP: ["revoke", "revoke"],
  DROPS: [2, 1],
  DURATION: ["30s", "3s"],
  DRAIN: ["10s", "2s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [50, 20],
  P95_MS: [10000, 10000],
  P99_MS: [20000, 20000],
});
if (!["revoke", "close", "restart"].includes(our.DROP)) throw new Error(`DROP=${our.DROP}: expected revoke, close or restart`);

// A connection that was not dropped as often as it should be has proved nothing.
const missingDrops = new Counter("missing_drops");

export const options = crowdOptions(our, thresholds(our, "back", { acked: ["count>0"], missing_drops: ["count==0"] }));
export const handleSummary = summary(our, "Everyone dropped at once", ({ time, count, whole }) => [
  ["drops", `${whole(our.CONNECTIONS * our.DROPS - count("missing_drops"))} of ${whole(our.CONNECTIONS * our.DROPS)}`],
  ["back after", time("back_ms")],
]);

export function setup() {
  const keys = our.DROP === "revoke" ? makeKeys(our, our.DROPS + 1) : [];
  missingDrops.add(our.CONNECTIONS * our.DROPS);
  return { ...begin(our), keys };
}

async function come(_, run, connection) {
  let drops = 0;
  const key = () => run.keys[drops]?.key;
  connection.token = key() ?? connection.token;
  await takeSeat(our, run, connection);
  comesBack(connection, run, () => {
    drops += 1;
    missingDrops.add(-1);
    connection.token = key() ?? connection.token;
  });
}

/** At each of the moments that lie evenly between the first message and the last. */
async function dropAll(run, connections) {
  for (let drop = 0; drop < our.DROPS; drop += 1) {
    await until(run.speakAt + ((drop + 1) / (our.DROPS + 1)) * our.DURATION * 1000);
    if (our.DROP === "close") for (const connection of connections) connection.drop();
    if (our.DROP === "revoke" && connections.some(({ index }) => index === 0)) revoke(run.keys[drop]);
  }
}

function revoke({ id }) {
  try {
    ask(our, "DELETE", `/api/v1/auth/api-keys/${id}`, { name: "/api/v1/auth/api-keys/{id}" });
  } catch (error) {
    complain(error.message);
  }
}

/** The last key is good until then. */
export function teardown({ keys }) {
  if (keys.length) revoke(keys[our.DROPS]);
}

export default (run) =>
  crowd(
    our,
    run,
    async (connections) => {
      await Promise.all([talking(our, run, connections), dropAll(run, connections)]);
      await count(connections, run);
    },
    come,
  );
