/** Many small rooms: hundreds of talks at once, each among a few. Every message is stored, and heard by few. */
import { settings } from "./lib/options.js";
import { talk } from "./lib/talk.js";

const our = settings("many_rooms", {
  CONNECTIONS: [1000, 40],
  ROOMS: [250, 10],
  SENDERS: [1, 1],
  RATE: [500, 40],
  SIZE: [128, 128],
  DURATION: ["30s", "2s"],
  DRAIN: ["3s", "1s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [50, 20],
});

const { options, setup, handleSummary, run } = talk(our, "Many small rooms");
export { options, setup, handleSummary, run as default };
