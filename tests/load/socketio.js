/** Talk over Socket.IO: as in `fanout_large_room.js` and `many_rooms.js`, but all hear each message, who said it as well. */
import { settings } from "./lib/options.js";
import { SocketIoConnection } from "./lib/socketio.js";
import { talk } from "./lib/talk.js";

const our = settings("socketio", {
  CONNECTIONS: [1000, 40],
  ROOMS: [10, 4],
  SENDERS: [4, 2],
  RATE: [50, 40],
  SIZE: [128, 128],
  DURATION: ["30s", "2s"],
  DRAIN: ["3s", "1s"],
  RAMP: [500, 0],
  SOCKETS_PER_VU: [50, 20],
});

const { options, setup, handleSummary, run } = talk(our, "Talk over Socket.IO", SocketIoConnection);
export { options, setup, handleSummary, run as default };
