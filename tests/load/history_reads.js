/**
 * Reading the past over HTTP: people scroll up from the newest message to the first, while others go on writing.
 *
 * The rooms are filled first. Then each page has to go on exactly where the one before it ended, and at the end each room must
 * have as many messages as were put into it.
 */
import exec from "k6/execution";
import { Counter, Trend } from "k6/metrics";
import http from "k6/http";
import { commonOptions, room } from "./lib/crowd.js";
import { complain, requests, thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { ask, call, greet, sending } from "./lib/rest.js";
import { tampered } from "./lib/sabotage.js";
import { summary } from "./lib/summary.js";
import { token } from "./lib/tokens.js";

const our = settings("history_reads", {
  READERS: [20, 5],
  ROOMS: [20, 3],
  HISTORY: [500, 60],
  PAGE: [50, 25],
  RATE: [20, 10],
  SIZE: [128, 128],
  DURATION: ["30s", "3s"],
});
const BATCH = 50;

const page = new Trend("page_ms"); // from asking until the answer was read
const pages = new Counter("pages");
const messages = new Counter("messages_read");
const astray = new Counter("pages_astray"); // did not go on where the page before them ended
const unfinished = new Counter("unfinished"); // readers and writers that began, less those that came to their end
const written = new Counter("written");
const missing = new Counter("missing_messages"); // put into the rooms, less those that are there in the end

const zero = ["count==0"];
const some = ["count>0"];
const exact = { pages_astray: zero, missing_messages: zero, unfinished: zero, pages: some, written: some };
export const options = {
  ...commonOptions(thresholds(our, "page", exact)),
  setupTimeout: "10m",
  batch: BATCH,
  batchPerHost: BATCH,
  scenarios: {
    read: { executor: "constant-vus", vus: our.READERS, duration: `${our.DURATION}s`, gracefulStop: "30s", exec: "read" },
    write: {
      executor: "constant-arrival-rate",
      rate: our.RATE,
      duration: `${our.DURATION}s`,
      preAllocatedVUs: Math.max(10, our.RATE),
      exec: "write",
    },
  },
};

export const handleSummary = summary(our, "Reading the past over HTTP", ({ count, time, whole }) => [
  ["read", `${whole(count("pages"))} pages (${whole(count("pages") / our.DURATION)}/s), ${whole(count("messages_read"))} messages`],
  ["written", `${whole(count("written"))} messages meanwhile`],
  ["page", time("page_ms")],
]);

const path = (id) => `/api/v1/chat/rooms/${id}/messages`;
const NAME = path("{id}");
const anyRoom = (run) => room(run, Math.floor(Math.random() * our.ROOMS));

export function setup() {
  greet(our);
  const run = { id: crypto.randomUUID().slice(0, 8) };
  for (let number = 0; number < our.ROOMS; number += 1) {
    const id = room(run, number);
    ask(our, "POST", "/api/v1/chat/rooms", { body: { id, kind: "conversation", name: `Load ${number}` } });
    for (let first = 1; first <= our.HISTORY; first += BATCH) {
      const size = Math.min(BATCH, our.HISTORY + 1 - first);
      const answers = http.batch(Array.from({ length: size }, () => sending(our, id)));
      const refused = answers.find(({ status }) => status !== 201);
      if (refused) throw new Error(`a room could not be filled: ${refused.status} ${refused.body}`);
    }
  }
  return run;
}

/** One room from its end to its beginning, page by page. */
export function read(run) {
  unfinished.add(1);
  readRoom(run);
  unfinished.add(-1);
}

function readRoom(run) {
  const as = token(our, exec.vu.idInTest);
  const address = path(anyRoom(run));
  let below = null; // the `seq` that has to come next; the first page may begin anywhere behind the history
  let next = "";
  do {
    const answer = call(our, "GET", `${address}?limit=${our.PAGE}${next}`, { as, name: NAME });
    requests.add(answer.status !== 200);
    if (answer.status !== 200) return complain(`a page was refused: ${answer.status} ${answer.body ?? answer.error}`);
    page.add(answer.timings.duration);
    const { items: told, next: cursor } = answer.json();
    const items = tampered(our, told);
    pages.add(1);
    messages.add(items.length);
    below ??= Math.max(items[0]?.seq ?? 0, our.HISTORY);
    const isWhole = items.length === Math.min(our.PAGE, below);
    const isRight = isWhole && items.every(({ seq }, place) => seq === below - place);
    astray.add(isRight ? 0 : 1);
    if (!isRight) return complain(`a page of ${items.length} from ${items[0]?.seq} came where ${below} was next`);
    below -= items.length;
    next = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  } while (next);
  astray.add(below === 0 ? 0 : 1);
}

export function write(run) {
  unfinished.add(1);
  const { method, url, body, params } = sending(our, anyRoom(run));
  const { status } = http.request(method, url, body, params);
  requests.add(status !== 201);
  if (status === 201) {
    written.add(1);
    missing.add(1);
  }
  unfinished.add(-1);
}

/** Nobody writes any more: each room has its history, and what was acknowledged since. */
export function teardown(run) {
  for (let number = 0; number < our.ROOMS; number += 1) {
    const { items } = ask(our, "GET", `${path(room(run, number))}?limit=1`, { name: NAME });
    missing.add(our.HISTORY - items[0].seq);
  }
}
