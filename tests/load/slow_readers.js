/**
 * Slow readers among fast ones: some connections stop reading while others talk. The fast ones must not notice; the slow ones
 * are closed (4430), come back, and miss nothing.
 *
 * `k6/websockets` reads every socket into memory as fast as it can, whatever its script does: with it nobody is ever slow. The
 * older `k6/ws` reads on when the script has dealt with a message: so a script that sleeps over one is a reader that has really
 * stopped. The slow ones use that one until they are closed, and come back with the other.
 */
import { sleep } from "k6";
import exec from "k6/execution";
import { Counter, Trend } from "k6/metrics";
import ws from "k6/ws";
import { now, until } from "./lib/clock.js";
import { Connection, address, handshake } from "./lib/connection.js";
import { begin, count, crowd, crowdOptions, room, toTheEnd } from "./lib/crowd.js";
import { note, thresholds } from "./lib/ledger.js";
import { settings } from "./lib/options.js";
import { administrator, ask } from "./lib/rest.js";
import { RoomLog } from "./lib/room_log.js";
import { summary } from "./lib/summary.js";
import { talking } from "./lib/talk.js";

const our = settings("slow_readers", {
  CONNECTIONS: [20, 6],
  SLOW: [5, 2],
  RATE: [100, 150],
  SIZE: [8192, 10000],
  DURATION: ["40s", "8s"],
  DRAIN: ["5s", "2s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [5, 5],
});
Object.assign(our, { ROOMS: 1, SENDERS: 1 });
/** What part of the talk is over when the slow ones stop to read. They go on when all are closed, or at the latest then. */
const STOP = 0.2;
const GO_ON = 0.9;

const missingCloses = new Counter("missing_slow_closes"); // less those that the hub has counted
const told = new Counter("told_slow");
const beside = new Trend("beside_ms"); // deliveries to the fast ones while the others did not read

const base = crowdOptions(our, thresholds(our, "beside", { missing_slow_closes: ["count==0"], acked: ["count>0"] }));
const slowScenario = { ...base.scenarios.crowd, vus: Math.max(1, our.SLOW), exec: "slow" };
export const options = { ...base, scenarios: { crowd: base.scenarios.crowd, slow: slowScenario } };

export const handleSummary = summary(our, "Slow readers among fast ones", ({ time, count, whole }) => {
  const closed = `${whole(our.SLOW - count("missing_slow_closes"))} of ${whole(our.SLOW)} closed by the hub`;
  return [
    ["beside slow", time("beside_ms")],
    ["slow", `${closed}, ${whole(count("told_slow"))} heard 4430`],
  ];
});

/** How many the hub has closed for being slow: of this run, if nobody else uses it. */
const slowCloses = () => ask(our, "GET", "/api/v1/ws/stats", { as: administrator(our) }).slow_consumers_total;

export function setup() {
  if (our.SLOW < 1) throw new Error("SLOW=0: expected at least one");
  missingCloses.add(our.SLOW);
  const run = begin(our);
  const moment = (part) => run.speakAt + part * our.DURATION * 1000;
  return { ...run, slowCloses: slowCloses(), stopAt: moment(STOP), goOnAt: moment(GO_ON) };
}

/** The fast ones. */
export default (run) =>
  crowd(our, run, async (connections) => {
    const clock = async () => {
      await until(run.stopAt);
      for (const connection of connections) connection.delivery = beside;
    };
    await Promise.all([talking(our, run, connections), clock()]);
    await count(connections, run);
  });

/** A slow one. */
export async function slow(run) {
  const number = exec.scenario.iterationInTest;
  const connection = new Connection(our, run, our.CONNECTIONS + number);
  connection.delivery = null;
  connection.rooms.set(room(run, 0), new RoomLog(1));
  readAndStop(connection, run);
  await toTheEnd([connection], async () => {
    await connection.resume();
    await count([connection], run);
    if (number === 0) missingCloses.add(run.slowCloses - slowCloses());
  });
}

/** Returns when the connection has ended. What it heard is in its log, as with any other. */
function readAndStop(connection, run) {
  let hasStopped = false;
  connection.began = now();
  ws.connect(address(our), handshake(connection), (socket) => {
    const join = { session_id: room(run, 0), after_seq: 0 };
    socket.on("open", () => socket.send(JSON.stringify({ type: "join_session", payload: join })));
    socket.on("message", (data) => {
      connection.hear({ data, timestamp: now() });
      if (data.includes('"session_joined"')) {
        note("connected");
        note("missing_connections", -1);
      }
      if (hasStopped || now() < run.stopAt) return;
      hasStopped = true;
      while (now() < run.goOnAt && slowCloses() - run.slowCloses < our.SLOW) sleep(0.2);
    });
    socket.on("close", (code) => code === 4430 && told.add(1));
    // Who was not closed by then is never going to be; the count will tell.
    socket.setTimeout(() => socket.close(), run.quietAt - now());
  });
}
