"""Calls everything that /openapi.json describes, with inputs that fit the description and inputs that do not.

Starts the built hub on a port of its own, fills it with a room, and lets Schemathesis try every call as an administrator,
as a member and without a token. Nothing may end in a 5xx, in an answer that the description does not know, or with
nonsense accepted. Needs the packages of requirements.txt; tests/run installs them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(os.environ.get("TERTULIA_BIN", ROOT / "target/debug/tertulia"))
SECRET = "a secret for tests, thirty-two bytes and more"
ORGANIZATION = "22222222-2222-4222-8222-222222222222"
PEOPLE = {
    "admin": "11111111-1111-4111-8111-111111111111",
    "member": "33333333-3333-4333-8333-333333333333",
}
SEED = "7"
# Seconds for each caller; without the bound a run takes as long as the luck of its inputs.
EACH = os.environ.get("SCHEMATHESIS_SECONDS", "45")

# What is asked of every answer. Left out are checks that take archived rooms for deleted ones, and marks in a room
# without messages for lost rooms.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
]


def start(data):
    settings = ["limits.requests_per_ip=0", "limits.logins_per_ip=0", "rooms.auto_create=false"]
    command = [HUB, "serve", "--listen", "127.0.0.1:0", "--data-dir", f"{data}/hub"]
    command += [part for setting in settings for part in ("--set", setting)]
    log = open(f"{data}/log", "w")
    process = subprocess.Popen(
        command, cwd=data, env={"JWT_SECRET": SECRET}, stdout=subprocess.PIPE, stderr=log, text=True
    )
    for line in process.stdout:
        if "http://" in line:
            return process, "http://" + line.split("http://")[1].split()[0].rstrip("/").split("/")[0]
    sys.exit("the hub does not start:\n" + Path(f"{data}/log").read_text())


def token(role):
    command = [HUB, "token", "--sub", PEOPLE[role], "--org", ORGANIZATION, "--role", role, "--name", role.title()]
    return subprocess.run(command, env={"JWT_SECRET": SECRET}, check=True, capture_output=True, text=True).stdout.strip()


def ask(hub, role, method, path, body=None):
    request = urllib.request.Request(hub + path, method=method)
    request.add_header("Authorization", f"Bearer {token(role)}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def known(hub, role):
    """Waits until the hub's database knows this person, which it hears of by their first change."""
    ask(hub, role, "POST", "/api/v1/chat/rooms", {"name": "Mine", "kind": "public"})
    for _ in range(500):
        try:
            return ask(hub, role, "GET", f"/api/v1/users/{PEOPLE[role]}")
        except urllib.error.HTTPError:
            time.sleep(0.02)
    sys.exit(f"the hub never knows the {role}")


def furnish(hub):
    """A room of both with a message in it, to be found under the ids of paths."""
    for role in PEOPLE:
        known(hub, role)
    room = ask(hub, "admin", "POST", "/api/v1/chat/rooms", {"name": "Ours", "kind": "public", "members": [PEOPLE["member"]]})
    message = ask(hub, "member", "POST", f"/api/v1/chat/rooms/{room['id']}/messages", {"content": "Hello, @Admin"})
    return room["id"], message["id"]


def settings(data, room, message):
    """The ids in paths lead somewhere, so that what is behind the checks of ids is reached too."""
    path = Path(data) / "schemathesis.toml"
    path.write_text(
        f"""
[[operations]]
include-path-regex = "^/api/v1/chat/rooms/"
parameters = {{ "path.id" = "{room}", "path.user_id" = "{PEOPLE['member']}" }}

[[operations]]
include-path-regex = "^/api/v1/chat/messages/"
parameters = {{ "path.id" = "{message}" }}

[[operations]]
include-path-regex = "^/api/v1/users/|^/api/v1/chat/direct/"
parameters = {{ "path.id" = "{PEOPLE['member']}", "path.user_id" = "{PEOPLE['member']}" }}
"""
    )
    return path


def run(data, hub, role, config=None):
    command = [Path(sys.executable).parent / "schemathesis"]
    if config:
        command += ["--config-file", config]
    command += ["run", f"{hub}/openapi.json", "--checks", ",".join(CHECKS), "--seed", SEED, "--max-examples", "15"]
    command += ["--max-time", EACH, "--continue-on-failure", "--no-color", "--generation-database", "none"]
    command += ["--warnings", "off", "--phases", "examples,coverage,fuzzing" if config else "coverage,fuzzing,stateful"]
    # A stream has no end that could be waited for; tests/sse reads it.
    command += ["--exclude-path", "/api/v1/events"]
    if role:
        command += ["--header", f"Authorization: Bearer {token(role)}"]
    print(f"-- as {role or 'nobody'}{', with ids that are there' if config else ''}", flush=True)
    return subprocess.run(command, cwd=data, check=False).returncode


def main():
    if not HUB.exists():
        sys.exit(f"{HUB} is missing: run `cargo build`")
    with tempfile.TemporaryDirectory() as data:
        process, hub = start(data)
        try:
            ids = furnish(hub)
            failed = run(data, hub, "admin") or run(data, hub, "member", settings(data, *ids)) or run(data, hub, None)
            if not failed and process.poll() is not None:
                sys.exit("the hub has ended")
            if failed:
                print(Path(f"{data}/log").read_text()[-2000:])
            return failed
        finally:
            process.terminate()
            process.wait(timeout=20)


if __name__ == "__main__":
    sys.exit(main())
