/**
 * The time in milliseconds, with microseconds behind the point: the script's own clock counts whole milliseconds only.
 *
 * k6 stamps each message with the exact time at which it was read from the socket (`event.timestamp`), before it waits for
 * the script. With an exact time in the message itself, a latency does not contain how busy the script is.
 */
import exec from "k6/execution";

let offset;

/** Finds out how the exact duration of the run and the wall clock lie: once in each virtual user, for at most a millisecond. */
function calibrated() {
  const before = Date.now();
  let after = before;
  while (after === before) after = Date.now();
  return after - exec.instance.currentTestRunDuration;
}

export function now() {
  offset ??= calibrated();
  return offset + exec.instance.currentTestRunDuration;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Until a moment of the run, which is the same one in all virtual users. */
export const until = (moment) => sleep(moment - now());
