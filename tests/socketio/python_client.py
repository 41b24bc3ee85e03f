"""A client of python-socketio that checks what it hears. Run by python.test.mjs, which talks to it from the other side."""

import asyncio
import json
import os
import sys

import socketio
from socketio.exceptions import ConnectionError as Refused
from socketio.exceptions import TimeoutError as Late

TEST = json.loads(os.environ["TERTULIA_TEST"])
TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": None}[TEST["transport"]]
ROOM = TEST["room"]
PATIENCE = 10


def say(line):
    print(line, flush=True)


class Heard:
    """What handlers were given. A handler that was given more than it takes fails in the client's task, unseen: so all take
    everything, and the number of arguments is looked at here."""

    def __init__(self, sio, events, namespace="/"):
        self.queues = {}
        for event in events:
            self.queues[event] = asyncio.Queue()
            sio.on(event, self.handler(event), namespace=namespace)

    def handler(self, event):
        async def hear(*args):
            await self.queues[event].put(args)

        return hear

    async def next(self, event, matches=lambda it: True):
        while True:
            try:
                args = await asyncio.wait_for(self.queues[event].get(), PATIENCE)
            except asyncio.TimeoutError:
                sys.exit(f"not within {PATIENCE} s: {event}")
            assert len(args) == 1, f"{event} came with {len(args)} arguments: {args}"
            if matches(args[0]):
                return args[0]


EVENTS = ["connected", "joined_conversation", "message:new", "message_received", "message:status", "user_typing", "user_joined", "error", "pong"]


async def refused():
    """CONNECT_ERROR reaches the program, with the data that came with it."""
    for token, code in [(None, "authentication_required"), ("nonsense", "invalid_token"), (TEST["expired"], "token_expired")]:
        sio = socketio.AsyncClient(reconnection=False)
        errors = asyncio.Queue()
        sio.on("connect_error", errors.put)
        try:
            await sio.connect(TEST["url"], auth=token and {"token": token}, transports=TRANSPORTS)
            sys.exit(f"let in with {token}")
        except Refused:
            pass
        error = await asyncio.wait_for(errors.get(), PATIENCE)
        assert error["message"] == "Not authenticated" and error["data"]["code"] == code, error
        await sio.disconnect()
    sio = socketio.AsyncClient(reconnection=False)
    try:
        await sio.connect(TEST["url"], auth={"token": TEST["token"]}, namespaces=["/nowhere"], transports=TRANSPORTS)
        sys.exit("let into an unknown namespace")
    except Refused:
        pass
    await sio.disconnect()


async def main():
    await refused()
    sio = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2)
    heard = Heard(sio, EVENTS)
    desk = Heard(sio, ["connected", "pong"], "/desk")
    await sio.connect(TEST["url"], auth={"token": TEST["token"]}, transports=TRANSPORTS, namespaces=["/", "/desk"])
    for namespace in [heard, desk]:
        welcome = await namespace.next("connected")
        assert welcome["user_id"] == TEST["ana"], welcome

    # Acknowledgements come to `call`, and to a callback.
    joined = await sio.call("join_conversation", {"conversation_id": ROOM}, timeout=PATIENCE)
    assert joined["conversation_id"] == ROOM and joined["last_seq"] == 0, joined
    assert await heard.next("joined_conversation") == joined
    done = asyncio.Queue()
    await sio.emit("join_room", {"room_id": ROOM}, callback=done.put)
    assert "code" not in (await asyncio.wait_for(done.get(), PATIENCE) or {})
    pong = await sio.call("ping", {}, namespace="/desk", timeout=PATIENCE)
    assert pong["timestamp"], pong
    await desk.next("pong")

    say("ready to hear")
    message = await heard.next("message:new")
    assert message["content"] == {"text": "hello Python"} and message["whatsapp_message_id"] is None, message
    received = await heard.next("message_received")
    assert received["id"] == message["id"] and received["content"] == "hello Python", received
    answer = await sio.call("send_message", {"conversation_id": ROOM, "text": "hello JavaScript"}, timeout=PATIENCE)
    assert answer["seq"] == 2 and answer["status"] == "sent", answer
    assert (await heard.next("message:new"))["id"] == answer["id"]
    await heard.next("message:status", lambda it: it["status"] == "read")

    # Binary arguments, in an event that the hub does not know and in a field where it wants a text.
    refusal = await sio.call("picture", {"data": bytes(range(256)) * 8, "more": [b"1", "2", b""]}, timeout=PATIENCE)
    assert refusal["code"] == "invalid_payload" and "binary" in refusal["message"], refusal
    assert await heard.next("error") == refusal
    refusal = await sio.call("send_message", {"conversation_id": ROOM, "text": b"bytes"}, timeout=PATIENCE)
    assert refusal["code"] == "invalid_payload", refusal
    refusal = await sio.call("join_conversation", {"conversation_id": "12"}, timeout=PATIENCE)
    assert refusal["message"] == "Invalid conversation_id", refusal

    # A long past, of which it reads only so much at a time.
    await sio.call("join_room", {"room_id": TEST["long"], "after_seq": 0}, timeout=PATIENCE)
    for seq in range(1, TEST["length"] + 1):
        message = await heard.next("message_received", lambda it: it["room_id"] == TEST["long"])
        assert message["seq"] == seq, (message["seq"], seq)

    # The connection is cut, and the client comes back by itself. It knows of no recovery: it joins again, from where it was.
    back = asyncio.Event()
    sio.on("connect", lambda: back.set())
    sio.on("disconnect", lambda reason: say("lost"))
    say("cut me off")
    await asyncio.wait_for(back.wait(), PATIENCE)
    await heard.next("connected")
    await sio.call("join_conversation", {"conversation_id": ROOM, "after_seq": 2}, timeout=PATIENCE)
    say("back again")
    message = await heard.next("message:new")
    assert message["content"] == {"text": "welcome back"} and message["seq"] == 3, message
    try:
        await sio.call("ping", {}, timeout=PATIENCE)
    except Late:
        sys.exit("nothing is acknowledged after coming back")
    await sio.disconnect()


asyncio.run(asyncio.wait_for(main(), 60))
