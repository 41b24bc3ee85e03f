/** How a connection comes back that has ended: at once, or when the hub asks it to; then ever more patiently. */
import { Trend } from "k6/metrics";
import { now, sleep } from "./clock.js";
import { complain, note } from "./ledger.js";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 3_000;

const back = new Trend("back_ms"); // from the first attempt to come back until it was in all its rooms again

/** From now on it comes back whenever it is lost, until it is time to count. `onLost` hears each loss first. */
export function comesBack(connection, run, onLost = () => {}) {
  let restartAfter = null;
  connection.onFrame = (type, payload) => {
    if (type === "server_restarting") restartAfter = payload.reconnect_after_ms;
  };
  connection.onLost = (code, reason, awayMs = 0) => {
    if (connection.returning) return; // Lost again while coming back: whoever tries has heard.
    onLost(code, reason);
    const wait = code === 1012 ? restartAfter : awayMs;
    connection.returning = comeBack(connection, run, wait).finally(() => (connection.returning = null));
  };
}

async function comeBack(connection, run, wait) {
  await sleep(wait);
  const began = now();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      await connection.resume();
      back.add(now() - began);
      return;
    } catch (error) {
      if (now() > run.countAt) {
        note("closed_unasked");
        complain(`connection ${connection.index} did not come back: ${error.message}`);
        return;
      }
    }
    await sleep(pause * (0.5 + Math.random()));
  }
}
