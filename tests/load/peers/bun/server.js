// A peer of the hub for measurements: what Bun's own WebSockets (uWebSockets) do without JSON or storing.
//
// GET /?room=ROOM&token=TOKEN joins a room, and the server says `joined`. Whatever a client then sends goes to the others
// there as it is. PORT and JWT_SECRET stand in the environment.
import jwt from 'jsonwebtoken';

const secret = process.env.JWT_SECRET;

function bearer(token) {
  try {
    return jwt.verify(token, secret, { algorithms: ['HS256'] }).sub;
  } catch {
    return null;
  }
}

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  fetch(request, server) {
    const query = new URL(request.url).searchParams;
    const user = bearer(query.get('token'));
    if (!user) return new Response('a token is needed', { status: 401 });
    if (server.upgrade(request, { data: { room: query.get('room'), user } })) return undefined;
    return new Response('a WebSocket is needed', { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    // Nothing may be lost, as in the hub; here a slow reader is not closed but waited for.
    backpressureLimit: 64 * 1024 * 1024,
    closeOnBackpressureLimit: false,
    idleTimeout: 120,
    sendPings: true,
    open(socket) {
      socket.subscribe(socket.data.room);
      socket.send('joined');
    },
    message(socket, text) {
      socket.publish(socket.data.room, text);
    },
  },
});
