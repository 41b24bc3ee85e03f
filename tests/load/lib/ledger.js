/**
 * What is counted, and what makes a run fail.
 *
 * k6 cannot compare two counters, and virtual users share nothing. So what has to come out even is one counter that both
 * sides change: an acknowledgement adds the number of those who have to hear the message, each delivery takes one away, and
 * in the end it is 0 or something is missing. In the same way everyone who was to take part is taken off by doing so: a
 * connection that never came or a script that broke down leaves its mark.
 */
import { Counter, Rate, Trend } from "k6/metrics";

const counters = {};
for (const name of [
  "missing_users", // k6's virtual users that were to run, less those that came to their end
  "missing_connections", // connections that were to be opened and to join, less those that did
  "missing_acks", // messages sent, less those acknowledged
  "missing_deliveries", // for each acknowledged message everyone else in its room, less those who heard it
  "lost", // messages that a connection in a room never heard, though others behind them came or the hub has counted them
  "repeated", // messages that a connection heard twice
  "disordered", // messages that a connection heard after a later one
  "closed_unasked", // connections that ended though nobody wanted it
  "late", // connections that had not joined when the others began to send
  "sent",
  "acked",
  "delivered",
  "replayed", // deliveries that had been said before the join, or while the connection was away
  "connected",
]) {
  counters[name] = new Counter(name);
}

/** What has to be 0 in the end, in every workload. */
const EVEN = [
  "missing_users",
  "missing_connections",
  "missing_acks",
  "missing_deliveries",
  "lost",
  "repeated",
  "disordered",
  "closed_unasked",
];

export const times = {
  here: new Trend("here_ms"), // from the beginning of the run until a connection had joined
  connect: new Trend("connect_ms"), // from the beginning until the hub said `connected`
  join: new Trend("join_ms"),
  ack: new Trend("ack_ms"), // from sending until the acknowledgement was read from the socket
  delivery: new Trend("delivery_ms"), // from sending until another connection's copy was read from its socket
  behind: new Trend("behind_ms"), // from reading to the script's turn: k6's own delay, which is in none of the others
};
export const requests = new Rate("failed_requests");

let book = {};

/** Notes in memory; k6 hears of it at the end, since a million single notes would slow down what is measured. */
export function note(name, count = 1) {
  if (!counters[name]) throw new Error(`nothing of the name ${name} is counted`);
  book[name] = (book[name] ?? 0) + count;
}

/** Hands over what was noted. What is never handed over, because a script broke down, is missing in the end. */
export function handOver() {
  for (const [name, count] of Object.entries(book)) counters[name].add(count);
  book = {};
}

let complaints = 0;

/** Says what went wrong, a few times in each virtual user: after that the counts say enough. */
export function complain(text) {
  complaints += 1;
  if (complaints <= 5) console.warn(text);
}

/** At the start, once: how many have to come. */
export function expect(users, connections) {
  counters.missing_users.add(users);
  counters.missing_connections.add(connections);
}

/** The thresholds of a workload: `latency` names the time that P95_MS and P99_MS are about. */
export function thresholds(settings, latency, more = {}) {
  const result = { failed_requests: [`rate<=${settings.ERROR_RATE}`], ...more };
  if (settings.CONNECTIONS !== undefined) result.connected = ["count>0"];
  for (const name of EVEN) result[name] = ["count==0"];
  const bounds = [];
  if (settings.P95_MS) bounds.push(`p(95)<${settings.P95_MS}`);
  if (settings.P99_MS) bounds.push(`p(99)<${settings.P99_MS}`);
  if (latency && bounds.length) result[`${latency}_ms`] = bounds;
  return result;
}
