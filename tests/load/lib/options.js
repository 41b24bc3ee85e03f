/**
 * What a load test can be told by environment variables: every name, its unit and its default, in one place.
 *
 * A workload names those that it heeds, each with its default and its value under SMOKE=1, where a run lasts a few seconds.
 */
import { SABOTAGES } from "./sabotage.js";

/** What the names mean; README.md tells the same to people. Durations are seconds, or written `90s`, `5m`, `2h`. */
const NAMES = {
  HUB: { default: "http://127.0.0.1:8080", unit: "the hub's address" },
  JWT_SECRET: { default: "", unit: "what the hub's tokens are signed with: each connection is a user of its own" },
  TOKEN: { default: "", unit: "a token or an API key instead: all connections are its user" },
  ORG: { default: "22222222-2222-4222-8222-222222222222", unit: "the organization of the tokens, a UUID" },
  CONNECTIONS: { number: true, unit: "connections" },
  ROOMS: { number: true, unit: "rooms that the connections are spread over" },
  SENDERS: { number: true, unit: "connections in each room that send" },
  RATE: { number: true, unit: "messages a second, over all senders" },
  WINDOW: { number: true, unit: "messages that a sender has unacknowledged at a time" },
  SIZE: { number: true, unit: "bytes of text in a message" },
  DURATION: { seconds: true, unit: "how long the load lasts" },
  DRAIN: { seconds: true, unit: "from the last message until everything is counted" },
  RAMP: { number: true, unit: "connections opened a second; 0: as fast as possible" },
  CONCURRENCY: { number: true, unit: "connections being opened at a time" },
  SOCKETS_PER_VU: { number: true, unit: "connections that share one of k6's virtual users" },
  SLOW: { number: true, unit: "connections that stop reading" },
  DROPS: { number: true, unit: "how often everyone is dropped" },
  DROP: { unit: "how: `revoke` (the hub ends all connections), `close` (the clients do), `restart` (you restart the hub)" },
  HISTORY: { number: true, unit: "messages in each room's past" },
  PAGE: { number: true, unit: "messages asked for at a time" },
  READERS: { number: true, unit: "readers at a time" },
  ROOMS_EACH: { number: true, unit: "rooms that each person is in" },
  THINK: { seconds: true, unit: "between two things that a person does, on average" },
  P95_MS: { number: true, unit: "milliseconds that 95 of 100 deliveries (or answers) may take at most" },
  P99_MS: { number: true, unit: "milliseconds that 99 of 100 may take at most" },
  ERROR_RATE: { number: true, default: 0, unit: "share of requests that may fail, 0 to 1" },
  SABOTAGE: { default: "", unit: "to see a run fail: `deaf`, `lose` or `repeat` one thing on purpose" },
};

/** For a machine that hub and k6 share, and that may be busy besides: what is lost counts anywhere, what is slow only on yours. */
const LATENCIES = { P95_MS: [2000, 10000], P99_MS: [5000, 20000] };

/** `90`, `90s`, `5m` or `2h`, in seconds. */
function seconds(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text) ?? [];
  return number === undefined ? NaN : Number(number) * ({ m: 60, h: 3600 }[unit] ?? 1);
}

function parsed(name, text) {
  const { number: isNumber, seconds: isTime } = NAMES[name];
  if (!isNumber && !isTime) return String(text);
  const value = isTime ? seconds(String(text)) : Number(text);
  if (Number.isNaN(value) || value < 0) {
    throw new Error(`${name}=${text}: expected a number${isTime ? " of seconds, or 90s, 5m, 2h" : " that is not negative"}`);
  }
  return value;
}

/**
 * The settings of a workload: `{ CONNECTIONS: [1000, 30] }` has the default 1000, and 30 under SMOKE=1. Those that every
 * workload heeds need not be named.
 */
export function settings(workload, named) {
  const own = { ...named, ...LATENCIES, ...named }; // what was named goes before, in place and in value
  const smoke = !["", "0", undefined].includes(__ENV.SMOKE);
  const known = { ...Object.fromEntries(Object.entries(NAMES).filter(([, it]) => "default" in it)), ...own };
  const result = { workload, smoke, own: Object.keys(own) };
  for (const name of Object.keys(known)) {
    if (!NAMES[name]) throw new Error(`${name}: lib/options.js does not know this name`);
    const fallback = name in own ? own[name][smoke ? 1 : 0] : NAMES[name].default;
    result[name] = parsed(name, __ENV[name] || fallback);
  }
  if (!/^https?:\/\/[^/]+$/.test(result.HUB)) throw new Error(`HUB=${result.HUB}: expected the like of http://127.0.0.1:8080`);
  if (!SABOTAGES.includes(result.SABOTAGE)) throw new Error(`SABOTAGE=${result.SABOTAGE}: expected one of ${SABOTAGES.slice(1)}`);
  if (!result.TOKEN && !result.JWT_SECRET) throw new Error("JWT_SECRET (the hub's) or TOKEN is needed");
  return result;
}
