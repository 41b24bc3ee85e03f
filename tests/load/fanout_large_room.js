/** Fan-out in one large room: a few speak, and everyone hears each message once, in order. How long does that take? */
import { settings } from "./lib/options.js";
import { talk } from "./lib/talk.js";

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
});

const { options, setup, handleSummary, run } = talk(our, "Fan-out in one large room");
export { options, setup, handleSummary, run as default };
