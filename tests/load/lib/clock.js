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

/**
 * Calls after so long, and no earlier: a timer of k6 that is set while another one rings may make a third one ring with it, long
 * before its time. Returns what calls it off.
 */
export function alarm(ms, call) {
  const due = now() + ms;
  let timer;
  const ring = () => {
    const left = due - now();
    if (left > 1) timer = setTimeout(ring, left);
    else call();
  };
  timer = setTimeout(ring, Math.max(1, ms));
  return () => clearTimeout(timer);
}

export const sleep = (ms) => (ms > 0 ? new Promise((resolve) => alarm(ms, resolve)) : Promise.resolve());

/** Until a moment of the run, which is the same one in all virtual users. */
export const until = (moment) => sleep(moment - now());
