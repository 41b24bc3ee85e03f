// A peer of the hub for measurements: Socket.IO with rooms in memory, set up as its own documentation advises for load.
//
// The token comes with CONNECT. `join_conversation` joins a room, `send_message` says something to the others there, as
// `message:new`. PORT and JWT_SECRET stand in the environment.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import jwt from 'jsonwebtoken';
import { Server } from 'socket.io';

const secret = process.env.JWT_SECRET;
const server = createServer();
const io = new Server(server, {
  transports: ['websocket'],
  serveClient: false,
  perMessageDeflate: false,
  httpCompression: false,
});

// The request of the handshake is kept otherwise, for as long as the connection lives.
io.engine.on('connection', (connection) => {
  connection.request = null;
});

io.use((socket, next) => {
  try {
    socket.data.user = jwt.verify(socket.handshake.auth.token, secret, { algorithms: ['HS256'] }).sub;
    next();
  } catch {
    next(new Error('a token is needed'));
  }
});

io.on('connection', (socket) => {
  const user_id = socket.data.user;
  socket.on('join_conversation', ({ conversation_id }) => {
    socket.join(conversation_id);
    socket.emit('joined_conversation', { conversation_id });
  });
  socket.on('send_message', ({ conversation_id, text }) => {
    if (!socket.rooms.has(conversation_id)) return;
    const created_at = new Date().toISOString();
    socket.to(conversation_id).emit('message:new', { id: randomUUID(), conversation_id, user_id, text, created_at });
  });
});

server.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 });
