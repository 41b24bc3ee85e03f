/**
 * A hub of its own for each test file: on a free port, with an empty database. With TERTULIA_TEST_GATEWAY in the environment
 * a gateway stands before it, and the port is the gateway's.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hubPath } from "./places.mjs";

const START_MS = 20_000;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Of a hub's flags, those that its gateway has to know as well: who may come in, and where Socket.IO is. */
function shared(flags) {
  const isShared = (flag, value) =>
    flag === "--jwt-secret" || flag === "--allowed-origin" || (flag === "--set" && /^(auth|socketio)\./u.test(value));
  return flags.flatMap((flag, at) => (flag === "--dev" ? [flag] : isShared(flag, flags[at + 1]) ? [flag, flags[at + 1]] : []));
}

export class Hub {
  static async start(...flags) {
    const hub = new this();
    hub.folder = mkdtempSync(join(tmpdir(), "tertulia-page-"));
    hub.port = await freePort();
    hub.url = `http://127.0.0.1:${hub.port}`;
    hub.flags = flags;
    hub.ownPort = hub.port;
    if (process.env.TERTULIA_TEST_GATEWAY) await hub.#behindGateway();
    await hub.run();
    return hub;
  }

  async #behindGateway() {
    this.ownPort = await freePort();
    const limits = ["limits.requests_per_ip=0", "limits.max_connections_per_user=0", "gateway.health_interval=1s"];
    const flags = [...limits.flatMap((it) => ["--set", it]), ...shared(this.flags)];
    flags.push("--listen", `127.0.0.1:${this.port}`, "--upstream", `http://127.0.0.1:${this.ownPort}`);
    this.gateway = spawn(hubPath, ["gateway", ...flags], { cwd: this.folder, stdio: "ignore", env: { PATH: process.env.PATH } });
    this.flags = [...this.flags, "--trusted-proxy", "127.0.0.1"];
  }

  /** Starts the process; again after a kill, on the same port and the same data. */
  async run() {
    const pages = process.env.TERTULIA_STATIC ? ["--static-dir", process.env.TERTULIA_STATIC] : [];
    const open = ["--set", "limits.requests_per_ip=0", "--set", "limits.logins_per_ip=0"];
    const flags = ["--listen", `127.0.0.1:${this.ownPort}`, "--data-dir", this.folder, ...open, ...pages, ...this.flags];
    this.process = spawn(hubPath, flags, { cwd: this.folder, stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH } });
    let log = "";
    this.process.stderr.on("data", (data) => (log = (log + data).slice(-4_000)));
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    const until = Date.now() + START_MS;
    const isReady = async (port) => (await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null))?.ok;
    // The gateway takes the hub for well until it has looked, and after that for a moment longer for dead.
    while (!(await isReady(this.ownPort)) || !(await isReady(this.port))) {
      if (Date.now() > until || this.process.exitCode !== null) throw new Error(`the hub did not start:\n${log}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** As a power cut would. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    this.gateway?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async rest(token, method, path, body) {
    const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(body && { "Content-Type": "application/json" }) };
    const response = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** An account made without the page, for what is not about registering: the login's answer. */
  async register(name) {
    const email = `${name.toLowerCase().replace(/[^a-z]+/gu, ".")}@example.com`;
    return this.rest(null, "POST", "/api/v1/auth/register", { email, password: "a long password", name });
  }
}
