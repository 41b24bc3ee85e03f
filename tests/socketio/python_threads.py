"""The client of python-socketio that has threads. Run by python.test.mjs, which ends its hub and starts it again."""

import json
import os
import queue
import sys

import socketio

TEST = json.loads(os.environ["TERTULIA_TEST"])
ROOM = TEST["room"]
PATIENCE = 20

heard, connects = queue.Queue(), queue.Queue()


def say(line):
    print(line, flush=True)


def taken(what, where):
    try:
        return where.get(timeout=PATIENCE)
    except queue.Empty:
        sys.exit(f"not within {PATIENCE} s: {what}")


def hears(text):
    args = taken(text, heard)
    assert len(args) == 1, f"message:new came with {len(args)} arguments: {args}"
    assert args[0]["content"] == {"text": text}, args
    say(f"heard {text}")
    return args[0]["seq"]


def connect(sio, token):
    sio.connect(TEST["url"], auth={"token": token}, transports=[TEST["transport"]])


refused, refusals = socketio.Client(reconnection=False), queue.Queue()
refused.on("connect_error", refusals.put)
try:
    connect(refused, "nonsense")
    sys.exit("let in with a wrong token")
except socketio.exceptions.ConnectionError:
    refusal = taken("the refusal", refusals)
    assert refusal["message"] == "Not authenticated" and refusal["data"]["code"] == "invalid_token", refusal
refused.disconnect()

sio = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
sio.on("connect", lambda: connects.put(True))
sio.on("message:new", lambda *args: heard.put(args))
connect(sio, TEST["token"])
taken("that it is connected", connects)
assert sio.call("join_conversation", {"conversation_id": ROOM}, timeout=PATIENCE)["last_seq"] == 0
say("ready to hear")
last = hears("hello")
taken("that it is connected again", connects)
sio.call("join_conversation", {"conversation_id": ROOM, "after_seq": last}, timeout=PATIENCE)
say("back again")
hears("welcome back")
sio.disconnect()
